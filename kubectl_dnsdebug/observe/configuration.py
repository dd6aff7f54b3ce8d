"""What the DNS pods are told, in whatever ConfigMaps they mount: a Corefile, or kube-dns's JSON."""

from __future__ import annotations

from collections.abc import Iterable

from kubectl_dnsdebug.model import Fact, Missing
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.parse.corefile import Corefile, Forward, kube_dns, parse


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
    facts = tuple(config_maps)
    for fact in facts:
        if found := kube_dns.as_corefile(at(fact.data, "data", default={})):
            return found.forwards()
    return corefile(facts).forwards()


def zone(facts: Iterable[Fact]) -> str:
    """The cluster domain that the Corefile serves, without the last dot; empty when unread."""
    try:
        found = corefile(f for f in facts if f.id.startswith("configmap/")).kubernetes_zones()
    except Missing:
        return ""
    return next((each.rstrip(".") for each in found if not each.endswith(".arpa.")), "")
