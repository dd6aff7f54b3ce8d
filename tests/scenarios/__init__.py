"""The installed command on a real cluster that is really broken, as a user would run it."""
