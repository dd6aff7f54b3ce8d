"""What the privileged pod saw of its node, each thing read when first asked for.

Everything raises `Missing` with the reason where it could not be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from kubectl_dnsdebug.model import Evidence, Missing, Role, Transcript, Transport, Vantage
from kubectl_dnsdebug.parse import host
from kubectl_dnsdebug.parse.host import (
    Counters,
    Flows,
    HostFile,
    KernelLog,
    Kubelet,
    Listener,
    Route,
    Settings,
)

T = TypeVar("T")
BRIDGE_NF = "net.bridge.bridge-nf-call-iptables"
BRIDGE_NF6 = "net.bridge.bridge-nf-call-ip6tables"
TOO_LONG = 124  # exit code of `limited` in runner.sh
ETC = "/etc/resolv.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """A node, by the transcripts of `witness`."""

    vantage: Vantage
    transcripts: Mapping[str, Transcript]  # by what was asked, such as `route.10.96.0.10`

    def id(self, what: str) -> str:
        """The evidence id of one thing that was asked."""
        return f"{self.vantage.id}#host.{what}"

    def _read(self, what: str, reader: Callable[[str], T | None], code: int = 0) -> T:
        found = self.transcripts.get(what)
        if found is None:
            raise Missing(f"{what} was not asked on {self.vantage.node}")
        if found.exit_code == TOO_LONG:
            raise Missing(f"{what} of {self.vantage.node} took too long to read")
        if found.failure or found.exit_code not in (0, code):
            raise Missing(found.failure or found.out.partition("\n")[0] or f"no {what}")
        value = reader(found.out)
        if value is None:
            raise Missing(f"{what} of {self.vantage.node} could not be understood")
        return value

    def route(self, address: str) -> Route:
        """Where the node's own packets to it go; `ip` fails with 2 where they go nowhere."""
        return self._read(f"route.{address}", host.route, code=2)

    @property
    def settings(self) -> Settings:
        return self._read("sysctl", host.settings)

    def flows(self, address: str) -> Flows:
        return self._read(f"flows.{address}", host.flows)

    def connections(self, address: str) -> Flows:
        """The same of IPVS; Missing where the kernel has none."""
        return self._read(f"connections.{address}", host.connections)

    @property
    def counters(self) -> Counters:
        return self._read("counters", host.counters)

    @property
    def translation(self) -> Translation:
        """What kube-proxy's tables say. Missing where no table could be read."""
        found: list[tuple[str, host.Table]] = []
        gaps: list[str] = []
        for what, reader in (("nat", host.iptables), ("nft", host.nft), ("ipvs", host.ipvs)):
            try:
                found.append((self.id(what), self._read(what, reader)))
            except Missing as gap:
                gaps.append(str(gap))
        if not found:
            raise Missing(gaps[0])
        return Translation(tables=tuple(found))

    def file(self, path: str) -> HostFile:
        return self._read(f"file.{path}", lambda text: next(iter(host.files(text)), None))

    @property
    def files(self) -> tuple[HostFile, ...]:
        """Every file that was looked for and could be read, the host's own first."""
        found = (text for what, text in self.transcripts.items() if what.startswith("file."))
        return tuple(
            file for text in found if not text.failure for file in host.files(text.out) if file.conf
        )

    @property
    def kubelet(self) -> Kubelet:
        return self._read(f"kubelet.{self.vantage.node}", host.kubelet)

    @property
    def kubelet_id(self) -> str:
        return self.id(f"kubelet.{self.vantage.node}")

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return self._read("listeners", host.listeners)

    @property
    def addresses(self) -> Mapping[str, str]:
        """The devices that bear the node's link-local addresses, or those of the DNS Service."""
        return self._read("addresses", host.addresses)

    @property
    def log(self) -> KernelLog:
        return self._read("log", host.kernel_log, code=1)  # grep found nothing


def host_if_asked(evidence: Evidence, node: str) -> HostView | None:
    """None without --deep. Raises Missing where that failed."""
    asked = any(v.role is Role.HOST and v.node == node for v in evidence.vantages)
    return look(evidence, node) if asked else None


def look(evidence: Evidence, node: str) -> HostView:
    """What the node showed. Raises Missing without --deep, or where that failed."""
    found = [v for v in evidence.vantages if v.role is Role.HOST and v.node == node]
    usable = next((v for v in found if not v.failure), None)
    if usable is None:
        raise Missing(found[0].failure if found else f"{node} itself was not looked at (--deep)")
    prefix = "host."
    return HostView(
        vantage=usable,
        transcripts={
            each.probe.removeprefix(prefix): each
            for each in evidence.transcripts
            if each.vantage == usable.id and each.probe.startswith(prefix)
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """kube-proxy's tables that could be read, with their evidence ids."""

    tables: tuple[tuple[str, host.Table], ...]

    @property
    def is_kube_proxy(self) -> bool:
        """Whether kube-proxy has made tables there: then a rule that is not there is missing.
        Without any, another program may translate in its own way."""
        return any(table.present for _, table in self.tables)

    @property
    def ids(self) -> tuple[str, ...]:
        """Those that kube-proxy made, or all where there is none."""
        made = tuple(id for id, table in self.tables if table.present)
        return made or tuple(id for id, _ in self.tables)

    def backends(self, address: str, transport: Transport = Transport.UDP) -> tuple[str, ...]:
        """The addresses behind a Service's; empty without a rule."""
        return tuple(
            dict.fromkeys(
                ip
                for _, table in self.tables
                for ip in table.backends.get((address, transport), ())
            )
        )
