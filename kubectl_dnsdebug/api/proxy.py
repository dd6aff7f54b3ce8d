"""Which proxy the environment asks for, read the way kubectl reads it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit


def proxy_of(environ: Mapping[str, str], server: str) -> str:
    """The proxy URL for this server by HTTPS_PROXY, HTTP_PROXY and NO_PROXY, "" for none.

    Loopback is never proxied.
    """
    url = urlsplit(server)
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)

    def setting(name: str) -> str:
        return environ.get(name.upper()) or environ.get(name) or ""

    proxy = setting(f"{url.scheme}_proxy")
    if not proxy or host == "localhost":
        return ""
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return ""
    if any(_spares(entry.strip().lower(), host, port) for entry in setting("no_proxy").split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _spares(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY covers the host: `*`, an address, a network or a domain."""
    if entry == "*":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    name, _, only_port = entry.partition(":")
    if not name or (only_port and only_port != str(port)):
        return False
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else f".{host}".endswith(f".{name}")
