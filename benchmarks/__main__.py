"""`make bench`: the floor, a healthy and a dead-DNS diagnosis, start-up times, all as processes.

The floor is what a person would do by hand: create one pod that runs one dig, wait for it, read its
log.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS

IMAGE = "dnsdebug.test/dnsutils:1"
TARGET = ("pod/web", "-n", "shop")
DEAD = "coredns-scaled-to-zero"
RUNS = 7


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
    show("floor: one pod, one dig, its log", floors)
    show("healthy pod, whole run", healthy)
    ratios = [tool / by_hand for tool, by_hand in zip(healthy, floors, strict=True)]
    show("  ratio to the floor", ratios, "x")
    counts(env, "healthy pod")
    with FAULTS[DEAD].applied(cluster):
        show("dead DNS, whole run", [timed(lambda: run([*TOOL, *TARGET], env)) for _ in range(3)])
        counts(env, "dead DNS")
    print()
    for words in (["--help"], ["--version"], ["explain"], ["rbac"]):
        binary = [f"{sysconfig.get_path('scripts')}/kubectl-dnsdebug", *words]
        times = [timed(partial(run, binary, env)) for _ in range(RUNS)]
        show(f"start-up: {' '.join(words)}", times)


TOOL = ["kubectl", "dnsdebug"]


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
    print(f"{what + ': requests, queries':44}" + ", ".join(f"{n} {k}" for k, n in found.items()))


def run(argv: list[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3, 4):
        sys.exit(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def show(what: str, values: list[float], unit: str = "s") -> None:
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{what:44}{middle:6.2f} {unit} ({low:.2f}-{high:.2f})", flush=True)


main()
