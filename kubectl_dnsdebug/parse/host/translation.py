"""kube-proxy's rules on a node: to which DNS pods it translates the address of their Service.

Three kernels' worth of tables say the same in their own words: iptables, nftables, IPVS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubectl_dnsdebug.model import Transport

DNS_PORT = "53"
Key = tuple[str, Transport]
_JUMP = re.compile(r" -j (KUBE-S(?:VC|VL|EP)-[A-Z0-9]+)")
_DNAT = re.compile(r" -j DNAT .*--to-destination \[?([0-9A-Fa-f.:]+?)\]?:\d+")
_ENTRY = re.compile(r"([0-9a-f.:]+) \. (tcp|udp) \. (\d+) : goto (service-[^ ,}]+)")
_ENDPOINT = re.compile(r"endpoint-[A-Z0-9]+-(\S+?)__([0-9a-f.:\[\]]+)/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the node. `present`: kube-proxy made it, so that what is not there is missing.

    `backends` maps each Service address and transport that it has a rule for to the addresses
    behind it.
    """

    mode: str
    present: bool
    backends: Mapping[Key, tuple[str, ...]]


def iptables(text: str) -> Table:
    """What `witness nat` prints: iptables-save's lines of the DNS Service."""
    lines = text.splitlines()
    jumps: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    starts: list[tuple[Key, str]] = []
    for line in lines:
        words = line.split()
        if len(words) < 3 or words[0] != "-A":
            continue
        chain = words[1]
        if found := _DNAT.search(line):
            targets.setdefault(chain, []).append(found[1])
        jump = _JUMP.search(line)
        if jump and chain == "KUBE-SERVICES":
            address, transport = _of(words, "-d").partition("/")[0], _of(words, "-p")
            if _of(words, "--dport") == DNS_PORT and transport in set(Transport):
                starts.append(((address, Transport(transport)), jump[1]))
        elif jump:
            jumps.setdefault(chain, []).append(jump[1])

    def behind(chain: str, depth: int = 3) -> Iterable[str]:
        yield from targets.get(chain, ())
        for each in jumps.get(chain, ()) if depth else ():
            yield from behind(each, depth - 1)

    return Table(
        mode="iptables",
        present=any(line.startswith(":KUBE-SERVICES ") for line in lines),
        backends={key: tuple(dict.fromkeys(behind(chain))) for key, chain in starts},
    )


def _of(words: list[str], option: str) -> str:
    place = words.index(option) + 1 if option in words else len(words)
    return words[place] if place < len(words) else ""


def nft(text: str) -> Table:
    """What `witness nft` prints: lines of the table that kube-proxy has in nftables mode."""
    behind: dict[str, list[str]] = {}
    for service, address, _ in _ENDPOINT.findall(text):
        behind.setdefault(service, []).append(address.strip("[]"))
    found: dict[Key, tuple[str, ...]] = {}
    for address, transport, port, chain in _ENTRY.findall(text):
        name = chain.removeprefix("service-").partition("-")[2]
        if port == DNS_PORT:
            found[address, Transport(transport)] = tuple(dict.fromkeys(behind.get(name, ())))
    return Table(mode="nftables", present=text.startswith("table ip kube-proxy"), backends=found)


def ipvs(text: str) -> Table:
    """What `witness ipvs` prints: virtual servers on port 53, each with its real ones."""
    found: dict[Key, list[str]] = {}
    real: list[str] = []
    for line in text.splitlines():
        kind, _, address = line.partition(" ")
        ip = address.rpartition(":")[0]
        if kind.lower() in set(Transport):
            real = found.setdefault((ip, Transport(kind.lower())), [])
        elif kind == "->":
            real.append(ip)
    return Table(
        mode="ipvs",
        present=bool(found),
        backends={key: tuple(each) for key, each in found.items()},
    )
