"""watch on a real cluster: faults that come and go, and ends of every kind."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.change import iptables, paused, pod_iptables, victim
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns_pod_on, wait_dns_pods
from tests.cluster.faults import FAULTS
from tests.scenarios.conftest import Ran, Tool

WEB = ("watch", "pod/web", "-n", "shop", "--timeout", "60")


Told = Callable[[str], None]


@contextmanager
def meanwhile(do: Callable[[], None], after: float) -> Iterator[Told]:
    """Do it so many seconds after the watch has begun to ask, which it tells of itself; what goes
    wrong there goes wrong here."""
    wrong: list[BaseException] = []
    asks, over = threading.Event(), threading.Event()

    def told(line: str) -> None:
        if re.search(r"watched .* [1-9]\d* questions", line):
            asks.set()

    def later() -> None:
        try:
            asks.wait()
            if not over.wait(after):
                do()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=later)
    thread.start()
    try:
        yield told
    finally:
        over.set()
        asks.set()
        thread.join()
    if wrong:
        raise wrong[0]


@contextmanager
def stuck(cluster: Cluster) -> Iterator[Told]:
    """For a moment the Service has no rule on w1, and flows keep what they get.

    kube-proxy would mend that within seconds, so it is stuck.
    """
    node, server = cluster.node("w1"), cluster.setup.address
    saved = node.folder / "nat.rules"

    def flush() -> None:
        node.shell(
            f"iptables-save -t nat > {saved}",
            "iptables -w -t nat -F KUBE-SERVICES",
            f"conntrack -D -p udp --orig-dst {server} || true",
        )
        time.sleep(4)
        node.shell(f"iptables-restore -w -T nat < {saved}")

    with paused(cluster, cluster.agents("w1").kube_proxy):
        try:
            with meanwhile(flush, 6) as told:
                yield told
        finally:
            node.run("conntrack", "-D", "-p", "udp", "--orig-dst", server, check=False)


def series(ran: Ran, what: str) -> list[dict[str, Any]]:
    return [each for each in ran.report["watch"]["series"] if each["what"] == what]


def test_a_healthy_cluster(tool: Tool, tmp_path: Path) -> None:
    saved = tmp_path / "evidence.json"
    ran = tool(*WEB, "--for", "10s", "-o", "json", "--save", str(saved))
    assert (ran.code, ran.report["outcome"]) == (0, "healthy"), ran.story()
    watch = ran.report["watch"]
    assert watch["seconds"] == 10, ran.story()
    assert watch["gaps"] == [], ran.story()
    for what in ("fresh", "fixed", "tcp", "direct", "outside", "libc"):
        assert all(each["asked"] for each in series(ran, what)), ran.story()
        assert series(ran, what), what
    assert sum(each["asked"] for each in watch["series"]) < 10 * 7, "a modest rate"
    assert len({each["source_port"] for each in series(ran, "fixed")} - {None}) == 1
    assert not tool.leftovers()
    again = tool("replay", str(saved), "-o", "json")
    assert (again.code, again.out) == (ran.code, ran.out)


def test_it_is_never_silent(tool: Tool) -> None:
    process = tool.start(*WEB, "--for", "8s")
    assert process.stderr is not None
    last, longest = time.monotonic(), 0.0
    for _ in process.stderr:
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert "new ports" in out
    assert longest < 6, "three seconds, and as much for a busy machine"


def test_one_dns_pod_that_is_silent(cluster: Cluster, tool: Tool) -> None:
    fault = FAULTS["coredns-replica-silent"]
    with fault.applied(cluster):
        ran = tool(*WEB, "--for", "10s", "-o", "json")
    assert (ran.code, ran.first) == (4, fault.slug), ran.story()
    assert sorted(each["loss"] for each in series(ran, "direct")) == [0, 1], ran.story()


def test_a_dns_pod_that_is_silent_now_and_then(cluster: Cluster, tool: Tool) -> None:
    bad = dns_pod_on(cluster, "w1")["metadata"]
    some = "INPUT -p udp --dport 53 -m statistic --mode random --probability 0.5 -j DROP"
    with pod_iptables(cluster, bad["name"], bad["namespace"], some):
        ran = tool(*WEB, "--for", "40s", "-o", "json")
    assert (ran.code, ran.first) == (4, "coredns-replica-divergence"), ran.story()
    assert bad["name"] in ran.report["causes"][0]["message"], ran.story()


def test_losses_on_the_way_that_no_cause_explains_are_never_healthy(
    cluster: Cluster, tool: Tool
) -> None:
    some = "FORWARD -p udp --dport 53 -m statistic --mode random --probability 0.3 -j DROP"
    with iptables(cluster, ("w1", some)):
        ran = tool(*WEB, "--for", "40s", "-o", "json")
    assert ran.code in (3, 4), ran.story()
    rows = [each for what in ("fresh", "fixed", "direct") for each in series(ran, what)]
    loss = sum(each["lost"] for each in rows) / sum(each["asked"] for each in rows)
    assert 0.1 < loss < 0.6, ran.story()
    # Which servers lost how many is chance; that it was seen at the Service is not.
    assert "questions are lost" in ran.out, ran.story()
    waits = {each["libc"]: each["waits"] for each in ran.report["watch"]["clients"]}
    assert waits["glibc"][0]["seconds"] == 5, ran.story()


def test_losses_that_are_over_when_the_watch_ends(cluster: Cluster, tool: Tool) -> None:
    """The diagnosis at the end sees a healthy cluster; what was lost before is not forgotten."""

    def lose() -> None:
        with iptables(cluster, ("w1", "FORWARD -p udp --dport 53 -j DROP")):
            time.sleep(5)

    with meanwhile(lose, 2) as told:
        ran = tool(*WEB, "--for", "20s", "-o", "json", told=told)
    assert ran.code == 3, ran.story()
    (reason,) = [e["reason"] for e in ran.report["unknown"] if e["rule"] == "unexplained"]
    assert "new ports" in reason, ran.story()
    (fresh,) = series(ran, "fresh")
    assert fresh["losses"], ran.story()
    assert fresh["losses"][-1]["from"] < 18, ran.story()


def test_a_source_port_that_gets_stuck_in_the_middle(cluster: Cluster, tool: Tool) -> None:
    """As when a restart of the DNS pods leaves the Service without a rule for a moment."""
    with stuck(cluster) as told:
        ran = tool(*WEB, "--for", "40s", "-o", "json", told=told)
    assert (ran.code, ran.first) == (4, "conntrack-stale-udp"), ran.story()
    (fixed,) = series(ran, "fixed")
    assert str(fixed["source_port"]) in ran.report["causes"][0]["message"], ran.story()


def test_a_dns_pod_that_is_replaced_stands_on_the_time_line(cluster: Cluster, tool: Tool) -> None:
    pod = dns_pod_on(cluster, "w2")["metadata"]

    def replace() -> None:
        cluster.kubectl.delete("pod", pod["name"], "-n", pod["namespace"], "--grace-period=1")

    with meanwhile(replace, 2) as told:
        ran = tool(*WEB, "--for", "20s", "-o", "json", told=told)
    wait_dns_pods(cluster)
    changes = [each["what"] for each in ran.report["watch"]["changes"]]
    assert any(pod["name"] in what and "gone" in what for what in changes), ran.story()
    assert any(what.startswith("endpoint") and what.endswith(": ready") for what in changes), (
        changes
    )
    rules = {each["rule"] for each in ran.report["causes"]}
    assert rules <= {"coredns-placement-rollout"}, ran.story()


def test_ctrl_c_ends_the_watch_and_not_the_report(tool: Tool) -> None:
    process = tool.start(*WEB, "--for", "2m", "-o", "json")
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(r"watched [1-9]\d* of 120 s", line):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    ran = Ran(process.returncode, out, err, 0)
    assert (ran.code, ran.report["outcome"]) == (0, "healthy"), ran.story()
    assert 0 < ran.report["watch"]["seconds"] < 60, ran.story()
    fates = [each["fate"] for each in ran.report["made"] if "-watch" in each["what"]]
    assert fates
    assert "ends by itself within" in fates[0]
    assert not tool.leftovers()


@pytest.mark.parametrize("mode", ["ephemeral", "sibling"])
def test_a_signal_to_end_ends_all(tool: Tool, mode: str) -> None:
    process = tool.start(*WEB, "--for", "1m", "--mode", mode)
    time.sleep(8)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert not tool.leftovers()


def test_a_sibling_watches_and_is_removed(tool: Tool) -> None:
    ran = tool(*WEB, "--for", "6s", "--mode", "sibling", "-o", "json")
    assert ran.code == 0, ran.story()
    assert sum(each["asked"] for each in ran.report["watch"]["series"]), ran.story()
    assert not any("ephemeral" in each["what"] for each in ran.report["made"]), ran.story()
    assert not tool.leftovers()


def test_a_pod_that_is_deleted_while_it_is_watched(cluster: Cluster, tool: Tool) -> None:
    with victim(cluster):

        def remove() -> None:
            cluster.kubectl.delete("pod", "victim", "-n", "shop", "--grace-period=0", "--force")

        with meanwhile(remove, 4) as told:
            args = ("watch", "pod/victim", "-n", "shop", "--for", "30s", "-o", "json")
            ran = tool(*args, told=told)
    assert ran.code == 3, ran.story()
    assert "deleted while it was watched" in ran.out, ran.story()
    assert sum(each["asked"] for each in ran.report["watch"]["series"]), ran.story()
    assert not tool.leftovers()


@pytest.mark.parametrize("length", ["0s", "16m", "soon", ""])
def test_a_length_that_is_none(tool: Tool, length: str) -> None:
    ran = tool(*WEB, "--for", length)
    assert ran.code == 2
    assert "--for" in ran.err
    assert "15m" in ran.err


def test_a_race_that_comes_and_goes(cluster: Cluster, tool: Tool) -> None:
    """dig, which sends one question at a time, never loses one; getent waits now and then."""
    one_each = (
        "FORWARD -p udp --dport 53 -m conntrack --ctstate NEW -m hashlimit "
        "--hashlimit-name dnsdebug-watch --hashlimit-mode srcip,srcport,dstip "
        "--hashlimit-above 1/min --hashlimit-burst 1 -j DROP"
    )

    def race() -> None:
        with iptables(cluster, ("w1", one_each)):
            time.sleep(15)

    with meanwhile(race, 2) as told:
        ran = tool(*WEB, "--for", "30s", "-o", "json", told=told)
    assert (ran.code, ran.first) == (0, "conntrack-race"), ran.story()
    steps = [bar["step"] for bar in ran.report["watch"]["histogram"] if bar["lookups"]]
    assert any("second time" in step for step in steps), ran.story()


def test_a_user_who_may_not_follow_the_cluster(cluster: Cluster, tool: Tool) -> None:
    """What changes is not seen, and that is said; what is asked is seen all the same."""
    name = {"name": "watch-test"}
    rules = [
        {"apiGroups": [""], "resources": ["*"], "verbs": ["get", "list", "create", "delete"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["watch"]},
        {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["patch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["*"], "verbs": ["list"]},
    ]
    api = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": name}
    cluster.kubectl.apply({**api, "kind": "ClusterRole", "rules": rules})
    cluster.kubectl.apply(
        {
            **api,
            "kind": "ClusterRoleBinding",
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                **name,
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "watcher"}
            ],
        }
    )
    try:
        ran = tool(*WEB, "--for", "6s", "--as", "watcher", "-o", "json")
    finally:
        cluster.kubectl.delete("clusterrolebinding", "watch-test")
        cluster.kubectl.delete("clusterrole", "watch-test")
    assert ran.code == 0, ran.story()
    gaps = ran.report["watch"]["gaps"]
    assert any("not allowed to watch endpointslices in kube-system" in gap for gap in gaps), gaps
    assert any("not allowed to watch events in shop" in gap for gap in gaps), gaps
    assert sum(each["asked"] for each in ran.report["watch"]["series"]), ran.story()
