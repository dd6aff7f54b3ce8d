"""resolv.conf three ways: what the pod has, what kubelet should have built, what the host gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import Missing, Scope, Subject, Vantage
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.resolvconf import Difference, ResolvConf
from kubectl_dnsdebug.report.pictures.target import places


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A file that could not be had is None, and `gaps` says why."""

    pod: Subject
    has: ResolvConf | None
    expected: ResolvConf | None
    host: ResolvConf | None
    differences: tuple[Difference, ...]
    gaps: tuple[str, ...]


def resolv_confs(seen: Observed) -> tuple[Comparison, ...]:
    return tuple(
        node_comparison(seen, each)
        if each.scope is Scope.NODE
        else comparison(seen, seen.target(each))
        for each in places(seen)
    )


def comparison(seen: Observed, pod: Pod) -> Comparison:
    """The pod's file, the one kubelet should have built, the host's as pods get it."""
    return _compared(seen, pod.subject, seen.own, lambda host: expected(seen, pod, host))


def node_comparison(seen: Observed, node: Subject) -> Comparison:
    """The same for a fresh ClusterFirst pod of a node."""

    def due(host: ResolvConf | None) -> ResolvConf:
        return resolvconf.expected(
            dns_policy="ClusterFirst",
            host_network=False,
            namespace=seen.evidence.request.home,
            cluster_dns=_cluster_dns(seen, node, node.name),
            cluster_domain=seen.domain,
            host=host,
            dns_config=None,
        )

    return _compared(seen, node, seen.control, due)


def _compared(
    seen: Observed,
    subject: Subject,
    place: Callable[[Subject], Vantage],
    due: Callable[[ResolvConf | None], ResolvConf],
) -> Comparison:
    gaps: list[str] = []
    has = host = should = None
    try:
        has = seen.conf(place(subject))
    except Missing as gap:
        gaps.append(f"the pod's file: {gap}")
    try:
        host = resolvconf.read_as_kubelet(seen.conf(seen.default(subject)).text)
    except Missing as gap:
        gaps.append(f"the host's file: {gap}")
    try:
        should = due(host)
    except Missing as gap:
        gaps.append(f"the expected file: {gap}")
    differences = resolvconf.compare(has, should, host) if has and should else ()
    return Comparison(
        pod=subject,
        has=has,
        expected=should,
        host=host,
        differences=differences,
        gaps=tuple(gaps),
    )


def expected(seen: Observed, pod: Pod, host: ResolvConf | None) -> ResolvConf:
    """What kubelet should build, with the cluster's own DNS address and domain. Raises Missing."""
    policy = resolvconf.effective_policy(pod.dns_policy, pod.host_network)
    on_cluster = policy is resolvconf.Policy.CLUSTER
    return resolvconf.expected(
        dns_policy=pod.dns_policy,
        host_network=pod.host_network,
        namespace=pod.namespace,
        cluster_dns=_cluster_dns(seen, pod.subject, pod.node) if on_cluster else (),
        cluster_domain=seen.domain if on_cluster else "",
        host=host,
        dns_config=pod.dns_config,
    )


def _cluster_dns(seen: Observed, subject: Subject, node: str) -> tuple[str, ...]:
    """The addresses pods should be given: kubelet's, where a DNS Service or node cache has them."""
    for addresses in _given(seen, subject, node):
        good = tuple(ip for ip in addresses if ip in seen.cluster_ips or seen.is_node_cache(ip))
        if good:
            return good
    return seen.dns_service().cluster_ips[:1]


def _given(seen: Observed, subject: Subject, node: str) -> Iterator[tuple[str, ...]]:
    """What kubelet is told to give, what it gave a new pod, and this one: the surest first."""
    try:
        if configured := seen.fact(f"configz/{node}"):
            yield tuple(at(configured.data, "clusterDNS", default=()))
    except Missing:
        pass
    if host := seen.host_or_none(node):
        with suppress(Missing):
            yield host.kubelet.cluster_dns
    for place in (seen.control, seen.own):
        try:
            yield seen.conf(place(subject)).nameservers
        except Missing:
            continue


def comparison_json(each: Comparison) -> dict[str, Any]:
    def conf(file: ResolvConf | None) -> dict[str, Any] | None:
        if file is None:
            return None
        return {
            "nameservers": list(file.nameservers),
            "search": list(file.search),
            "options": dict(file.options),
        }

    return {
        "pod": conf(each.has),
        "expected": conf(each.expected),
        "host": conf(each.host),
        "differences": [
            {
                "kind": d.kind.value,
                "value": d.value,
                "in_pod": d.in_pod,
                "in_expected": d.in_expected,
                "in_host": d.in_host,
                "why": d.why,
            }
            for d in each.differences
        ],
        "gaps": list(each.gaps),
    }
