"""What a rule is, and how verdicts become causes with their consequences. Pure."""
