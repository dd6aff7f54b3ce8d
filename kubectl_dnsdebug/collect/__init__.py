"""From the user's words to evidence: what is read, made, waited for and removed again. Live."""
