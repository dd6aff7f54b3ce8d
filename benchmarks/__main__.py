"""`make bench`: the floor, a healthy and a dead-DNS diagnosis, start-up times, all as processes.

The floor is what a person would do by hand: create one pod that runs one dig, wait for it, read its
log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import startup
from benchmarks.timing import RUNS, Amount, show, timed
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS

IMAGE = "dnsdebug.test/dnsutils:1"
HOME = ("-n", "shop")
TARGET = ("pod/web", *HOME)
DEAD = "coredns-scaled-to-zero"


def main() -> None:
    cluster = Cluster()
    keep = cluster.running
    if not keep:
        cluster.up()
    try:
        load = os.getloadavg()[0]
        print(f"{os.cpu_count()} CPUs, load {load:.1f}, {RUNS} runs each, median (min-max)\n")
        measure(cluster)
    finally:
        if not keep:
            cluster.down()


def measure(cluster: Cluster) -> None:
    env = cluster.user_environment
    run([*TOOL, *TARGET], env)  # what is read for the first time is not what is measured
    floors: list[float] = []
    healthy: list[float] = []
    for turn in range(RUNS):  # in turn, so that a slow moment of the machine hits both
        floors.append(floor(env, turn))
        healthy.append(timed(lambda: run([*TOOL, *TARGET], env)))
    show("floor: one pod, one dig, its log", *map(Amount, floors))
    show("healthy pod, whole run", *map(Amount, healthy))
    ratios = [tool / by_hand for tool, by_hand in zip(healthy, floors, strict=True)]
    show("  ratio to the floor", *(Amount(ratio, "x") for ratio in ratios))
    counts(env, "healthy pod")
    of_nodes(env)
    with FAULTS[DEAD].applied(cluster):
        dead = [timed(lambda: run([*TOOL, *TARGET], env)) for _ in range(3)]
        show("dead DNS, whole run", *map(Amount, dead))
        counts(env, "dead DNS")
    print()
    startup.main()


TOOL = ["kubectl", "dnsdebug"]


def of_nodes(env: Mapping[str, str]) -> None:
    """One node and all three of them, in turn: their pods start at the same time."""
    one: list[float] = []
    all_: list[float] = []
    for _ in range(RUNS):
        one.append(timed(lambda: run([*TOOL, "node/w1", *HOME], env)))
        all_.append(timed(lambda: run([*TOOL, "nodes", *HOME], env)))
    show("one healthy node", *map(Amount, one))
    show("three healthy nodes", *map(Amount, all_))
    ratios = [many / few for many, few in zip(all_, one, strict=True)]
    show("  ratio to one", *(Amount(ratio, "x") for ratio in ratios))


def floor(env: Mapping[str, str], turn: int) -> float:
    """Seconds of the by-hand way; the pod is removed outside the measure."""
    name = f"floor-{turn}"
    dig = ["dig", "+tries=1", "kubernetes.default.svc.cluster.local."]
    pod = ["--image", IMAGE, "--restart=Never", "-n", "shop", "--command", "--", *dig]

    def by_hand() -> None:
        run(["kubectl", "run", name, *pod], env)
        done = "--for=jsonpath={.status.phase}=Succeeded"
        run(["kubectl", "wait", done, f"pod/{name}", "-n", "shop", "--timeout=60s"], env)
        run(["kubectl", "logs", name, "-n", "shop"], env)

    took = timed(by_hand)
    run(["kubectl", "delete", "pod", name, "-n", "shop", "--now"], env)
    return took


def counts(env: Mapping[str, str], what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "evidence.json"
        run([*TOOL, *TARGET, "--save", str(saved)], env)
        found = json.loads(saved.read_text())["counts"]
    print(f"{what + ': requests, queries':56}" + ", ".join(f"{n} {k}" for k, n in found.items()))


def run(argv: list[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3, 4):
        sys.exit(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


main()
