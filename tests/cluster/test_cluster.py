"""The parts of the test cluster that can be tested without one, and that `up` and `down` work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import build, cgroups, daemons, network, probe
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.cluster.fixtures import of_worker
from tests.cluster.layout import MAX_INDEX, Layout
from tests.cluster.shell import run
from tests.cluster.upstream_server import Script

FOUND = """\
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1
;; ANSWER SECTION:
api.shop.svc.cluster.local. 30	IN	A	10.96.7.7
"""


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (FOUND, "NOERROR"),
        ("opcode: QUERY, status: NXDOMAIN, id: 2", "NXDOMAIN"),
        (";; communications error to 10.96.0.10#53: connection refused", "refused"),
        (";; communications error to 10.96.0.10#53: timed out", "timeout"),
        (";; UDP setup with 10.96.0.10#53 failed: network unreachable.", "unreachable"),
        ("", "silent"),
    ],
)
def test_a_reply_says_why_there_is_no_answer(text: str, status: str) -> None:
    assert probe.parse(text).status == status


def test_a_reply_has_the_addresses() -> None:
    assert probe.parse(FOUND).addresses == ("10.96.7.7",)


def test_go_versions_compare() -> None:
    assert build.version_of("go version go1.26.8 linux/amd64") == (1, 26, 8)
    assert build.version_of("go 1.26") < build.version_of("go1.26.1") < build.version_of("go 1.30")


def test_a_result_is_built_once_per_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNSDEBUG_CACHE", str(tmp_path))
    built: list[Path] = []
    for key in ("a", "a", "b"):
        result = build.cached("thing", key, built.append)
    assert len(built) == 2
    assert result.name == "thing-b"


def test_names_fit_the_kernel() -> None:
    """A link has at most 15 bytes."""
    assert len(Layout(index=MAX_INDEX).uplink) <= 15


def test_clusters_side_by_side_share_no_name() -> None:
    one, eleven = Layout(index=1), Layout(index=11)
    assert not eleven.lan_namespace.startswith(one.prefix)
    assert one.upstream != eleven.upstream


def test_workers_have_clusters_of_their_own() -> None:
    numbers = [of_worker(index, f"gw{worker}") for index in range(8) for worker in range(4)]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) > 8
    assert max(numbers) <= MAX_INDEX


def test_a_process_is_known_from_a_later_one_of_its_number() -> None:
    own = daemons.identity(os.getpid())
    assert daemons.is_alive(own)
    assert not daemons.is_alive(f"{os.getpid()} 1")


def test_a_guard_leaves_the_cluster_of_another_alone(tmp_path: Path) -> None:
    cluster = Cluster(Layout(index=MAX_INDEX, home=tmp_path))
    cluster.layout.state.mkdir()
    (cluster.layout.state / "owner").write_text("another")
    cluster.down_for("somebody")
    assert cluster.layout.state.exists()


def test_the_upstream_answers_by_its_script(tmp_path: Path) -> None:
    import dns.message

    path = tmp_path / "script.json"
    path.write_text(
        '{"*": {"records": {"a.example": ["192.0.2.1"]},'
        ' "rules": [{"name": "b.example", "type": "AAAA", "do": "servfail"}]}}'
    )
    script = Script(path, "192.0.2.53")

    def ask(name: str, kind: str) -> str:
        _, wire = script.answer(dns.message.make_query(name, kind), tcp=False)
        assert wire is not None
        reply = dns.message.from_wire(wire)
        answers = [str(record) for rrset in reply.answer for record in rrset]
        return " ".join([dns.rcode.to_text(reply.rcode()), *answers])

    assert ask("a.example", "A") == "NOERROR 192.0.2.1"
    assert ask("a.example", "AAAA") == "NOERROR"
    assert ask("x.b.example", "AAAA") == "SERVFAIL"
    assert ask("x.b.example", "A") == "NXDOMAIN"


def test_what_is_called_healthy_is_to_be_found_so() -> None:
    assert not [f.name for f in FAULTS.values() if f.slug and f.name.startswith("healthy")]


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: the kubelet's sockets lie deep, and the name of a socket has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="dnsd") as folder:
        yield Path(folder)


@pytest.mark.cluster
def test_up_and_down_leave_nothing(home: Path) -> None:
    """Also when a part was killed in between."""
    used = {path.name for path in network.NETNS.glob("dnsd*")} if network.NETNS.exists() else set()
    free = next(index for index in range(90, MAX_INDEX) if f"dnsd{index}-lan" not in used)
    cluster = Cluster(Layout(index=free, home=home))
    try:
        cluster.up()
        assert cluster.pod("web").dig("api.shop.svc.cluster.local.").ok
        os.kill(cluster.daemons.require("containerd-w1"), 9)
    finally:
        cluster.down()
    prefix = cluster.layout.prefix
    assert not cgroups.groups(prefix)
    assert not network.namespaces(cluster.layout)
    assert prefix not in run("ip", "link").stdout
    assert str(home) not in Path("/proc/self/mounts").read_text()
    assert not cluster.layout.state.exists()
