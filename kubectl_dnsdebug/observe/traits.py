"""What ill nodes have in common and healthy ones do not: a pool, a kernel, a DNS pod.

A coincidence is no trait: with few nodes nothing is said rather than something invented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb

from kubectl_dnsdebug.model import Missing
from kubectl_dnsdebug.observe.objects import Node
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.sweep import Mark, SweptNode, dns_pod_names


class Kind(StrEnum):
    """In the order in which traits are told."""

    DNS_POD = "dns-pod"  # that answers none of them
    KERNEL = "kernel"
    KUBELET = "kubelet"
    RUNTIME = "runtime"
    IMAGE = "os-image"
    ARCHITECTURE = "architecture"
    LABEL = "label"
    TAINT = "taint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """So many of the `ill` have it and so many of the `healthy`, of all that were compared."""

    kind: Kind
    value: str
    ill: int
    healthy: int


MOST = 5
_ONE_IN = 100  # a trait that ill nodes share by accident more often than once in so many is none
_NEARLY_ALL, _NEARLY_NONE = 0.9, 0.05
# Each node has a name of its own in them, and what they say the node itself says better.
_OWN_NAME = ("kubernetes.io/hostname",)
_SAID_TWICE = ("beta.kubernetes.io/", "failure-domain.beta.kubernetes.io/")
_WORDS = ("pool", "nodegroup", "zone", "region", "instance-type", "role")


def shared(
    seen: Observed, ill: Sequence[SweptNode], healthy: Sequence[SweptNode]
) -> tuple[Trait, ...]:
    """What nearly all of `ill` share and nearly none of `healthy`, the most telling first."""
    if len(ill) < 2 or not healthy:
        return ()
    theirs = Counter(each for node in ill for each in _has(seen, node.name))
    others = Counter(each for node in healthy for each in _has(seen, node.name))
    found = [
        Trait(kind=kind, value=value, ill=count, healthy=others[kind, value])
        for (kind, value), count in theirs.items()
        if _tells(count, len(ill), others[kind, value], len(healthy))
    ]
    return (*_dns_pods(seen, ill, healthy), *sorted(found, key=_order)[:MOST])


def _order(trait: Trait) -> tuple[int, bool, str]:
    named = any(word in trait.value.partition("=")[0] for word in _WORDS)
    return list(Kind).index(trait.kind), not named, trait.value


def _tells(count: int, ill: int, others: int, healthy: int) -> bool:
    """Whether so many of each having it is no accident: by the odds of drawing that many of those
    who have it when `ill` nodes are drawn from all."""
    if count < _NEARLY_ALL * ill or others > _NEARLY_NONE * healthy:
        return False
    have, all_nodes = count + others, ill + healthy
    at_least = range(count, min(ill, have) + 1)
    ways = sum(comb(have, n) * comb(all_nodes - have, ill - n) for n in at_least)
    return ways * _ONE_IN <= comb(all_nodes, ill)  # whole numbers: no float is that large


def _has(seen: Observed, name: str) -> Iterable[tuple[Kind, str]]:
    try:
        node = seen.node(name)
    except Missing:
        return ()
    told = {
        Kind.KERNEL: node.kernel,
        Kind.KUBELET: node.kubelet,
        Kind.RUNTIME: node.runtime,
        Kind.IMAGE: node.image,
        Kind.ARCHITECTURE: node.architecture,
    }
    return (
        *((kind, value) for kind, value in told.items() if value),
        *((Kind.LABEL, each) for each in _labels(node)),
        *((Kind.TAINT, each) for each in node.taints),
    )


def _labels(node: Node) -> Iterable[str]:
    for key, value in node.labels.items():
        if key not in _OWN_NAME and not key.startswith(_SAID_TWICE) and value != node.name:
            yield f"{key}={value}" if value else key


def _dns_pods(
    seen: Observed, ill: Sequence[SweptNode], healthy: Sequence[SweptNode]
) -> Iterable[Trait]:
    """The DNS pods that answer none of the ill nodes, and nearly all of the healthy."""
    try:
        names: Mapping[str, str] = dns_pod_names(seen)
    except Missing:
        names = {}
    for ip in dict.fromkeys(ip for node in ill for ip in node.pods):
        silent = sum(node.pods.get(ip) is Mark.BAD for node in ill)
        others = sum(node.pods.get(ip) is Mark.BAD for node in healthy)
        if silent == len(ill) and others == 0:
            yield Trait(kind=Kind.DNS_POD, value=names.get(ip, ip), ill=silent, healthy=others)
