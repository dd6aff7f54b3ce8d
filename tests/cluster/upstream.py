"""Tell the LAN's DNS server what to answer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.cluster import network
from tests.cluster.daemons import Daemons
from tests.cluster.layout import Layout
from tests.cluster.shell import Argument, run, wait_for

# CoreDNS keeps a SERVFAIL for 5 s; answers and denials live as long as upstream_server.py says.
CACHED_SECONDS = 5.5
EXTERNAL = "www.example.com"
RECORDS: Mapping[str, tuple[str, ...]] = {
    EXTERNAL: ("203.0.113.10",),
    "example.com": ("203.0.113.10",),
    "registry.corp.example": ("203.0.113.20",),
    "kubernetes.io": ("203.0.113.30",),
    "big.example.com": tuple(f"203.0.113.{host}" for host in range(1, 121)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Answer otherwise for a name and all below it; see upstream_server.py for `do`."""

    name: str
    type: str = "*"
    do: str = "answer"
    delay: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Everything that one address of the server says."""

    rules: tuple[Rule, ...] = ()
    records: Mapping[str, Iterable[str]] = field(default_factory=lambda: RECORDS)


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server on the LAN, and its twin on a second address."""

    layout: Layout

    @property
    def script(self) -> Path:
        """The file that says what is answered."""
        return self.layout.state / "upstream.json"

    def start(self, daemons: Daemons) -> None:
        self.tell()
        program = Path(__file__).with_name("upstream_server.py")
        addresses = (self.layout.upstream, self.layout.upstream_twin)
        argv: list[Argument] = [
            *network.lan_command(self.layout),
            sys.executable,
            program,
            self.script,
        ]
        daemons.start("upstream", [*argv, *addresses])

    def wait(self) -> None:
        wait_for("the upstream DNS server answers", self._answers, timeout=30)

    def _answers(self) -> bool:
        query = ("dig", f"@{self.layout.upstream}", "+tries=1", "+time=1", "example.com.")
        return "NOERROR" in run(*network.lan_command(self.layout), *query, check=False).stdout

    def tell(self, zone: Zone | None = None, *, twin: Zone | None = None) -> None:
        """Answer by this from now on (without arguments: as a healthy server)."""
        script = {"*": asdict(zone or Zone())}
        if twin is not None:
            script[self.layout.upstream_twin] = asdict(twin)
        new = self.script.with_suffix(".new")
        new.write_text(json.dumps(script))
        new.rename(self.script)

    @contextmanager
    def telling(self, zone: Zone, *, twin: Zone | None = None) -> Iterator[None]:
        """Answer by this for a while, and go on once no cache can still hold what was said."""
        self.tell(zone, twin=twin)
        try:
            yield
        finally:
            self.tell()
            time.sleep(CACHED_SECONDS)
