"""Policies of network plugins and of administrators between a pod and the DNS pods, on paper.

What they say is never certain here: a plugin may enforce them otherwise, or not at all. Rules set
it against what became of the packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kubectl_dnsdebug.model import Missing, Transport
from kubectl_dnsdebug.observe import dns_policies
from kubectl_dnsdebug.observe.dns_policies import Paper
from kubectl_dnsdebug.observe.objects import DNS_PORT, Endpoint, Pod, at, items
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.netpol import Decision
from kubectl_dnsdebug.parse.policies import FAMILIES, cilium
from kubectl_dnsdebug.parse.policies.terms import Direction, Policy, Traffic

GROUPS = "api-groups"  # the fact that says which of the kinds' groups the API serves
CILIUM = "cilium.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of policy and where the API has it."""

    name: str
    group: str
    version: str
    resource: str
    namespaced: bool = False

    @property
    def family(self) -> str:
        return next(each for each in FAMILIES if self.group.endswith(each))

    def fact_id(self, namespace: str) -> str:
        where = namespace if self.namespaced else "*"
        return f"policies/{self.resource}.{self.group}/{where}"


_NPA = "policy.networking.k8s.io"
KINDS = (
    Kind(name="CiliumNetworkPolicy", group=CILIUM, version="v2",
         resource="ciliumnetworkpolicies", namespaced=True),
    Kind(name="CiliumClusterwideNetworkPolicy", group=CILIUM, version="v2",
         resource="ciliumclusterwidenetworkpolicies"),
    *(
        kind
        for group, version in (("crd.projectcalico.org", "v1"), ("projectcalico.org", "v3"))
        for kind in (
            Kind(name="Calico NetworkPolicy", group=group, version=version,
                 resource="networkpolicies", namespaced=True),
            Kind(name="GlobalNetworkPolicy", group=group, version=version,
                 resource="globalnetworkpolicies"),
        )
    ),
    Kind(name="AdminNetworkPolicy", group=_NPA, version="v1alpha1",
         resource="adminnetworkpolicies"),
    Kind(name="BaselineAdminNetworkPolicy", group=_NPA, version="v1alpha1",
         resource="baselineadminnetworkpolicies"),
    Kind(name="ClusterNetworkPolicy", group=_NPA, version="v1alpha2",
         resource="clusternetworkpolicies"),
)  # fmt: skip
# Where Calico serves its policies twice, the first is what its agents read.
_STORE, _FRONT = "crd.projectcalico.org", "projectcalico.org"
# What that front shows of plain and of administrators' policies.
_COPIES = ("knp.default.", "kanp.", "kbanp.", "kcnp.")


def served(groups: Mapping[str, Iterable[str]]) -> tuple[Kind, ...]:
    """The kinds that an API has, by its groups and their versions."""
    return tuple(
        kind
        for kind in KINDS
        if kind.version in groups.get(kind.group, ())
        and not (kind.group == _FRONT and _STORE in groups)
    )


