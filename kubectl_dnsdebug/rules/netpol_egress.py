"""A network policy that selects the pod keeps it from the DNS pods.

A policy that selects a pod for egress forbids all that no rule allows: DNS needs UDP and TCP to
the DNS pods, on their own port, since most plugins judge after the Service's address was replaced.
What the kinds of a plugin or of administrators say is likely at most, and only where packets agree.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import dns_policies, plugin_policies, symptoms
from kubectl_dnsdebug.observe.dns_policies import Paper
from kubectl_dnsdebug.observe.objects import DNS_PORT, Pod
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.observe.plugin_policies import Word
from kubectl_dnsdebug.parse import selectors
from kubectl_dnsdebug.reason.rule import Found, rule

_MESHES = ("istio-proxy", "linkerd-proxy")  # sidecars that may take DNS questions for themselves


@rule(
    "netpol-egress",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {what}",
    remedy="Allow egress of {pod} to the DNS pods ({labels} in {dns_namespace}) on port {port}, "
    "UDP "
    "and TCP.",
    verify="kubectl -n {namespace} get {kinds} -o yaml   # which of them select {pod}?",
    silent_when="a DNS pod can be reached and no policy forbids it, or no policy forbids what "
    "fails and a plain pod on the same node fails alike.",
    explains=("tcp-fallback-broken",),
    on_nodes=True,
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    place = seen.own(subject)
    if place.role is Role.HOSTNET:
        return  # no policy of a namespace binds the node's own network
    client = seen.client(subject)
    for transport in Transport:
        for reach in symptoms.service_reach(seen, place, transport):
            paper = _paper(seen, client, transport)
            if reach.fine:
                if paper and paper.blocked:
                    yield _unenforced(seen, client, reach, paper)
                    return
                continue
            direct = symptoms.replicas_seen(seen, place, transport)
            if not reach.dead or any(not r.dead for _, r in direct):
                continue  # what reaches one DNS pod is not kept from all of them
            yield from _judge(seen, place, client, reach, direct, paper)
            return


def _judge(
    seen: Observed,
    place: Vantage,
    client: Pod,
    reach: Reach,
    direct: tuple[tuple[str, Reach], ...],
    paper: Paper | None,
) -> Iterator[Found]:
    """The pod reaches no DNS server over that transport. Does a plain pod beside it?"""
    kind = reach.transport.value.upper()
    plain, gap = _plain(seen, place, reach)
    evidence = (*symptoms.ids(reach), *(r.ids[0] for _, r in direct))
    lost = f"its {kind} questions to {reach.server} are lost ({reach.summary})"
    if paper and paper.blocked:
        also = _paper(seen, client, reach.transport, plain=True)
        alone = plain is not None and plain.fine
        if not alone and not (also and also.blocked) and plain is not None:
            return  # pods that no policy selects fail as well: something else is wrong first
        yield Found(
            evidence=(
                *evidence,
                f"networkpolicies/{client.namespace}",
                *(symptoms.ids(plain) if plain else ()),
            ),
            args=_args(seen, client, reach)
            | {
                "what": f"{lost}: NetworkPolicy {paper.policies} selects it for egress and allows "
                f"no {kind} to the DNS pods"
                + ("; a plain pod on the same node gets answers." if alone else ".")
            },
            confidence=Confidence.CERTAIN if alone else Confidence.LIKELY,
            settles="" if alone else "a probe from a namespace without that policy",
        )
        return
    word, unread = _of_plugins(seen, client, reach.transport)
    if word:
        everybody, _ = _of_plugins(seen, client, reach.transport, plain=True)
        if plain is None or plain.fine or everybody:
            yield _by_plugin(seen, client, reach, word, plain, (*evidence, *word.facts), lost)
        return
    if plain is None:
        raise Missing(gap)
    if not plain.fine or client.host_network or any(c.name in _MESHES for c in client.containers):
        return
    if not paper:
        settles = f"permission to list networkpolicies in {client.namespace}"
    else:
        settles = unread and "those policies, which could not be read"
    yield Found(
        evidence=(*evidence, *symptoms.ids(plain)),
        args=_args(seen, client, reach)
        | {
            "what": f"{lost}, while a plain pod on the same node gets answers: something goes by "
            "the pod's labels. No NetworkPolicy that could be read forbids it, "
            + (
                f"and policies of the network plugin were not all read ({unread})."
                if unread
                else "nor one of Cilium, Calico or the cluster's administrators."
            )
        },
        confidence=Confidence.LIKELY,
        settles=settles or "the network plugin's own record of dropped packets",
    )


def _by_plugin(
    seen: Observed,
    client: Pod,
    reach: Reach,
    word: Word,
    plain: Reach | None,
    evidence: tuple[str, ...],
    lost: str,
) -> Found:
    kind = reach.transport.value.upper()
    alone = plain is not None and plain.fine
    return Found(
        evidence=(*evidence, *(symptoms.ids(plain) if plain else ())),
        args=_args(seen, client, reach)
        | {
            "what": f"{lost}; by what can be read of it, {word.policies} allows it no {kind} to "
            "the DNS pods"
            + (", while a plain pod on the same node gets answers." if alone else "."),
            "kinds": word.resources,
        },
        confidence=Confidence.LIKELY,
        settles="the network plugin's own record of dropped packets"
        + ("" if alone else ", or a probe from a pod that the policy does not select"),
    )


def _of_plugins(
    seen: Observed, client: Pod, transport: Transport, plain: bool = False
) -> tuple[Word | None, str]:
    """The policies of other kinds that forbid it on paper; else what could not be read of them."""
    try:
        labels: dict[str, str] | None = {} if plain else None
        found = plugin_policies.for_egress(seen, client, seen.dns_endpoints, transport, labels)
    except Missing as gap:
        return None, str(gap)
    return found, ""


def _unenforced(seen: Observed, client: Pod, reach: Reach, paper: Paper) -> Found:
    kind = reach.transport.value.upper()
    return Found(
        evidence=(f"networkpolicies/{client.namespace}", *symptoms.ids(reach)),
        args=_args(seen, client, reach)
        | {
            "what": f"NetworkPolicy {paper.policies} allows it no {kind} to the DNS pods, "
            "yet the questions pass: the plugin does not enforce it, or something else allows it."
        },
        confidence=Confidence.LIKELY,
        settles="the network plugin's own policies",
        severity=Severity.INFO,
    )


def _paper(seen: Observed, client: Pod, transport: Transport, plain: bool = False) -> Paper | None:
    """What the policies say of the pod, or of a pod without labels beside it; None when unread."""
    try:
        labels: dict[str, str] | None = {} if plain else None
        return dns_policies.egress(seen, client, seen.dns_endpoints, transport, labels)
    except Missing:
        return None


def _plain(seen: Observed, place: Vantage, reach: Reach) -> tuple[Reach | None, str]:
    try:
        control = seen.control(place.stands_for)
        return seen.reach(control, reach.server, reach.transport), ""
    except Missing as gap:
        return None, str(gap)


def _args(seen: Observed, client: Pod, reach: Reach) -> dict[str, object]:
    try:
        service = seen.dns_service()
        labels = selectors.as_text(service.selector)
        namespace = service.namespace
        port = next((e.ports[reach.transport] for e in seen.dns_endpoints), DNS_PORT)
    except (Missing, KeyError):
        labels, namespace, port = "their labels", "their namespace", DNS_PORT
    return {
        "pod": client.name or f"a plain pod of {client.namespace} on {client.node}",
        "namespace": client.namespace,
        "labels": labels,
        "dns_namespace": namespace,
        "port": port,
        "kinds": "networkpolicies",
    }
