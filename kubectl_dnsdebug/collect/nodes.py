"""The user's words, resolved to nodes: `node/x`, `nodes`, `nodes -l k=v`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from kubectl_dnsdebug.api.cluster import Session
from kubectl_dnsdebug.collect import allowlist
from kubectl_dnsdebug.collect.facts import read, together
from kubectl_dnsdebug.collect.targets import NAME, TargetError, must
from kubectl_dnsdebug.model import Fact, State

ALL = "nodes"
_KINDS = ("no", "node", "nodes")
PAGE = 100  # of a list: a node may be 30 kB large, most of it the names of its images
FEW = 8  # named nodes that are read one by one; more of them in one list


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Nodes as facts `node/NAME`, in order, and how they were chosen: empty when they were named.

    A fact is UNKNOWN where the node may not be read; then it may be there all the same.
    """

    facts: tuple[Fact, ...]
    picked_by: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(fact.id.removeprefix("node/") for fact in self.facts)


def named(words: Sequence[str]) -> list[str]:
    """Those of the words that mean nodes. A bare `node` is a pod of that name."""
    return [
        word
        for word in words
        if word == ALL or ("/" in word and word.partition("/")[0].lower() in _KINDS)
    ]


def resolve(session: Session, words: Sequence[str], selector: str = "") -> Nodes:
    """The nodes that the words mean. Raises TargetError with what to do instead."""
    if ALL in words or selector:
        chosen = _list(session, selector)
        if not chosen:
            what = f"no node has labels {selector}" if selector else "the cluster has no node"
            raise TargetError(f"{what}; `kubectl get nodes` lists those there are")
        return Nodes(facts=chosen, picked_by=f"{ALL} -l {selector}" if selector else ALL)
    names = list(dict.fromkeys(word.partition("/")[2] for word in words))
    for name in names:
        if not NAME.fullmatch(name):
            raise TargetError(f"{name!r} is no name of a node", usage=True)
    if len(names) <= FEW:
        facts = together(partial(read_one, session, name) for name in names)
    else:
        known = {fact.id: fact for fact in _list(session, "")}
        facts = [
            known.get(f"node/{name}") or Fact(id=f"node/{name}", state=State.ABSENT)
            for name in names
        ]
    if gone := [fact.id for fact in facts if fact.state is State.ABSENT]:
        raise TargetError(
            f"{', '.join(gone)} does not exist; `kubectl get nodes` lists those there are"
        )
    return Nodes(facts=tuple(facts))


def read_one(session: Session, name: str) -> Fact:
    """A node by its name, as a fact."""
    return read(
        session, f"node/{name}", f"/api/v1/nodes/{name}", allowlist.NODE, need=f"get node {name}"
    )


def _list(session: Session, selector: str) -> tuple[Fact, ...]:
    """Every node, kept page by page: thousands of them are large."""
    query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
    facts: list[Fact] = []
    more = ""
    while True:
        reply = session.get("/api/v1/nodes", **query, **({"continue": more} if more else {}))
        if reply.status == 400 and selector:
            raise TargetError(f"-l {selector}: {reply.message}")
        must(reply, "list nodes")
        for item in reply.body.get("items") or ():
            kept = allowlist.keep(item, allowlist.NODE)
            facts.append(Fact(id=f"node/{kept['metadata']['name']}", state=State.GOT, data=kept))
        more = (reply.body.get("metadata") or {}).get("continue") or ""
        if not more:
            return tuple(facts)
