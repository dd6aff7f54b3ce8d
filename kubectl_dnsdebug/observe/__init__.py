"""Evidence made easy to ask: typed objects, answers, the symptoms that rules start from. Pure."""
