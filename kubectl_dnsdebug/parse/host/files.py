"""The node's resolv.conf files, and what its kubelet was told of DNS."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.resolvconf import ResolvConf

_WORD = re.compile(r"[^\s\[\]\",]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFile:
    """A resolv.conf of the host. `leads_to` is where its links end; `conf` is None: not there."""

    path: str
    leads_to: str
    conf: ResolvConf | None


def files(text: str) -> tuple[HostFile, ...]:
    """What `witness file` prints, and `witness kubelet` after its own lines."""
    found: dict[str, list[str] | None] = {}
    links: dict[str, str] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        path, _, more = rest.partition(" ")
        match kind:
            case "absent":
                found[path] = None
            case "link":
                links[path] = more
            case "file":
                found[path] = []
            case "line" if (lines := found.get(path)) is not None:
                lines.append(more)
    return tuple(
        HostFile(
            path=path,
            leads_to=links.get(path, path),
            conf=None if lines is None else resolvconf.read("\n".join(lines)),
        )
        for path, lines in found.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubelet:
    """How the kubelet of the node was started and configured. A flag counts before the file.

    `resolv_conf` is None where neither says anything: then it reads /etc/resolv.conf. `file` is
    that file as it is now.
    """

    program: str
    config: str
    resolv_conf: str | None
    cluster_dns: tuple[str, ...]
    cluster_domain: str
    file: HostFile | None

    @property
    def reads(self) -> str:
        """The path of the file whose nameservers it gives to pods; empty for none."""
        return "/etc/resolv.conf" if self.resolv_conf is None else self.resolv_conf


def kubelet(text: str) -> Kubelet | None:
    """What `witness kubelet` prints; None where no kubelet was to be seen."""
    program = ""
    flags: dict[str, str] = {}
    config: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "program":
            program = rest
        elif kind == "flag":
            name, _, value = rest.partition("=")
            flags[name] = value
        elif kind == "config":
            key, _, value = rest.partition(" ")
            config[key] = tuple(word for word in _WORD.findall(value) if word != "-")
    if not program:
        return None
    resolv = config.get("resolvConf")
    domain = config.get("clusterDomain") or ("",)
    dns = flags.get("cluster-dns", "")
    return Kubelet(
        program=program,
        config=flags.get("config", ""),
        resolv_conf=flags.get(
            "resolv-conf", None if resolv is None else (resolv[0] if resolv else "")
        ),
        cluster_dns=tuple(filter(None, dns.split(","))) or config.get("clusterDNS", ()),
        cluster_domain=flags.get("cluster-domain", domain[0]),
        file=next(iter(files(text)), None),
    )
