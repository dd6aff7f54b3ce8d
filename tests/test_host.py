"""What a node shows: texts of the real tools as values."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug.model import (
    Missing,
    Transport,
)
from kubectl_dnsdebug.parse import host

CAPTURED = Path(__file__).parent / "captured" / "host"
SERVICE = "10.96.0.10"
PODS = ("10.244.1.2", "10.244.2.4")
BRIDGE_NF = "net.bridge.bridge-nf-call-iptables"


def text(name: str) -> str:
    return (CAPTURED / f"{name}.txt").read_text()


def test_routes() -> None:
    found = host.route(text("route"))
    assert found is not None
    assert (found.reachable, found.gateway, found.device) == (True, "192.168.103.1", "eth0")
    local = host.route(text("route-local"))
    assert local is not None
    assert (local.gateway, local.device) == ("", "cni0")
    none = host.route(text("route-unreachable"))
    assert none is not None
    assert not none.reachable
    assert host.route("neither the image nor the host has ip") is None


def test_settings() -> None:
    found = host.settings(text("sysctl"))
    assert found.setting(BRIDGE_NF) == "0"
    assert found.setting("net.ipv4.ip_forward") == "1"
    assert found.setting("net.ipv4.vs.conntrack") is None
    assert found.bridges == ("cni0",)
    with pytest.raises(Missing, match="was not read"):
        host.settings("").setting(BRIDGE_NF)


def test_flows_that_await_their_answers_from_a_dns_pod() -> None:
    found = host.flows(text("flows"))
    assert found is not None
    assert found.total == 33
    assert {flow.answers_from for flow in found.told} <= {*PODS}
    assert found.later == ()


def test_a_flow_that_is_stale_and_in_use() -> None:
    found = host.flows(text("flows-stale"))
    assert found is not None
    (odd,) = (flow for flow in found.told if flow.answers_from == SERVICE)
    assert (odd.client, odd.port, odd.server) == ("10.244.1.15", 40053, SERVICE)
    assert not odd.answered
    assert found.in_use(odd)

    def lives(*seconds: int) -> bool:
        looks = tuple((replace(odd, seconds=left),) for left in seconds)
        return replace(found, later=looks).in_use(replace(odd, seconds=20))

    assert not lives(18)
    assert not lives(17, 15, 13)
    assert lives(18, 16, 28)  # a client that waits for seconds before it asks again
    assert lives(18, 28, 26)


def test_flows_that_were_cut() -> None:
    assert host.flows(text("flows").rpartition("flows ")[0]) is None


def test_counters_are_summed_and_looked_at_twice() -> None:
    once = "cpu=0 drop=1 insert_failed=2\ncpu=1 drop=3 insert_failed=5"
    found = host.counters(f"{once}\nagain\n{once.replace('=5', '=8')}\n")
    assert (found.total("drop"), found.rise("drop")) == (4, 0)
    assert (found.total("insert_failed"), found.rise("insert_failed")) == (10, 3)
    assert found.total("of another kernel") is None
    assert host.counters(text("counters")).total("insert_failed") == 0
    assert host.counters(once).rise("insert_failed") == 0


def test_the_kernels_log_is_of_now_and_of_this_node() -> None:
    full = "nf_conntrack: nf_conntrack: table full"
    lines = (
        "now 12800.46\nnet:[4026532318]\n"
        f"[12600.000000] {full}, dropping packet\n"
        f"[12790.351436] {full} in netns 4026532318, dropping packet\n"
        f"[12799.000000] {full} in netns 4026531840, dropping packet\n"
    )
    found = host.kernel_log(lines)
    assert found is not None
    assert found.table_full == f"{full} in netns 4026532318, dropping packet"
    others = host.kernel_log(lines.replace("4026532318, drop", "1, drop"))
    assert others is not None
    assert others.table_full == ""
    assert host.kernel_log("dmesg: read kernel buffer failed: Operation not permitted") is None


def test_addresses() -> None:
    found = host.addresses("address nodelocaldns 169.254.20.10\naddresses 4\n")
    assert found == {"169.254.20.10": "nodelocaldns"}
    assert host.addresses("addresses 3") == {}
    assert host.addresses("neither the image nor the host has ip") is None


CONNECTIONS = """\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
UDP 0AF40105 9C75 0A60000A 0035 0AF4024D 0035 UDP             297
UDP 0AF40105 A1B2 0A60000A 0035 0AF40102 0035 UDP             120
UDP 0AF40105 A1B3 0A600001 01BB 0AF40102 192B UDP             120
TCP 0AF40105 A1B4 0A60000A 0035 0AF40102 0035 ESTABLISHED     890
"""


SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
each_shell = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)


@each_shell
def test_connections_of_ipvs(shell: list[str], tmp_path: Path) -> None:
    """The kernel's own table, through the shell that reads it: machines of tests have no IPVS."""
    table = tmp_path / "ip_vs_conn"
    table.write_text(CONNECTIONS)
    script = (files("kubectl_dnsdebug.plan") / "host_flows.sh").read_text()
    script = script.replace("/proc/net/ip_vs_conn", str(table)).replace("sleep 2", ":")
    ask = f"set -f\n{script}\nconnections {SERVICE} {' '.join(PODS)}"
    said = subprocess.run([*shell, "-c", ask], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    found = host.connections(said.stdout)
    assert found is not None
    assert found.total == 2
    (stale,) = (flow for flow in found.told if flow.answers_from not in PODS)
    assert (stale.client, stale.port, stale.answers_from) == ("10.244.1.5", 40053, "10.244.2.77")
    assert found.in_use(stale)
    assert host.connections("absent") is None


@each_shell
@pytest.mark.parametrize("tool", ["conntrack", "ipvs"])
def test_of_many_stale_entries_those_in_use_are_told(
    shell: list[str], tmp_path: Path, tool: str
) -> None:
    """Every client leaves some behind when DNS pods go; the one that is stuck renews its own."""
    table = tmp_path / "table"
    script = (files("kubectl_dnsdebug.plan") / "host_flows.sh").read_text().replace("sleep 2", ":")
    if tool == "ipvs":
        row = "UDP 0AF40105 {:04X} 0A60000A 0035 0AF4024D 0035 UDP {:>8}\n"
        script = script.replace("/proc/net/ip_vs_conn", str(table))
        ask = f"connections {SERVICE} {PODS[0]}"
    else:
        row = (
            "udp      17 {1} src=10.244.1.5 dst=10.96.0.10 sport={0} dport=53 src=10.244.2.77 "
            "dst=10.244.1.5 sport=53 dport={0} mark=0 use=1\n"
        )
        ask = f"tool() {{ cat {table}; }}\nflows {SERVICE} {PODS[0]}"
    table.write_text(
        "".join(row.format(50_000 + n, 118 if n == 99 else n % 30) for n in range(200))
    )
    words = [*shell, "-c", f"set -f\n{script}\n{ask}"]
    said = subprocess.run(words, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    found = (host.connections if tool == "ipvs" else host.flows)(said.stdout)
    assert found is not None
    assert (found.total, len(found.told), len(found.later)) == (200, 60, 3)
    assert (found.told[0].port, found.told[0].seconds) == (50_099, 118)
    assert found.told[-1].seconds >= 20


@each_shell
def test_counters_without_the_tool(shell: list[str], tmp_path: Path) -> None:
    stat = tmp_path / "nf_conntrack"
    stat.write_text(
        "entries  clashres found insert insert_failed drop early_drop\n"
        "00000030  00000000 00000000 00000000 0000000a 00000002 00000000\n"
        "00000030  00000000 00000000 00000000 00000001 00000000 00000010\n"
    )
    script = (files("kubectl_dnsdebug.plan") / "host_flows.sh").read_text()
    ask = f"set -f\ntool() {{ return 127; }}\n{script}\ncounts".replace(
        "/proc/net/stat/nf_conntrack", str(stat)
    )
    said = subprocess.run([*shell, "-c", ask], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    found = host.counters(said.stdout)
    assert [found.total(name) for name in ("insert_failed", "drop", "early_drop")] == [11, 2, 16]


BOTH = {(SERVICE, Transport.UDP): PODS, (SERVICE, Transport.TCP): PODS}


@pytest.mark.parametrize(
    ("name", "reader", "present", "backends"),
    [
        ("nat", host.iptables, True, BOTH),
        ("nat-flushed", host.iptables, True, {}),
        ("nft", host.nft, True, BOTH | {(SERVICE, Transport.TCP): PODS[:1]}),
        ("ipvs", host.ipvs, True, BOTH | {(SERVICE, Transport.TCP): PODS[:1]}),
    ],
)
def test_translation(
    name: str, reader: Callable[[str], host.Table], present: bool, backends: dict[Any, Any]
) -> None:
    found = reader(text(name))
    assert found.present is present
    assert {key: tuple(sorted(each)) for key, each in found.backends.items()} == backends


def test_a_node_without_kube_proxy_has_no_table() -> None:
    assert not host.iptables("by iptables-nft-save\n").present
    assert not host.nft("absent").present
    assert not host.ipvs("absent").present


def test_files() -> None:
    (found,) = host.files(text("file"))
    assert found.conf is not None
    assert (found.path, found.leads_to) == ("/etc/resolv.conf", "/etc/resolv.conf")
    assert found.conf.nameservers == ("127.0.0.53",)
    (absent,) = host.files(text("file-absent"))
    assert absent.conf is None
    (linked,) = host.files(
        "link /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf\n" + text("file")
    )
    assert linked.leads_to == "/run/systemd/resolve/stub-resolv.conf"


def test_the_kubelet() -> None:
    found = host.kubelet(text("kubelet-generated"))
    assert found is not None
    assert found.reads == "/var/lib/node/generated-resolv.conf"
    assert found.cluster_dns == (SERVICE,)
    assert found.cluster_domain == "cluster.local"
    assert found.file is not None
    assert found.file.conf is not None
    assert found.file.conf.nameservers == ("8.8.8.8",)
    assert host.kubelet("no kubelet is to be seen") is None


@pytest.mark.parametrize(
    ("lines", "reads"),
    [
        ("", "/etc/resolv.conf"),
        ('config resolvConf ""', ""),
        ("config resolvConf /run/x", "/run/x"),
        ("flag resolv-conf=/flag\nconfig resolvConf /run/x", "/flag"),
    ],
)
def test_which_file_the_kubelet_reads(lines: str, reads: str) -> None:
    found = host.kubelet(f"program /usr/bin/kubelet\n{lines}")
    assert found is not None
    assert found.reads == reads


def test_a_list_over_several_lines_of_yaml() -> None:
    found = host.kubelet("program kubelet\nconfig clusterDNS - 10.0.0.10 - 10.0.0.11")
    assert found is not None
    assert found.cluster_dns == ("10.0.0.10", "10.0.0.11")


def test_listeners() -> None:
    found = {(each.protocol, each.address, each.port) for each in host.listeners(text("listeners"))}
    assert found == {("udp", "127.0.0.53", 53), ("tcp", "127.0.0.53", 53)}


READERS: list[Callable[[str], object]] = [
    host.route, host.settings, host.flows, host.counters, host.iptables, host.nft, host.ipvs,
    host.files, host.kubelet, host.listeners, host.connections, host.kernel_log, host.addresses,
]  # fmt: skip
ODD = (
    "flow odd flows again udp 17 29 src= dst=1.2.3.4 sport=x dport=53 -A KUBE-SERVICES -d -p -j "
    "KUBE-SVC-A DNAT flag config program file line link absent bridge = UDP TCP -> 53"
)
WORDS = st.sampled_from([*ODD.split(), "\n"])


@given(st.lists(WORDS).map(" ".join))
def test_no_text_is_too_odd(odd: str) -> None:
    for read in READERS:
        read(odd)