def known_groups() -> frozenset[str]:
    return frozenset(kind.group for kind in KINDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What policies of one family say: `policies` by kind and name, which forbid it; where they
    stand in the evidence, and in the words of kubectl."""

    policies: str
    facts: tuple[str, ...]
    resources: str


def for_egress(
    seen: Observed,
    client: Pod,
    endpoints: Iterable[Endpoint],
    transport: Transport,
    labels: Mapping[str, str] | None = None,
) -> Word | None:
    """The policies that on paper let the client send to none of these DNS pods. Raises Missing
    where some could not be read and the others say nothing.

    `labels` stand in for the client's.
    """
    pod = dns_policies.peer(seen, client)
    if labels is not None:
        pod = replace(pod, labels=labels)
    asked = [
        (
            Traffic(
                direction=Direction.EGRESS,
                pod=pod,
                peer=dns_policies.dns_peer(seen, endpoint),
                port=endpoint.ports.get(transport, DNS_PORT),
                protocol=transport.value.upper(),
            ),
            _first(dns_policies.egress, seen, client, [endpoint], transport, labels),
        )
        for endpoint in endpoints
    ]
    return _forbidding(seen, client.namespace, asked)


def for_ingress(
    seen: Observed, client: Pod, endpoints: Iterable[Endpoint], transport: Transport
) -> Word | None:
    """The policies that on paper let the client into none of these DNS pods. Raises Missing."""
    asked, namespaces = [], set()
    for endpoint in endpoints:
        server = dns_policies.pod_at(seen, endpoint.ip)
        if server is None:
            continue
        traffic = Traffic(
            direction=Direction.INGRESS,
            pod=dns_policies.peer(seen, server, endpoint.ip),
            peer=dns_policies.peer(seen, client),
            port=endpoint.ports.get(transport, DNS_PORT),
            protocol=transport.value.upper(),
        )
        namespaces.add(server.namespace)
        asked.append((traffic, _first(dns_policies.ingress, seen, client, [endpoint], transport)))
    return _forbidding(seen, min(namespaces), asked) if len(namespaces) == 1 else None


def refusing(seen: Observed, client: Pod, name: str) -> Word | None:
    """The policies on DNS names that let no DNS pod be asked for that name. Raises Missing."""
    kinds = [kind for kind in _served(seen) if kind.family == CILIUM]
    policies = _policies(seen, kinds, client.namespace)
    titles: set[str] = set()
    for endpoint in seen.dns_endpoints:
        traffic = Traffic(
            direction=Direction.EGRESS,
            pod=dns_policies.peer(seen, client),
            peer=dns_policies.dns_peer(seen, endpoint),
            port=endpoint.ports.get(Transport.UDP, DNS_PORT),
            protocol=Transport.UDP.value.upper(),
        )
        found = cilium.refusing(policies, traffic, name)
        if not found:
            return None
        titles.update(found)
    return _word(titles, kinds, client.namespace) if titles else None


def _first(judged: Callable[..., Paper], *words: Any) -> Decision | None:
    """What plain NetworkPolicies say; None where they could not be read."""
    try:
        return next(iter(judged(*words).decisions), None)
    except Missing:
        return None


def _forbidding(
    seen: Observed, namespace: str, asked: Sequence[tuple[Traffic, Decision | None]]
) -> Word | None:
    gap = None
    for family, judge in FAMILIES.items():
        kinds = [kind for kind in _served(seen) if kind.family == family]
        try:
            policies = _policies(seen, kinds, namespace)
        except Missing as unread:
            gap = gap or unread
            continue
        decisions = [judge(policies, traffic, plain) for traffic, plain in asked]
        if decisions and all(each.allowed is False for each in decisions):
            titles = (title for each in decisions for title in each.selecting)
            return _word(titles, kinds, namespace)
    if gap:
        raise gap
    return None


def _served(seen: Observed) -> tuple[Kind, ...]:
    fact = seen.fact(GROUPS)
    return served(fact.data) if fact else ()


def _policies(seen: Observed, kinds: Iterable[Kind], namespace: str) -> list[Policy]:
    """All that may touch pods of a namespace. Raises Missing where one kind is unread: what allows
    may stand there."""
    found = []
    for kind in kinds:
        fact = seen.fact(kind.fact_id(namespace))
        if fact and fact.data.get("unread"):
            raise Missing(f"there are too many {kind.resource}.{kind.group} to read them all")
        for each in items(fact.data) if fact else ():
            name = at(each, "metadata", "name", default="")
            if kind.group == _FRONT and name.startswith(_COPIES):
                continue
            for spec in filter(None, (each.get("spec"), *(each.get("specs") or ()))):
                where = namespace if kind.namespaced else ""
                found.append(Policy(title=f"{kind.name} {name}", namespace=where, spec=spec))
    return found


def _word(titles: Iterable[str], kinds: Sequence[Kind], namespace: str) -> Word:
    named = tuple(dict.fromkeys(titles))
    used = [kind for kind in kinds if any(t.startswith(f"{kind.name} ") for t in named)]
    return Word(
        policies=", ".join(named),
        facts=tuple(kind.fact_id(namespace) for kind in used),
        resources=",".join(f"{kind.resource}.{kind.group}" for kind in used),
    )
