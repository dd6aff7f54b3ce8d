"""One API read becomes one fact: got, absent, or unknown with the reason and what would help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubectl_dnsdebug.api.cluster import ClusterError, Reply, Session
from kubectl_dnsdebug.collect import allowlist
from kubectl_dnsdebug.model import Fact, State

AT_ONCE = 8  # requests in flight: enough to hide round trips, too few to be noticed
PAGE = 500
PAGES = 10  # of a list: what lies beyond 5,000 objects is said to be unread


def read(
    session: Session,
    id: str,
    path: str,
    shape: allowlist.Shape,
    *,
    need: str,
    keep: Callable[[Any], bool] | None = None,
    query: Mapping[str, str] | None = None,
) -> Fact:
    """GET one object or list.

    `need` is the permission in words ("list services"); of a list only what `keep` likes is kept.
    """
    try:
        reply = session.request("GET", path, query=query)
        if reply.status != 200 or not isinstance(reply.body, dict):
            return failed(id, reply, need)
        if "items" not in reply.body:
            return Fact(id=id, state=State.GOT, data=allowlist.keep(reply.body, shape))
        items, pages = _kept(reply, shape, keep), 1
        while (more := (reply.body.get("metadata") or {}).get("continue")) and pages < PAGES:
            reply = session.request("GET", path, query={**(query or {}), "continue": more})
            if reply.status != 200 or not isinstance(reply.body, dict):
                return failed(id, reply, need)
            items += _kept(reply, shape, keep)
            pages += 1
    except ClusterError as wrong:
        return Fact(id=id, state=State.UNKNOWN, reason=str(wrong))
    data: dict[str, Any] = {"items": items}
    if more:
        data["unread"] = True
    return Fact(id=id, state=State.GOT, data=data)


def _kept(
    reply: Reply, shape: allowlist.Shape, like: Callable[[Any], bool] | None = None
) -> list[Any]:
    """What is kept of a page, so that a long list never lies here whole as the API sent it."""
    found = reply.body.get("items") or ()
    return [allowlist.keep(each, shape) for each in found if like is None or like(each)]


def failed(id: str, reply: Reply, need: str) -> Fact:
    """A reply that is no success, as a fact: 404 is an answer, everything else a gap."""
    if reply.status == 404:
        return Fact(id=id, state=State.ABSENT, reason=reply.message or "not found")
    if reply.status == 403:
        return Fact(id=id, state=State.UNKNOWN, reason=f"not allowed to {need}")
    why = reply.message or reply.reason or f"HTTP {reply.status}"
    return Fact(id=id, state=State.UNKNOWN, reason=f"could not {need}: {why}")


def together(jobs: Iterable[Callable[[], Fact | Iterable[Fact]]]) -> list[Fact]:
    """Run reads side by side and give their facts in the order of the jobs."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        results = [future.result() for future in [pool.submit(job) for job in jobs]]
    facts: list[Fact] = []
    for each in results:
        facts.extend([each] if isinstance(each, Fact) else each)
    return facts
