"""Whether a node passes on packets between its pods and the rest of the world, both ways."""

from __future__ import annotations

from kubectl_dnsdebug.model import Missing, Subject
from kubectl_dnsdebug.observe.observed import Observed

FORWARD = "net.ipv4.ip_forward"


def nothing_leaves(seen: Observed, node: Subject) -> bool:
    """Whether upstreams were asked from a pod of the node, and every one was silent."""
    try:
        place = seen.default(node)
    except Missing:
        return False
    asked = seen.ask(place, probe="up.")
    return bool(asked) and all(a.status.is_silence for a in asked)


def forwards(seen: Observed, node: Subject) -> bool | None:
    """What the node's own setting says; None where it was not read."""
    try:
        return seen.host(node.name).settings.setting(FORWARD) != "0"
    except Missing:
        return None


def filtered(seen: Observed, node: Subject) -> tuple[int, tuple[str, ...]]:
    """How many packets the reverse path filter dropped within two seconds, and the evidence; none
    where that was not read."""
    try:
        host = seen.host(node.name)
        rise = host.counters.rise("rp_filtered")
    except Missing:
        return 0, ()
    return rise, (host.id("counters"),) if rise else ()
