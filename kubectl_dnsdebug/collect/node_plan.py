"""What a run over nodes would do, ready to be shown or done."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.api.cluster import Session
from kubectl_dnsdebug.collect import permissions, survey
from kubectl_dnsdebug.collect.nodes import Nodes
from kubectl_dnsdebug.model import PATIENCE, Evidence, Fact, Request, Role, State
from kubectl_dnsdebug.observe.objects import plain_pod, read_node
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import frames, node_spots, spots
from kubectl_dnsdebug.plan.manifests import Manifest
from kubectl_dnsdebug.plan.node_spots import FIRST_WAVE
from kubectl_dnsdebug.plan.probe import Plan
from kubectl_dnsdebug.plan.spots import Spot

IN_FLIGHT = 50  # nodes that have pods of ours at the same time
USUAL = 5.0  # seconds that a healthy node takes
PATIENT = 30.0  # seconds until one of many nodes is given up
GRACE = 30  # seconds more until the kubelet kills a pod that a killed run left
RESERVE = 0.2  # of the time-out, kept for logs and cleaning up
KUBELETS = 2  # whose configuration is read beforehand; more of those that are looked at closely


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """`fit` are the nodes to be visited, `unfit` the others with the reason; `limit` is how many
    seconds one may take."""

    run: str
    evidence: Evidence  # of the survey
    fit: tuple[str, ...]
    unfit: Mapping[str, str]
    plans: Mapping[Role, Plan]
    limit: float
    made_by: str
    pull_secrets: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        return self.evidence.request.home

    @property
    def first(self) -> tuple[Role, ...]:
        """What every node is looked at from, whether ill or not."""
        return (*FIRST_WAVE, Role.HOSTNET) if self.named else FIRST_WAVE

    @property
    def pods(self) -> int:
        """Pods for each node; up to four where these find it ill."""
        return len(self.first)

    @property
    def queries(self) -> int:
        """DNS queries to one node's healthy answer, at most."""
        return sum(self.plans[role].cost for role in self.first)

    @property
    def seconds(self) -> float:
        """How long it takes where all is well."""
        return seconds(len(self.fit))

    def spot(self, role: Role, node: str, number: int) -> Spot:
        return node_spots.spot(self.plans, role, self.home, node, self.run, number)

    @property
    def named(self) -> bool:
        """Whether the nodes were named, not picked from all."""
        return not self.evidence.request.picked_by

    def hosts(self, nodes: Iterable[str]) -> Iterator[Spot]:
        """The privileged pods for these nodes; none unless they were asked for."""
        if deep := self.evidence.request.deep:
            pods = (plain_pod(self.home, node) for node in nodes)
            yield from spots.hosts(Observed(self.evidence), pods, self.run, deep)

    def manifest(self, spot: Spot) -> Manifest:
        """The pod of a spot; it ends by itself soon after its node would be given up."""
        return spots.manifest(
            spot,
            run=self.run,
            runner=frames.runner(spot.role),
            image=self.evidence.request.image,
            namespace=self._namespace,
            policies=(),
            deadline=int(self.limit) + GRACE,
            made_by=self.made_by,
            pull_secrets=self.pull_secrets,
        )

    @property
    def _namespace(self) -> Mapping[str, Any]:
        facts = self.evidence.facts
        return next((f.data for f in facts if f.id == f"namespace/{self.home}"), {})


def seconds(nodes: int) -> float:
    """How long that many nodes take where all is well."""
    return max(USUAL, nodes / IN_FLIGHT * USUAL)


def timeout(nodes: int) -> float:
    """Seconds that a run of that many nodes is given, some of them slow, unless the user says."""
    return PATIENCE + 3 * max(0, nodes - IN_FLIGHT) / IN_FLIGHT * USUAL


def draft(
    session: Session,
    nodes: Nodes,
    request: Request,
    made_by: str,
    pull_secrets: tuple[str, ...] = (),
) -> NodePlan:
    """Read what the API knows and plan the sweep. Makes nothing."""
    unfit = {name: why for fact in nodes.facts if (why := _unfit(fact)) for name in [_name(fact)]}
    fit = tuple(name for name in nodes.names if name not in unfit)
    facts = survey.survey(session, (), request.home, fit[:KUBELETS])
    facts += permissions.ask(session, [request.home], "sibling", request.deep)
    if lacking := permissions.lacking(facts, request.home, permissions.IN_SWEEP):
        unfit |= dict.fromkeys(fit, f"{lacking}; the role dnsdebug-nodes allows it")
        fit = ()
    evidence = Evidence(
        tool=__version__,
        collected_at=session.now().isoformat(timespec="seconds"),
        context=session.context,
        request=request,
        facts=(*facts, *nodes.facts),
    )
    patience = request.timeout * (1 - RESERVE)
    return NodePlan(
        run=secrets.token_hex(3),
        evidence=evidence,
        fit=fit,
        unfit=unfit,
        plans=node_spots.plans(Observed(evidence)),
        # With all under way at once a slow one delays nobody.
        limit=patience if len(fit) <= IN_FLIGHT else min(PATIENT, patience),
        made_by=made_by,
        pull_secrets=pull_secrets,
    )


def _name(fact: Fact) -> str:
    return fact.id.removeprefix("node/")


def _unfit(fact: Fact) -> str:
    """A node that may not be read is tried all the same."""
    return node_spots.unfit(read_node(fact.data)) if fact.state is State.GOT else ""
