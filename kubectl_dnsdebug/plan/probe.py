"""One question and what a container is told: the words of the runner, see `runner.sh`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kubectl_dnsdebug.model import Transport
from kubectl_dnsdebug.plan.stage import TCP, UDP, Server

LIMIT = 15  # seconds; a dead server costs two
GATE = "gate"
ELSE = "else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A command of the runner, see `runner.sh`. `lane` is SERVER/STREAM.

    `cost` is how many DNS queries it may send. Done several `times` it has as many ids, ending in
    ~1, ~2 and so on.
    """

    id: str
    lane: str
    argv: tuple[str, ...]
    cost: int = 1
    times: int = 1

    @property
    def item(self) -> str:
        id = self.id if self.times == 1 else f"{self.id}*{self.times}"
        return " ".join((id, self.lane, *self.argv))

    @property
    def ids(self) -> tuple[str, ...]:
        if self.times == 1:
            return (self.id,)
        return tuple(f"{self.id}~{n}" for n in range(1, self.times + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one probing container is told: nameservers with probes of their own, and the probes."""

    known: tuple[str, ...]
    probes: tuple[Probe, ...]
    at_once: int  # probes that may run at the same time
    limit: int = LIMIT  # seconds the probes may take

    @property
    def cost(self) -> int:
        return sum(probe.cost * probe.times for probe in self.probes)


def ask(
    id: str,
    server: Server,
    name: str,
    type: str = "A",
    transport: Transport = UDP,
    stream: str = "",
    extra: Iterable[str] = (),
    times: int = 1,
) -> Probe:
    """One dig of one server, bounded to one try of two seconds; in a stream of its own by default,
    where what it asks several times is asked one after the other."""
    argv: list[str] = ["dig", f"@{server.ip}", "-p", str(server.port), "-q", name, "-t", type]
    argv += ["+tries=1", "+time=2", *(["+tcp"] if transport is TCP else []), *extra]
    whole = f"{id}.{server.ip}"
    lane = f"{server.ip}#{server.port}+{transport.value}/{stream or whole}"
    return Probe(id=whole, lane=lane, argv=tuple(argv), times=times)


ANY_NS = Server(ip="{ns}")
FIRST_NS = Server(ip="{ns1}")
