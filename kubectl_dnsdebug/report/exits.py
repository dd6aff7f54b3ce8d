"""The exit codes."""

from __future__ import annotations


class Exit:
    """The exit codes. The same for every output format."""

    HEALTHY = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    CAUSES = 4
