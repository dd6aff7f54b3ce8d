"""Tests of kubectl-dnsdebug, and the real cluster they break on purpose."""
