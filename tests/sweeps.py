"""Evidence of runs on nodes, composed: what each node told, and the same as logs for some of them.

A node is told of in tokens of summaries (`n` an address, `t` no answer, ...), by probe. The logs
of a representative say the same in the words of dig.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubectl_dnsdebug.model import (
    Evidence,
    Fact,
    Purpose,
    Request,
    Role,
    State,
    Transcript,
    Vantage,
    node,
)
from tests.reports import (
    API,
    CONF,
    COREDNS_A,
    COREDNS_B,
    HOST_CONF,
    OUTSIDE,
    SERVICE,
    UPSTREAM,
    cluster,
    got,
)

HOME = "shop"
Told = Mapping[str, str]  # probe to its tokens


def control(
    service: str = "n1", a: str = "n1", b: str = "n2", *, outside: str = "n9", tcp: str = ""
) -> dict[str, str]:
    """What a ClusterFirst pod tells of the DNS Service and the DNS pods; `tcp` where it differs."""
    told = {f"dom.{SERVICE}": service, f"ext.{SERVICE}": outside}
    for ip, said, udp, times in (
        (SERVICE, service, 6, 2),
        (COREDNS_A, a, 2, 1),
        (COREDNS_B, b, 2, 1),
    ):
        told[f"reach.udp.{ip}"] = _often(said, udp)
        told[f"reach.tcp.{ip}"] = _often(tcp or said, times)
    return told


def default(
    service: str = "n1", a: str = "n1", b: str = "n2", *, upstream: str = "n8", tcp: str = ""
) -> dict[str, str]:
    """What a Default pod tells of them, and of the host's nameserver."""
    told = {f"up.udp.{UPSTREAM}": _often(upstream, 2), f"up.tcp.{UPSTREAM}": upstream}
    for ip, said, udp in ((SERVICE, service, 4), (COREDNS_A, a, 2), (COREDNS_B, b, 2)):
        told[f"reach.udp.{ip}"] = _often(said, udp)
        told[f"reach.tcp.{ip}"] = _often(tcp or said, 1)
    return told


def _often(said: str, times: int) -> str:
    """Several tokens are meant as they are, cut to how often it is asked."""
    tokens = said.split() * times
    return " ".join(tokens[:times])


OTHER = f"other.10.96.0.1.{SERVICE}"
# No Service address works; the DNS pods answer when asked directly.
DEAD: Mapping[Role, Told] = {
    Role.CONTROL: {**control("t", outside="k"), OTHER: "t"},
    Role.DEFAULT: default("t"),
    Role.HOSTNET: {**control("t", outside="k"), OTHER: "t"},
}


def text(told: Told, conf: str = CONF) -> str:
    """The termination message of a probing container."""
    lines = [f"conf {line}" for line in conf.splitlines()]
    lines += [f"a {id} {tokens}" for id, tokens in told.items()]
    body = "\n".join([*lines, f"end {len(told)}"])
    return f"dnsdebug-summary/1 {hashlib.sha256(body.encode()).hexdigest()[:16]}\n{body}"


@dataclass(frozen=True, kw_only=True)
class OnNode:
    """A node, what its pods told by role, and why others could not."""

    name: str
    told: Mapping[Role, Told] = field(
        default_factory=lambda: {Role.CONTROL: control(), Role.DEFAULT: default()}
    )
    files: Mapping[Role, str] = field(default_factory=dict)
    failures: Mapping[Role, str] = field(default_factory=dict)
    reason: str = ""  # why nothing was tried
    trouble: str = ""  # what the kubelet says, where it is not ready
    labels: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    cordoned: bool = False

    def file(self, role: Role) -> str:
        return self.files.get(
            role, HOST_CONF if role in (Role.DEFAULT, Role.HOSTNET_DEFAULT) else CONF
        )

    @property
    def facts(self) -> tuple[Fact, Fact]:
        swept = f"swept/{self.name}"
        return (
            got(f"node/{self.name}", self.data),
            Fact(id=swept, state=State.UNKNOWN, reason=self.reason)
            if self.reason
            else got(
                swept,
                {
                    "summaries": {
                        r.value: text(told, self.file(r)) for r, told in self.told.items()
                    },
                    "failures": {role.value: why for role, why in self.failures.items()},
                },
            ),
        )

    @property
    def data(self) -> dict[str, Any]:
        info = {"operatingSystem": "linux", "kernelVersion": "6.1.0", "kubeletVersion": "v1.34.1"}
        return {
            "metadata": {
                "name": self.name,
                "labels": {"kubernetes.io/hostname": self.name, **self.labels},
            },
            "spec": {
                "unschedulable": self.cordoned,
                "taints": [{"key": key, "effect": "NoSchedule"} for key in self.taints],
            },
            "status": {
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "False" if self.trouble else "True",
                        "message": self.trouble,
                    }
                ],
                "nodeInfo": {**info, **self.info},
            },
        }

    def vantages(self) -> tuple[Vantage, ...]:
        return tuple(
            Vantage(
                id=_id(role, self.name),
                role=role,
                node=self.name,
                stands_for=node(self.name),
                pod=f"dnsdebug-a1-{role.value}-{self.name}",
                failure=self.failures.get(role, ""),
            )
            for role in (*self.told, *self.failures)
        )

    def transcripts(self) -> tuple[Transcript, ...]:
        return tuple(
            made
            for role, told in self.told.items()
            for made in (
                _said(role, self.name, "conf", ["file", "/etc/resolv.conf"], self.file(role), 0),
                *_logs(role, self.name, told),
            )
        )


