"""Lost questions that may be chance: any busy way loses one, and that is no word of a server."""

from __future__ import annotations

from collections.abc import Sequence

from kubectl_dnsdebug.model import Answer, Status, Vantage
from kubectl_dnsdebug.observe.observed import Observed


def may_be(seen: Observed, vantage: Vantage, failed: Sequence[Answer], name: str) -> bool:
    """Whether these failures are a single question lost, and nothing else speaks for them.

    Programs ask again where dig does not: that the C library gave no address for `name` either is
    a second witness.
    """
    if any(a.status is not Status.TIMEOUT for a in failed):
        return False
    library = seen.ask(vantage, tool="getent", name=name, probe="libc.")
    return len(failed) + sum(a.status is not Status.NOERROR for a in library) < 2
