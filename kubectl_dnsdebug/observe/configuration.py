"""What the DNS pods are told, in whatever ConfigMaps they mount: a Corefile, or kube-dns's JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kubectl_dnsdebug.model import Fact, Missing
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.parse.corefile import Corefile, Forward, kube_dns, parse

if TYPE_CHECKING:
    from kubectl_dnsdebug.observe.observed import Observed


def mounted(pods: Iterable[Pod]) -> list[tuple[str, str]]:
    """Namespace and name of each ConfigMap of these pods."""
    found = {
        (pod.namespace, volume["configMap"]["name"]): None
        for pod in pods
        for volume in at(pod.raw, "spec", "volumes", default=())
        if at(volume, "configMap", "name")
    }
    return list(found)


def corefile(config_maps: Iterable[Fact]) -> Corefile:
    """The Corefile, with what it imports from other ConfigMaps in its place.

    Raises Missing when none of them has one.
    """
    texts = [at(fact.data, "data", default={}) for fact in config_maps]
    files = {key: text for data in texts for key, text in data.items() if key != "Corefile"}
    for data in texts:
        for key, text in sorted(data.items()):
            if key == "Corefile" or key.endswith(".Corefile"):
                return parse(text, files)
    raise Missing("the DNS pods mount no ConfigMap with a Corefile")


def forwards(config_maps: Iterable[Fact]) -> tuple[Forward, ...]:
    """Where names that are not the cluster's own are sent. Raises Missing."""
    read = tuple(config_maps)
    for fact in read:
        if found := kube_dns.as_corefile(at(fact.data, "data", default={})):
            return found.forwards()
    return corefile(read).forwards()


def facts(seen: Observed) -> tuple[Fact, ...]:
    """The ConfigMaps of the cluster's DNS pods; where it has none, those of its namespaces.

    Raises Missing.
    """
    read, own = seen.facts("configmap/"), seen.own_services
    try:
        pods = seen.dns_pods
    except Missing:
        pods = ()
    ids = {f"configmap/{namespace}/{name}" for namespace, name in mounted(pods)}
    near = tuple(f"configmap/{service.namespace}/" for service in own)
    return (
        tuple(_as_mounted(fact, pods) for fact in read if fact.id in ids)
        or tuple(fact for fact in read if fact.id.startswith(near))
        or (() if own else read)
    )


def _as_mounted(fact: Fact, pods: Iterable[Pod]) -> Fact:
    """The ConfigMap with its texts under the names of the files that the pods see: `items` choose
    among its keys and rename them."""
    _, namespace, name = fact.id.split("/", 2)
    volumes = [
        at(volume, "configMap", default={})
        for pod in pods
        for volume in at(pod.raw, "spec", "volumes", default=())
        if pod.namespace == namespace and at(volume, "configMap", "name") == name
    ]
    chosen = [item for volume in volumes for item in volume.get("items") or ()]
    texts = at(fact.data, "data", default={})
    if not chosen or not all(volume.get("items") for volume in volumes):
        return fact
    files = {i["path"].rpartition("/")[2]: texts[i["key"]] for i in chosen if i["key"] in texts}
    return replace(fact, data={**fact.data, "data": files})


def domain(seen: Observed) -> str:
    """The cluster domain: the zone that the Corefile serves, else kubelet's word. Raises
    Missing."""
    if zone := _zone(seen):
        return zone
    for vantage in seen.evidence.vantages:
        conf = seen.conf_or_none(vantage)
        for suffix in conf.search if conf else ():
            if suffix.startswith("svc."):
                return suffix.removeprefix("svc.")
    for fact in seen.of_kind("configz"):
        if fact.data.get("clusterDomain"):
            return str(fact.data["clusterDomain"]).rstrip(".")
    raise Missing("the cluster domain is nowhere to be read")


def _zone(seen: Observed) -> str:
    """That of the Corefile, without the last dot; empty when unread, or when only the servers'
    environment tells it, as in {$DOMAIN}."""
    try:
        found = seen.corefile.kubernetes_zones()
    except Missing:
        return ""
    known = (each.rstrip(".") for each in found if not each.endswith(".arpa.") and "{" not in each)
    return next(known, "")