def _id(role: Role, name: str) -> str:
    return f"{role.value}:{HOME}@{name}"


def _said(
    role: Role, name: str, probe: str, argv: Iterable[str], out: str, code: int
) -> Transcript:
    vantage = _id(role, name)
    return Transcript(
        id=f"{vantage}#{probe}",
        vantage=vantage,
        probe=probe,
        argv=tuple(argv),
        out=out,
        exit_code=code,
    )


def _logs(role: Role, name: str, told: Told) -> Iterable[Transcript]:
    for probe, tokens in told.items():
        for n, token in enumerate(tokens.split(), 1):
            if token != "k":
                times = f"~{n}" if len(tokens.split()) > 1 else ""
                yield _dig(role, name, probe, f"{probe}{times}", token)


def _dig(role: Role, name: str, probe: str, id: str, token: str) -> Transcript:
    kind, server = probe.rpartition(".udp.")[0] or probe.partition(".")[0], _server(probe)
    tcp = ".tcp." in probe
    asked = OUTSIDE if kind.startswith(("ext", "up")) else API
    argv = ["dig", f"@{server}", "-p", "53", "-q", asked, "-t", "A", *(["+tcp"] if tcp else [])]
    words = {
        "t": f";; communications error to {server}#53: timed out\n;; no servers could be reached",
        "c": f";; communications error to {server}#53: connection refused\n"
        ";; no servers could be reached",
        "u": f";; UDP setup with {server}#53({server}) for {asked} failed: network unreachable.\n"
        ";; no servers could be reached",
    }
    letter, ms = token[0], token[1:] or "1"
    if letter in words:
        return _said(role, name, id, argv, words[letter], 9)
    code = {"x": "NXDOMAIN", "s": "SERVFAIL", "r": "REFUSED"}.get(letter, "NOERROR")
    record = f"{asked} 5 IN A 192.0.2.7\n" if letter == "n" else ""
    out = (
        f";; ->>HEADER<<- opcode: QUERY, status: {code}, id: 7\n"
        f";; flags: qr aa rd; QUERY: 1, ANSWER: {bool(record):d}, AUTHORITY: 0, ADDITIONAL: 0\n"
        f";; QUESTION SECTION:\n;{asked} IN A\n\n;; ANSWER SECTION:\n{record}\n"
        f";; Query time: {ms} msec\n;; SERVER: {server}#53({server}) ({'TCP' if tcp else 'UDP'})\n"
        ";; MSG SIZE  rcvd: 50\n"
    )
    return _said(role, name, id, argv, out, 0)


def _server(probe: str) -> str:
    if probe.startswith("other."):
        return ".".join(probe.split(".")[1:5])
    for head in ("reach.udp.", "reach.tcp.", "up.udp.", "up.tcp.", "dom.", "ext."):
        if probe.startswith(head):
            return probe.removeprefix(head)
    raise ValueError(probe)


def evidence(
    nodes: Iterable[OnNode],
    logs: Iterable[str] | None = None,
    picked_by: str = "nodes",
    facts: tuple[Fact, ...] = (),
) -> Evidence:
    """A run on these nodes; `logs` names those whose logs were read, by default all that told."""
    nodes = tuple(nodes)
    read = {each.name for each in nodes if not each.reason} if logs is None else {*logs}
    shown = [each for each in nodes if each.name in read]
    return Evidence(
        tool="test",
        collected_at="2025-01-01T00:00:00+00:00",
        context="lab",
        request=Request(
            targets=tuple(f"node/{each.name}" for each in nodes),
            picked_by=(picked_by,) * len(nodes),
            home=HOME,
            purpose=Purpose.NODES,
        ),
        facts=(*cluster(), *facts, *(fact for each in nodes for fact in each.facts)),
        vantages=tuple(v for each in shown for v in each.vantages()),
        transcripts=tuple(t for each in shown for t in each.transcripts()),
        timing={"survey": 0.4, "probes": 1.9, "total": 2.3},
        counts={"api requests": 21, "dns queries (planned)": 96},
    )
