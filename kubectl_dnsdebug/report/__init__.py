"""What is said of it all: the report, its pictures, and one renderer a format. Pure."""
