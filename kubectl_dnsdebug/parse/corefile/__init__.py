"""CoreDNS's Corefile: which server block and plugin takes a name, and what of the text is kept."""

from __future__ import annotations

from kubectl_dnsdebug.parse.corefile import kube_dns as kube_dns
from kubectl_dnsdebug.parse.corefile.blocks import (
    Corefile,
    Forward,
    Plugin,
    ServerBlock,
    Template,
    denial_ttl,
    is_standard,
    is_under,
    matches,
    order,
    template,
    zones_of,
)
from kubectl_dnsdebug.parse.corefile.kept import allow_listed
from kubectl_dnsdebug.parse.corefile.parser import parse

__all__ = [
    "Corefile",
    "Forward",
    "Plugin",
    "ServerBlock",
    "Template",
    "allow_listed",
    "denial_ttl",
    "is_standard",
    "is_under",
    "kube_dns",
    "matches",
    "order",
    "parse",
    "template",
    "zones_of",
]
