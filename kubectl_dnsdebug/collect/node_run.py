"""A run over nodes, up to the evidence: sweep, look closer where it is ill, clean up."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from kubectl_dnsdebug.api.cluster import Session
from kubectl_dnsdebug.collect import cleanup, run, survey
from kubectl_dnsdebug.collect.facts import together
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.node_plan import RESERVE, NodePlan
from kubectl_dnsdebug.collect.sweep import Sweep, Tell
from kubectl_dnsdebug.model import Evidence, Fact, Made, Purpose, Role, State
from kubectl_dnsdebug.observe.objects import Pod, plain_pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import node_spots, witnesses

MOST_ILL = 6  # nodes that are looked at once more from the API's side, of those that look ill
LISTED = 50  # pods that are told by name when all is well with them


class NodeRun:
    """`go` does it all; `evidence` is what there is at any time, also when `go` was broken off."""

    def __init__(self, session: Session, plan: NodePlan, ledger: Ledger, tell: Tell) -> None:
        self._session, self._plan, self._ledger, self._tell = session, plan, ledger, tell
        self._sweep = Sweep(session, plan, ledger, tell)
        self._seen = plan.evidence  # with what was looked at once more
        self._more: tuple[Fact, ...] = ()
        self._queries = len(plan.fit) * plan.queries
        self._started = self._swept = time.monotonic()

    def go(self) -> None:
        """Everything made is removed at the end, come what may."""
        deadline = self._started + self._plan.evidence.request.timeout * (1 - RESERVE)
        try:
            self._sweep.run(deadline)
            self._swept = time.monotonic()
            with ThreadPoolExecutor(max_workers=2) as pool:
                cleaning = pool.submit(cleanup.settle, self._session, self._ledger)
                kubelets = pool.submit(self._kubelets)
                self._look_closer(deadline)
                self._more += tuple(kubelets.result())
                cleaning.result()
        finally:
            cleanup.settle(self._session, self._ledger)

    def _look_closer(self, deadline: float) -> None:
        """What explains the nodes whose logs were read: more of them, and of the cluster."""
        seen = Observed(self._with_sweep())
        nodes = list(dict.fromkeys(v.node for v in self._sweep.vantages))
        ill = [self._pod(name) for name in nodes if self._is_ill(seen, name)][:MOST_ILL]
        worth = node_spots.worth_a_look(nodes, [pod.node for pod in ill], named=self._plan.named)
        places = (*witnesses.witnesses(seen, ill, self._plan.run), *self._plan.hosts(worth))
        if places:
            self._tell(len(self._plan.fit), "looking once more, where it tells most")
            self._queries += sum(spot.plan.cost for spot in places)
            self._seen = run.once_more(
                self._session,
                self._plan.evidence,
                places,
                self._plan.run,
                self._ledger,
                deadline,
                lambda text: self._tell(len(self._plan.fit), text),
                self._plan.made_by,
                self._plan.pull_secrets,
            )
            seen = Observed(self._with_sweep())
        if self._plan.evidence.request.purpose is Purpose.DIFF:
            return
        self._tell(len(self._plan.fit), "reading what explains it")
        # Without an ill node the events of its namespace still are worth a look.
        about = ill or [self._pod(each) for each in nodes[:1]]
        self._more = survey.aftermath(
            self._session, self._seen.facts, about, ill=bool(ill), stale=run.stale(seen)
        )

    def _kubelets(self) -> list[Fact]:
        """The configuration of those kubelets whose nodes are looked at closely. One that started
        nothing would not answer either."""
        known = {fact.id for fact in self._plan.evidence.facts}
        nodes = dict.fromkeys(v.node for v in self._sweep.vantages if not v.failure)
        unread = [each for each in nodes if f"configz/{each}" not in known]
        return together(partial(survey.kubelet, self._session, each) for each in unread)

    def _pod(self, node: str) -> Pod:
        return plain_pod(self._plan.home, node)

    def _is_ill(self, seen: Observed, name: str) -> bool:
        """By its own words: each place there tells of a failure or of a name that was not got."""
        mine = [v for v in seen.evidence.vantages if v.node == name]
        told = {v.id for v in mine}
        return any(v.failure for v in mine) or any(
            not answer.records
            for answer in seen.answers
            if answer.vantage in told and "#reach" in answer.id
        )

    def _with_sweep(self) -> Evidence:
        """The evidence with the vantages of the sweep, in the order of the nodes."""
        place = {name: n for n, name in enumerate(self._plan.fit)}
        roles = list(Role)
        vantages = sorted(self._sweep.vantages, key=lambda v: (place[v.node], roles.index(v.role)))
        order = {vantage.id: n for n, vantage in enumerate(vantages)}
        transcripts = sorted(self._sweep.transcripts, key=lambda t: order[t.vantage])
        return replace(
            self._seen,
            vantages=(*vantages, *self._seen.vantages),
            transcripts=(*transcripts, *self._seen.transcripts),
        )

    def evidence(self, stopped: str = "") -> Evidence:
        """What there is; `stopped` says what broke the run off."""
        ended = time.monotonic()
        unfit = (
            Fact(id=f"swept/{name}", state=State.UNKNOWN, reason=why)
            for name, why in self._plan.unfit.items()
        )
        swept = self._sweep.facts(stopped or self._sweep.trouble)
        seen = self._with_sweep()
        return replace(
            seen,
            facts=(*seen.facts, *self._more, *swept, *unfit),
            made=_made(run.fates(self._ledger, ())),
            timing={
                "probes": round(self._swept - self._started, 3),
                "afterwards": round(ended - self._swept, 3),
                "total": round(ended - self._started, 3),
            },
            counts={
                "api requests": self._session.requests,
                "dns queries (planned)": self._queries,
                "nodes": len(self._plan.fit),
            },
        )


def _made(fates: Iterable[Made]) -> tuple[Made, ...]:
    """Each pod by name; of very many only those by name that are still there."""
    all_ = tuple(fates)
    removed = [each for each in all_ if each.fate == cleanup.REMOVED]
    if len(removed) <= LISTED:
        return all_
    where = removed[0].what.split("/")[1]
    told = Made(what=f"{len(removed)} pods in {where}", fate=cleanup.REMOVED)
    return (told, *(each for each in all_ if each.fate != cleanup.REMOVED))
