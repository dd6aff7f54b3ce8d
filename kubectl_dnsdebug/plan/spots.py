"""Where to stand for the given targets, and the object that puts us there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import Missing, Purpose, Role, Subject, Vantage, node
from kubectl_dnsdebug.observe.objects import Node, Pod, at, items
from kubectl_dnsdebug.observe.observed import TARGETS, Observed
from kubectl_dnsdebug.plan import manifests
from kubectl_dnsdebug.plan.manifests import Manifest
from kubectl_dnsdebug.plan.probe import Plan
from kubectl_dnsdebug.plan.probes import plan

MODES = ("ephemeral", "sibling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One place to be: the pod `host` will run `container` there, on behalf of the pod `target`."""

    role: Role
    target: Pod
    node: str
    host: str
    container: str
    plan: Plan
    reason: str = ""  # why a sibling stands in for the pod itself
    home: str = ""  # the namespace, where it is not the target's

    @property
    def namespace(self) -> str:
        return self.home or self.target.namespace

    @property
    def is_companion(self) -> bool:
        return self.role not in TARGETS

    @property
    def id(self) -> str:
        name = self.target.name
        where = f"@{self.node}" if self.is_companion else f"/{name}"
        return f"{self.role.value}:{self.namespace}{where}"

    @property
    def stands_for(self) -> Subject:
        return node(self.node) if self.is_companion else self.target.subject

    def vantage(self, failure: str = "") -> Vantage:
        return Vantage(
            id=self.id,
            role=self.role,
            node=self.node,
            stands_for=self.stands_for,
            pod=self.host,
            container=self.container,
            failure=failure,
        )


def unfit(seen: Observed, pod: Pod) -> str:
    """Why no probe of any kind can run for this pod; empty when one can."""
    ground = _node(seen, pod)
    if pod.is_windows or (ground and ground.os == "windows"):
        return "it is a Windows pod, and the probes are Linux programs"
    if not pod.node:
        why = next(
            (
                c.get("message") or c.get("reason", "")
                for c in at(pod.raw, "status", "conditions", default=())
                if c.get("type") == "PodScheduled" and c.get("status") != "True"
            ),
            "",
        )
        return "it is Pending, on no node yet" + (f": {why}" if why else "")
    if ground and ground.silent:
        return f"its node {pod.node} does not report any more: the kubelet or the machine is down"
    return ""


def _node(seen: Observed, pod: Pod) -> Node | None:
    try:
        return seen.node(pod.node)
    except Missing:
        return None


def needs_sibling(pod: Pod) -> str:
    """Why this pod can take no ephemeral container; empty when it can."""
    if pod.is_static:
        return "it is a static pod, which takes no ephemeral container"
    if pod.phase in ("Succeeded", "Failed"):
        return f"it has ended ({pod.phase})"
    if pod.terminating:
        return "it is being deleted"
    if pod.phase == "Pending":
        waits = next((c.waiting for c in pod.containers if c.waiting), "")
        return "it is Pending" + (f" ({waits})" if waits else "")
    return ""


def sibling(seen: Observed, pod: Pod, run: str, reason: str, place: int = 0) -> Spot:
    return Spot(
        role=Role.SIBLING,
        target=pod,
        node=pod.node,
        host=f"dnsdebug-{run}-sibling{place or ''}",
        container=manifests.CONTAINER,
        plan=plan(seen, Role.SIBLING, pod),
        reason=reason,
    )


