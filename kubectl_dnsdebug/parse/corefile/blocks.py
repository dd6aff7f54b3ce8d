"""Server blocks and plugins as CoreDNS uses them: which of them takes a name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

# The chain of the standard build: a query passes the plugins in this order, whatever the file says.
_ORDER = (  # noqa: SIM905 - one word a line would bury the order
    "root metadata geoip cancel proxyproto quic grpc_server https https3 timeouts multisocket "
    "reload nsid bufsize bind debug trace ready health pprof shed prometheus errors log dnstap "
    "local dns64 siit any chaos loadbalance tsig rewrite autopath acl cache header dnssec tls "
    "minimal template transfer dynupdate hosts route53 azure clouddns k8s_external kubernetes file "
    "auto secondary etcd loop forward grpc erratic whoami on sign view nomad"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One directive as written: `forward . 192.0.2.53 { ... }`; `block` holds its inner lines.

    `line` counts from 1, in the imported text of the name `file` where there is one.
    """

    name: str
    args: tuple[str, ...] = ()
    block: tuple[tuple[str, ...], ...] = ()
    line: int = 0
    file: str = ""

    def property(self, name: str) -> tuple[str, ...] | None:
        """The words after `name` on the first inner line that begins with it; None without one."""
        return next((line[1:] for line in self.block if line[0] == name), None)

    def falls_through(self, name: str) -> bool:
        """Whether it hands on a name that it does not have: `fallthrough`, of all or some zones."""
        zones = self.property("fallthrough")
        return zones is not None and (not zones or any(is_under(name, each) for each in zones))

    def forwards(self, name: str) -> bool:
        """Whether this `forward` takes a name that got so far: below FROM, and not excepted."""
        origin = next((zone for arg in self.args[:1] for zone in zones_of(arg)), ".")
        but = (zone for line in self.block if line[0] == "except" for zone in line[1:])
        return is_under(name, origin) and not any(is_under(name, zone) for zone in but)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBlock:
    """One block for one port and scheme. `zones` are absolute and in lower case.

    `imports` are patterns for which there was no text: what they add is not known.
    """

    zones: tuple[str, ...]
    port: int
    scheme: str
    plugins: tuple[Plugin, ...]
    imports: tuple[str, ...] = ()
    line: int = 0

    def named(self, name: str) -> tuple[Plugin, ...]:
        """Every plugin of that name, in the order of the file."""
        return tuple(plugin for plugin in self.plugins if plugin.name == name)

    def chain(self) -> tuple[Plugin, ...]:
        """The plugins in the order in which a query passes them."""
        return tuple(sorted(self.plugins, key=lambda plugin: order(plugin.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Names under `zone` go to `to`: addresses, or files such as /etc/resolv.conf."""

    zone: str
    to: tuple[str, ...]
    plugin: Plugin
    block: ServerBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`template CLASS TYPE [ZONE...]`. `match` are its regular expressions, none matches all."""

    rr_class: str
    rr_type: str
    zones: tuple[str, ...]
    match: tuple[str, ...]
    answers: tuple[str, ...]
    rcode: str
    fallthrough: bool

    def takes(self, name: str) -> bool:
        """Whether it answers for a name. Its expressions are Go's, nearly those of Python; one that
        is not is taken to match nothing."""
        if not any(is_under(name, zone) for zone in self.zones):
            return False
        return not self.match or any(matches(each, name) for each in self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corefile:
    """All server blocks. `problems` is what CoreDNS refuses or misreads, each as `line N: ...`."""

    blocks: tuple[ServerBlock, ...] = ()
    imports: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def block_for(self, name: str, port: int | None = None) -> ServerBlock | None:
        """The block that takes `name` over plain DNS: its longest zone wins. None means REFUSED.

        Without `port` it is that of the block which serves the cluster, failing that of the first.
        """
        plain = [block for block in self.blocks if block.scheme == "dns"]
        first = next((b for b in plain if b.named("kubernetes")), plain[0] if plain else None)
        wanted = port or (first.port if first else 53)
        # Of blocks for one zone, those for some clients or addresses only are not everybody's.
        matches = [
            ((len(zone), not block.named("view"), not block.named("bind")), block)
            for block in plain
            for zone in block.zones
            if block.port == wanted and is_under(name, zone)
        ]
        return max(matches, key=lambda match: match[0])[1] if matches else None

    def plugin(self, zone: str, name: str) -> Plugin | None:
        """The first plugin `name` in the block that takes `zone`."""
        block = self.block_for(zone)
        return next(iter(block.named(name)), None) if block else None

    def kubernetes_zones(self) -> tuple[str, ...]:
        """Zones that the kubernetes plugin serves, reverse ones included, in the file's order."""
        return tuple(
            dict.fromkeys(
                zone
                for block in self.blocks
                for plugin in block.named("kubernetes")
                for zone in _origins(plugin.args, block)
            )
        )

    def forwards(self) -> tuple[Forward, ...]:
        """Every forward, once for each zone in which it has effect."""
        return tuple(
            Forward(zone=zone, to=plugin.args[1:], plugin=plugin, block=block)
            for block in self.blocks
            for plugin in block.named("forward")
            for zone in _reach(plugin, block)
        )


def matches(expression: str, name: str) -> bool:
    """Whether a regular expression of the Corefile, which is Go's, matches somewhere."""
    try:
        return re.search(expression, name) is not None
    except (re.error, RecursionError):
        return False


def _reach(plugin: Plugin, block: ServerBlock) -> Iterator[str]:
    for origin in [zone for arg in plugin.args[:1] for zone in zones_of(arg)[:1]]:
        for zone in block.zones:
            if is_under(origin, zone):
                yield origin
            elif is_under(zone, origin):
                yield zone


def is_under(name: str, zone: str) -> bool:
    """Whether `name` is `zone` or below it; case and the last dot do not count."""
    below, top = (f".{each.lower().strip('.')}" for each in (name, zone))
    return top == "." or below.endswith(top)


def order(plugin: str) -> int:
    """The place in CoreDNS's chain, fixed when it is built; plugins of other builds come last."""
    return _ORDER.index(plugin) if plugin in _ORDER else len(_ORDER)


def is_standard(plugin: str) -> bool:
    """Whether the standard build knows the directive."""
    return plugin in _ORDER


def template(plugin: Plugin, block: ServerBlock) -> Template:
    """A template directive with its defaults filled in."""
    rr_class, rr_type, *zones = plugin.args + ("IN", "ANY")[len(plugin.args) :]
    return Template(
        rr_class=rr_class.upper(),
        rr_type=rr_type.upper(),
        zones=_origins(zones, block),
        match=tuple(word for line in plugin.block if line[0] == "match" for word in line[1:]),
        answers=tuple(word for line in plugin.block if line[0] == "answer" for word in line[1:]),
        rcode="".join(plugin.property("rcode") or ("NOERROR",)).upper(),
        fallthrough=plugin.property("fallthrough") is not None,
    )


def denial_ttl(plugin: Plugin) -> int | None:
    """Seconds for which a cache directive may keep a denial; None when it is not a number."""
    words = plugin.property("denial") or ()
    limit = words[1] if len(words) > 1 else next(iter(plugin.args), "")
    if not limit or limit[0].isalpha():
        return 1800  # `cache` or `cache ZONE`
    return int(limit) if limit.isdecimal() else None


def _origins(args: Sequence[str], block: ServerBlock) -> tuple[str, ...]:
    return tuple(zone for arg in args for zone in zones_of(arg)) or block.zones


def zones_of(text: str) -> tuple[str, ...]:
    """A zone as CoreDNS reads it: an address range stands for its reverse zones."""
    name = text.partition("://")[2] or text
    head, colon, tail = name.rpartition(":")
    if colon and tail.isdecimal():
        name = head
    try:
        network = ip_network(name, strict=False) if "/" in name else None
    except ValueError:
        network = None
    if network is None:
        return (name.lower().rstrip(".") + ".",)
    bits = 8 if isinstance(network, IPv4Network) else 4
    size = -(-network.prefixlen // bits)
    return tuple(
        ".".join(each.network_address.reverse_pointer.split(".")[-size - 2 :]) + "."
        for each in network.subnets(new_prefix=size * bits)
    )
