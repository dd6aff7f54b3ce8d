"""Measurements on the test cluster: `make bench`. Numbers, never verdicts; the bars stand in README.md beside this."""