def spots(
    seen: Observed, targets: Iterable[Pod], run: str, mode: str, deep: str = ""
) -> tuple[Spot, ...]:
    """For each target itself, and for each node and namespace of targets the two companions.

    `deep` is the namespace of one privileged pod for each node, empty for none.
    """
    found: list[Spot] = []
    grounds: dict[tuple[str, str], Pod] = {}
    for pod in targets:
        if unfit(seen, pod):
            continue
        reason = "asked for by --mode" if mode == "sibling" else needs_sibling(pod)
        if reason:
            found.append(sibling(seen, pod, run, reason, len(found)))
        else:
            found.append(
                Spot(
                    role=Role.TARGET,
                    target=pod,
                    node=pod.node,
                    host=pod.name,
                    container=f"dnsdebug-{run}",
                    plan=plan(seen, Role.TARGET, pod),
                )
            )
        grounds.setdefault((pod.node, pod.namespace), pod)
    alone = seen.evidence.request.purpose is Purpose.RESOLVE
    for place, pod in enumerate(() if alone else grounds.values()):
        for role in (Role.CONTROL, Role.DEFAULT):
            found.append(
                Spot(
                    role=role,
                    target=pod,
                    node=pod.node,
                    host=f"dnsdebug-{run}-{role.value}{place or ''}",
                    container=manifests.CONTAINER,
                    plan=plan(seen, role, pod),
                )
            )
    return (*found, *(hosts(seen, grounds.values(), run, deep) if deep else ()))


def hosts(seen: Observed, pods: Iterable[Pod], run: str, home: str) -> Iterator[Spot]:
    """One privileged pod in namespace `home` for each node of these pods."""
    for place, pod in enumerate({pod.node: pod for pod in pods}.values()):
        yield Spot(
            role=Role.HOST,
            target=pod,
            node=pod.node,
            host=f"dnsdebug-{run}-{Role.HOST.value}{place or ''}",
            container=manifests.CONTAINER,
            plan=plan(seen, Role.HOST, pod),
            home=home,
        )


def manifest(
    spot: Spot,
    *,
    run: str,
    runner: str,
    image: str,
    namespace: Mapping[str, Any],
    policies: Iterable[Mapping[str, Any]],
    deadline: int,
    made_by: str,
    pull_secrets: tuple[str, ...] = (),
) -> Manifest:
    """The ephemeral container or the pod that a spot needs."""
    pod = spot.target
    plan = spot.plan
    items = [probe.item for probe in plan.probes]
    argv = manifests.command(runner, plan.limit, plan.at_once, plan.known, items)
    uid = manifests.uid_for(pod, namespace)
    if spot.role is Role.TARGET:
        return manifests.ephemeral_container(
            name=spot.container, image=image, argv=argv, uid=uid, target=_steady_container(pod)
        )
    is_sibling = spot.role is Role.SIBLING
    made = manifests.probe_pod(
        name=spot.host,
        namespace=spot.namespace,
        node=spot.node,
        run=run,
        role=spot.role,
        image=image,
        argv=argv,
        uid=uid,
        deadline=deadline,
        made_by=made_by,
        dns=manifests.sibling_dns(pod) if is_sibling else manifests.companion_dns(spot.role),
        labels=_policy_labels(pod, policies) if is_sibling else {},
        extra=manifests.sibling_extra(pod, pull_secrets)
        if is_sibling
        else {"imagePullSecrets": [{"name": each} for each in pull_secrets]}
        if pull_secrets
        else {},
    )
    if is_sibling:
        manifests.keep_out_of_services(made, pod)
    if spot.role is Role.HOST:
        manifests.host_pod(made)
    return made


def _steady_container(pod: Pod) -> str:
    """A container whose processes we may share. One that restarts would keep ours from starting."""
    first = pod.containers[0] if pod.containers else None
    if first is None or at(pod.raw, "spec", "shareProcessNamespace"):
        return ""
    return first.name if first.running and first.ready and first.restarts == 0 else ""


def _policy_labels(pod: Pod, policies: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Those labels of the pod that some NetworkPolicy selects by; others would mean membership."""
    keys: set[str] = set()
    for policy in policies:
        selector = at(policy, "spec", "podSelector", default={})
        keys |= set(selector.get("matchLabels") or ())
        keys |= {each.get("key", "") for each in selector.get("matchExpressions") or ()}
    return {key: value for key, value in pod.labels.items() if key in keys}


def policies_in(seen: Observed, namespace: str) -> tuple[Mapping[str, Any], ...]:
    """The NetworkPolicies of a namespace, none where they could not be read."""
    for fact in seen.evidence.facts:
        if fact.id == f"networkpolicies/{namespace}":
            return items(fact.data)
    return ()
