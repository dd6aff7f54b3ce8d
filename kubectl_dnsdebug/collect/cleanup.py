"""Removing what was made: at the end of a run, and by `cleanup` after one that was killed.

Only objects that bear both our labels and our annotation are ever touched.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.model import DnsdebugError
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.plan.manifests import MADE_BY, OUR_LABELS, RUN

REMOVED = "removed"
ENDED = "ended"
TRIES, PAUSE = 4, 0.5  # of one deletion, seconds between them
_AT_ONCE = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}


def remove(session: Session, namespace: str, name: str) -> str:
    """Delete one pod at once; returns its fate in words. Never raises for what the cluster does."""
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    why = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        try:
            reply = session.request("DELETE", path, body=_AT_ONCE, timeout=5)
        except ClusterError as wrong:
            why = str(wrong)
            continue
        if reply.ok or reply.status == 404:
            return REMOVED
        why = reply.message
        if reply.status in (401, 403):
            break
    return f"NOT removed ({why}): kubectl delete pod {name} -n {namespace}"


def settle(session: Session, ledger: Ledger) -> None:
    """Remove every pod the ledger still lists, with time of its own whatever became of the run."""
    pods = ledger.pods()
    if not pods:
        return
    with ThreadPoolExecutor(max_workers=8) as pool:
        for namespace, name in pods:
            pool.submit(settle_one, session, ledger, namespace, name)


def settle_one(session: Session, ledger: Ledger, namespace: str, name: str) -> None:
    """Remove one pod of the ledger, and tell it."""
    ledger.settle(namespace, name, remove(session, namespace, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A pod that an earlier run made and did not remove."""

    namespace: str
    name: str
    run: str
    phase: str
    made_by: str
    since: str


def leftovers(session: Session, namespace: str | None, run: str = "") -> tuple[Leftover, ...]:
    """What earlier runs left, in one namespace or in all (None).

    Raises DnsdebugError when it may not be listed.
    """
    scope = f"/namespaces/{namespace}" if namespace else ""
    selector = OUR_LABELS + (f",{RUN}={run}" if run else "")
    reply = session.get(f"/api/v1{scope}/pods", labelSelector=selector)
    if not reply.ok:
        where = f"in {namespace}" if namespace else "in all namespaces (-n chooses one)"
        raise DnsdebugError(f"could not list pods {where}: {reply.message}")
    return tuple(
        Leftover(
            namespace=at(each, "metadata", "namespace", default=""),
            name=at(each, "metadata", "name", default=""),
            run=at(each, "metadata", "labels", RUN, default=""),
            phase=at(each, "status", "phase", default=""),
            made_by=at(each, "metadata", "annotations", MADE_BY, default=""),
            since=at(each, "metadata", "creationTimestamp", default=""),
        )
        for each in at(reply.body, "items", default=())
        if at(each, "metadata", "annotations", MADE_BY)
    )


def sweep(session: Session, found: Iterable[Leftover]) -> tuple[tuple[Leftover, str], ...]:
    """Remove leftovers; gives each with its fate."""
    return tuple((each, remove(session, each.namespace, each.name)) for each in found)
