"""Lost questions that may be chance: any busy way loses one, and that is no word of a server."""

from __future__ import annotations

from collections.abc import Sequence

from kubectl_dnsdebug.model import Answer, Status, Vantage
from kubectl_dnsdebug.observe.observed import Observed

OWN_NAMES = ("reach", "svc.", "dom.", "ptr.")  # probes for names that no upstream is asked for


def may_be(seen: Observed, vantage: Vantage, failed: Sequence[Answer], name: str) -> bool:
    """Whether these failures are a single question lost, and nothing else speaks for them.

    Programs ask again where dig does not: that the C library gave no address for `name` either is
    a second witness. Where the same server's own names get lost as well it takes more.
    """
    if any(a.status is not Status.TIMEOUT for a in failed):
        return False
    library = seen.ask(vantage, tool="getent", name=name, probe="libc.")
    server = failed[0].server if failed else None
    strays = sum(
        a.status.is_silence and a not in failed
        for a in seen.ask(vantage, server=server)
        if a.id.split("#", 1)[1].startswith(OWN_NAMES)
    )
    witnesses = len(failed) + sum(a.status is not Status.NOERROR for a in library)
    return witnesses < 2 + strays
