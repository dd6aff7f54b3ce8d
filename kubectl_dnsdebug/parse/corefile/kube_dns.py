"""kube-dns's ConfigMap, the older relative of a Corefile: JSON in two of its keys.

`stubDomains` maps a zone to the servers that own it, `upstreamNameservers` lists those for all
other names; without it kube-dns asks those of its pod's resolv.conf.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kubectl_dnsdebug.parse.corefile.blocks import Corefile
from kubectl_dnsdebug.parse.corefile.parser import parse

STUBS, UPSTREAMS = "stubDomains", "upstreamNameservers"
KEYS = (STUBS, UPSTREAMS)
# A name, or an address with a port: no word that would mean something else in a Corefile.
_WORD = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,253}")


def allow_listed(text: str) -> str:
    """The names and addresses of such JSON, as JSON; nothing of any other text."""
    found = _loaded(text)
    if isinstance(found, dict):
        return json.dumps({zone: _words(servers) for zone, servers in found.items()})
    return json.dumps(_words(found)) if isinstance(found, list) else ""


def as_corefile(data: Mapping[str, str]) -> Corefile | None:
    """Where it sends names, as the Corefile that would do the same; None for another ConfigMap.

    Only its `forwards` mean anything: the plugins that a Corefile names are built in here.
    """
    if not set(KEYS) & set(data):
        return None
    stubs, upstreams = _loaded(data.get(STUBS, "")), _loaded(data.get(UPSTREAMS, ""))
    zones = {".": _words(upstreams) or ["/etc/resolv.conf"]}
    if isinstance(stubs, dict):
        zones |= {zone: _words(servers) for zone, servers in stubs.items() if _WORD.fullmatch(zone)}
    blocks = (f"{zone} {{\n forward . {' '.join(to)}\n}}" for zone, to in zones.items() if to)
    return parse("\n".join(blocks))


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(found: Any) -> list[str]:
    many: Iterable[Any] = found if isinstance(found, list) else ()
    return [word for word in many if isinstance(word, str) and _WORD.fullmatch(word)]
