"""Policies of network plugins and of administrators, read where the API has their kinds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect import allowlist
from kubectl_dnsdebug.collect.facts import PAGE, failed, read, together
from kubectl_dnsdebug.model import Fact, State
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.plugin_policies import GROUPS, Kind, known_groups, served


def look(session: Session, namespaces: Iterable[str]) -> list[Fact]:
    """Which of the kinds there are, in one request, and a list of each for these namespaces."""
    groups = _groups(session)
    kinds = served(groups.data)
    wanted = {kind.fact_id(ns): (kind, ns) for kind in kinds for ns in sorted(namespaces)}
    return [groups, *together(partial(_list, session, *each) for each in wanted.values())]


def _groups(session: Session) -> Fact:
    try:
        reply = session.get("/apis")
    except ClusterError as wrong:
        return Fact(id=GROUPS, state=State.UNKNOWN, reason=str(wrong))
    if not reply.ok:
        return failed(GROUPS, reply, "list the API's groups")
    found = {
        group["name"]: [each["version"] for each in group.get("versions") or ()]
        for group in at(reply.body, "groups", default=())
        if group.get("name") in known_groups()
    }
    return Fact(id=GROUPS, state=State.GOT, data=found)


def _list(session: Session, kind: Kind, namespace: str) -> Fact:
    what, where = f"{kind.resource}.{kind.group}", ""
    path = f"/apis/{kind.group}/{kind.version}"
    if kind.namespaced:
        path, where = f"{path}/namespaces/{namespace}", f" in {namespace}"
    return read(
        session,
        kind.fact_id(namespace),
        f"{path}/{kind.resource}",
        allowlist.POLICY_OF_FAMILY[kind.family],
        need=f"list {what}{where}",
        query={"limit": str(PAGE)},
    )
