"""Which names are asked: taken from the cluster itself, for nothing is known to exist before."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing
from kubectl_dnsdebug.observe.objects import Pod, Service
from kubectl_dnsdebug.observe.observed import Observed

API = ("kubernetes", "default")  # the one Service that every cluster has
# A name that no tool takes for an option; the API server takes any text for an image.
_HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """`own`, `headless` and `alias` (an ExternalName) are Services of the pod's namespace.

    `external` is a name outside the cluster, `external_from` where it was found, both empty without
    one. `asked` are the user's own names.
    """

    own: Service | None = None
    headless: Service | None = None
    alias: Service | None = None
    external: str = ""
    external_from: str = ""
    asked: tuple[str, ...] = ()


def pick(seen: Observed, pod: Pod) -> Names:
    """The names to ask for this pod. The same evidence gives the same names."""
    try:
        mine = [s for s in seen.services if s.namespace == pod.namespace]
    except Missing:
        mine = []
    own = [s for s in mine if s.cluster_ips and (s.name, s.namespace) != API]
    headless = [s for s in mine if s.headless and s.selector]
    aliases = [s for s in mine if s.external_name]
    asked = seen.evidence.request.names
    external, source = next(_external(seen, pod), ("", ""))
    return Names(
        own=min(own, key=lambda s: s.name, default=None),
        headless=min(headless, key=lambda s: s.name, default=None),
        alias=min(aliases, key=lambda s: s.name, default=None),
        external=external,
        external_from=source,
        asked=asked,
    )


def _external(seen: Observed, pod: Pod) -> Iterator[tuple[str, str]]:
    """Names outside the cluster that it relies on itself, the likeliest to exist first."""
    for name in seen.evidence.request.names:
        if not _in_cluster(seen, name) and not member(seen, pod, name):
            yield name.rstrip("."), "--name"
    try:
        services = seen.services
    except Missing:
        services = ()
    for service in sorted(services, key=lambda s: s.namespace != pod.namespace):
        name = service.external_name.rstrip(".")
        if _HOST.fullmatch(name) and not _in_cluster(seen, name):
            yield name, f"ExternalName Service {service.id}"
    images = [(c.image, f"registry of the pod's image {c.image}") for c in pod.containers]
    with suppress(Missing):
        images += [
            (c.image, f"registry of the DNS image {c.image}")
            for p in seen.dns_pods
            for c in p.containers
        ]
    for image, source in images:
        if registry := _registry(image):
            yield registry, source


def _in_cluster(seen: Observed, name: str) -> bool:
    """Whether the name is, or through the search list may be, one of the cluster's own."""
    bare = name.rstrip(".").lower()
    if "." not in bare:
        return True
    with suppress(Missing):
        if bare.endswith("." + seen.domain) or bare == seen.domain:
            return True
    if bare.endswith(".svc") or ".svc." in bare:
        return True
    try:
        namespaces = {s.namespace for s in seen.services}
    except Missing:
        namespaces = set()
    return bare.count(".") == 1 and bare.rpartition(".")[2] in namespaces


def _registry(image: str) -> str:
    """The host an image reference names; empty for an implied one, an address or a bare word."""
    host, slash, _ = image.partition("/")
    host = host.partition(":")[0]
    if not slash or not _HOST.fullmatch(host):
        return ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return ""


def registry_is_weak(names: Names) -> bool:
    """Whether the external name is only a registry: a cluster with a mirror never resolves it."""
    return names.external_from.startswith("registry")


def meant(seen: Observed, pod: Pod, name: str) -> tuple[str, str] | None:
    """The Service and namespace that a name stands for where it is typed in this pod.

    That of a pod stands for the headless Service that gives it. None for a name outside the
    cluster, or of another kind. Raises Missing.
    """
    bare, domain = name.rstrip(".").lower(), seen.domain
    absolute = f".{bare}".endswith(f".{domain}")
    labels = (bare.removesuffix(domain).rstrip(".") if absolute else bare).split(".")
    if labels[-1] == "svc":
        return (labels[-3], labels[-2]) if len(labels) > 2 else None
    if len(labels) == 1 and not absolute:
        return labels[0], pod.namespace
    if found := member(seen, pod, name):
        return found.name, found.namespace
    if len(labels) == 2:
        known = any(labels[0] == s.name or labels[1] == s.namespace for s in seen.services)
        return (labels[0], labels[1]) if known or absolute else None
    return None


def member(seen: Observed, pod: Pod, name: str) -> Service | None:
    """The headless Service of which a name is that of one pod, as those of a StatefulSet are:
    POD.SERVICE in the pod's own namespace, or POD.SERVICE.NAMESPACE and whatever follows."""
    try:
        services, tail = seen.services, f".svc.{seen.domain}"
    except Missing:
        return None
    bare = name.rstrip(".").lower()
    labels = bare.removesuffix(tail).removesuffix(".svc").split(".")
    if len(labels) == 2 and not bare.endswith((tail, ".svc")):
        labels.append(pod.namespace)
    if len(labels) != 3:
        return None
    # SERVICE.NAMESPACE looks alike: the Service that is there goes first.
    if labels[2] == pod.namespace and any(
        (s.name, s.namespace) == (labels[0], labels[1]) for s in services
    ):
        return None
    wanted = (labels[1], labels[2])
    return next((s for s in services if s.headless and (s.name, s.namespace) == wanted), None)
