"""Routes, kernel settings and listening sockets of a node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing

_UNREACHABLE = re.compile(r"unreachable|no route to host|prohibit|blackhole", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the node's own packets to one address go. `text` is the line that says so."""

    reachable: bool
    device: str
    gateway: str
    text: str


def route(text: str) -> Route | None:
    """The answer of `ip route get`; None when it is none."""
    first = text.strip().partition("\n")[0].strip()
    if _UNREACHABLE.search(text):
        return Route(reachable=False, device="", gateway="", text=first)
    words = first.split()
    if "dev" not in words:
        return None
    return Route(
        reachable=True,
        device=_after(words, "dev"),
        gateway=_after(words, "via"),
        text=first,
    )


def _after(words: list[str], key: str) -> str:
    place = words.index(key) + 1 if key in words else len(words)
    return words[place] if place < len(words) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Kernel settings by their sysctl names, None for one that this kernel does not have now.

    `bridges` are the node's bridge devices.
    """

    values: Mapping[str, str | None]
    bridges: tuple[str, ...]

    def setting(self, name: str) -> str | None:
        """None: this kernel does not have it now. Raises Missing where that was not read."""
        if name not in self.values:
            raise Missing(f"{name} was not read")
        return self.values[name]


def settings(text: str) -> Settings:
    """Lines `NAME = VALUE`, `NAME absent` and `bridge DEVICE`; others are passed over."""
    values: dict[str, str | None] = {}
    bridges: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["bridge", device]:
                bridges.append(device)
            case [name, "absent"]:
                values[name] = None
            case [name, "=", *words] if words:
                values[name] = " ".join(words)
    return Settings(values=values, bridges=tuple(bridges))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket of the node's network that takes DNS. `address` is the kernel's hex for IPv6."""

    protocol: str
    address: str
    port: int


def listeners(text: str) -> tuple[Listener, ...]:
    """Lines `PROTOCOL ADDRESS PORT`."""
    found = (line.split() for line in text.splitlines())
    return tuple(
        Listener(protocol=words[0], address=words[1], port=int(words[2]))
        for words in found
        if len(words) == 3 and words[2].isascii() and words[2].isdigit()
    )


def addresses(text: str) -> Mapping[str, str] | None:
    """Lines `address DEVICE IP`: the device of each address; None when it was cut."""
    found = [line.split() for line in text.splitlines()]
    if not any(words[:1] == ["addresses"] for words in found):
        return None
    return {w[2]: w[1] for w in found if len(w) == 3 and w[0] == "address"}


_STAMPED = re.compile(r"\[\s*(\d+)\.\d+\] (.*)")
_NETNS = re.compile(r"in netns (\d+)")
_LATELY = 120  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLog:
    """Lines of the kernel's log that tell of lost packets, of the last two minutes."""

    netns: str  # the inode of the node's network namespace
    lines: tuple[str, ...]

    @property
    def table_full(self) -> str:
        """The last line about this node's table of flows; empty without one. Nodes may share a
        kernel: newer ones say whose table it is."""
        for line in reversed(self.lines):
            whose = _NETNS.search(line)
            if "table full" in line and (whose is None or whose[1] == self.netns):
                return line
        return ""


def kernel_log(text: str) -> KernelLog | None:
    """What `witness log` prints; None where the log may not be read."""
    now = re.search(r"^now (\d+)", text, re.MULTILINE)
    netns = re.search(r"^net:\[(\d+)\]$", text, re.MULTILINE)
    if now is None or netns is None:
        return None
    stamped = (_STAMPED.match(line) for line in text.splitlines())
    lately = (m[2] for m in stamped if m and int(m[1]) >= int(now[1]) - _LATELY)
    return KernelLog(netns=netns[1], lines=tuple(lately))
