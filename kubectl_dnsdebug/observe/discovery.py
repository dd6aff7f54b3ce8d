"""Which Services are the cluster's DNS, and which are candidates for it.

Pure: the same answer when replayed. Nothing assumes `kube-system/kube-dns`: an address that kubelet
or a pod uses decides, then labels, then the names that distributions give, then any Service that
takes DNS over UDP.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kubectl_dnsdebug.model import Json, Transport
from kubectl_dnsdebug.observe.objects import Service
from kubectl_dnsdebug.parse import selectors

LABELS = {
    "k8s-app": {"kube-dns", "coredns", "rke2-coredns"},
    "dns.operator.openshift.io/owning-dns": {"default"},
    "app.kubernetes.io/name": {"coredns", "rke2-coredns"},
}
NAMES = {
    ("kube-system", "kube-dns"),
    ("kube-system", "coredns"),
    ("kube-system", "rke2-coredns-rke2-coredns"),
    ("openshift-dns", "dns-default"),
}
MOST = 4  # Services that are looked into: kubespray has two, NodeLocal adds one


def by_repute(service: Service) -> bool:
    """Whether labels or name say that this is the cluster's DNS."""
    return is_dns({"namespace": service.namespace, "name": service.name, "labels": service.labels})


def is_dns(metadata: Json) -> bool:
    """Whether an object's labels or name say that it is of the cluster's DNS."""
    labels = metadata.get("labels") or {}
    labelled = any(labels.get(key) in values for key, values in LABELS.items())
    return (metadata.get("namespace"), metadata.get("name")) in NAMES or labelled


def takes_dns(service: Service) -> bool:
    return bool(service.dns_ports) or by_repute(service)


def rank(services: Iterable[Service], addresses: Collection[str] = ()) -> tuple[Service, ...]:
    """Candidates for the cluster's DNS, best first. `addresses` are nameservers already in use."""

    def order(service: Service) -> tuple[bool, bool, bool, bool, str]:
        used = bool(set(service.cluster_ips) & set(addresses))
        named = (service.namespace, service.name) in NAMES
        silent = Transport.UDP not in service.dns_ports
        return not used, not by_repute(service), not named, silent, service.id

    candidates = [service for service in services if takes_dns(service) and service.selector]
    return tuple(sorted(candidates, key=order)[:MOST])


def chosen(services: Iterable[Service], addresses: Collection[str] = ()) -> tuple[Service, ...]:
    """The cluster's DNS Services: those in use or of repute; failing both, the only candidate.

    Anybody may install a CoreDNS for names of their own, which bears the same labels. Once the
    cluster's own is known, by use or by name, only what leads to its pods counts beside it.
    """
    ranked = rank(services, addresses)
    sure = tuple(s for s in ranked if by_repute(s) or set(s.cluster_ips) & set(addresses))
    used = [s for s in sure if by_repute(s) and set(s.cluster_ips) & set(addresses)]
    known = used or [s for s in sure if (s.namespace, s.name) in NAMES]
    pods = [(s.namespace, s.selector) for s in known]
    sure = tuple(
        s
        for s in sure
        if not known
        or (s.namespace, s.selector) in pods
        or (s.namespace, s.name) in NAMES
        or set(s.cluster_ips) & set(addresses)
    )
    return sure or (ranked if len(ranked) == 1 else ())


def pods_of(service: Service) -> str:
    """The id of the list of pods that a DNS Service selects."""
    selector = selectors.as_text(service.selector)
    return f"dns-pods/{service.namespace}/{selector}"
