"""CoreDNS's Corefile: which server block and plugin takes a name, and what of the text may be kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One directive as written: `forward . 192.0.2.53 { ... }`. `block` holds its inner lines, word by word."""

    name: str
    args: tuple[str, ...] = ()
    block: tuple[tuple[str, ...], ...] = ()
    line: int

    def property(self, name: str) -> tuple[str, ...] | None:
        """The arguments of the first inner line that begins with `name`, None without such a line."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBlock:
    """One block. `zones` are absolute and lower case; `imports` are the patterns that were not expanded here."""

    zones: tuple[str, ...]
    port: int
    scheme: str  # dns, tls, grpc, https, ...
    plugins: tuple[Plugin, ...]
    imports: tuple[str, ...]
    line: int

    def all(self, name: str) -> tuple[Plugin, ...]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Names under `zone` go to `to` (addresses, or a file such as /etc/resolv.conf)."""

    zone: str
    to: tuple[str, ...]
    plugin: Plugin
    block: ServerBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`template CLASS TYPE [ZONE...]`. `rcode` is NOERROR unless said; `fallthrough` None or the zones named."""

    rr_class: str
    rr_type: str
    zones: tuple[str, ...]
    match: tuple[str, ...]
    answers: tuple[str, ...]
    rcode: str
    fallthrough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Corefile:
    """All server blocks, and in `problems` what CoreDNS itself would refuse: `line N: ...`."""

    blocks: tuple[ServerBlock, ...]
    problems: tuple[str, ...]

    def block_for(self, name: str, port: int | None = None) -> ServerBlock | None:
        """The block that takes `name`: the longest zone that holds it. None: CoreDNS answers REFUSED."""
        raise NotImplementedError

    def kubernetes_zones(self) -> tuple[str, ...]:
        """Zones the kubernetes plugin serves, reverse zones included, in the order of the file."""
        raise NotImplementedError

    def forwards(self) -> tuple[Forward, ...]:
        raise NotImplementedError

    def plugin(self, zone: str, name: str) -> Plugin | None:
        """The plugin `name` of the block that takes `zone`."""
        raise NotImplementedError


def parse(text: str) -> Corefile:
    """Never raises. Snippets of the same text are expanded, other imports and {$VARIABLES} stay as they are."""
    raise NotImplementedError


def order(plugin: str) -> int:
    """Place in CoreDNS's chain, fixed when it is built whatever the file says; unknown plugins come last."""
    raise NotImplementedError


def template(plugin: Plugin, block: ServerBlock) -> Template:
    raise NotImplementedError


def allow_listed(text: str) -> str:
    """The text with the arguments of every unknown directive replaced: some accept credentials inline.

    Line numbers stay the same. Doing it twice changes nothing.
    """
    raise NotImplementedError
