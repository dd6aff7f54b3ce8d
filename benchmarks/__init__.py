"""Measurements on the test cluster, `make bench`: numbers, never verdicts."""
