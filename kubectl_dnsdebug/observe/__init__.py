"""Evidence made easy to ask: typed objects, answers, and the symptoms that rules start from. Pure."""
