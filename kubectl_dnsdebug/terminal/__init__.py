"""What a person meets: flags, progress, signals, completion, the catalogue."""
