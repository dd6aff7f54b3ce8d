"""Name the cause of a DNS failure in Kubernetes, with proof, fix and a line to check it by hand."""

from __future__ import annotations

__version__ = "0.1.0"
