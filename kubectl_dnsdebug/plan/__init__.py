"""What to ask, of whom, from where, and the objects that put us there. Pure."""
