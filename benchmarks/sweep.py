"""`make bench-sweep`: sweeps of ever more nodes on the test cluster's API server, as a curve.

The nodes are simulated, see tests/cluster/simulated: their pods say what those of a healthy and of
a broken real node said, in a run just before. The largest comes first, the others are parts of it.
`python -m benchmarks.sweep 1000` goes so far only, and prints the numbers without keeping them.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.curve import Curve, Point, picture, save
from kubectl_dnsdebug.plan.manifests import OUR_LABELS
from tests.cluster.cluster import Cluster
from tests.cluster.simulated.nodes import within
from tests.cluster.simulated.recording import HOME, PROGRAM, heard
from tests.cluster.simulated.simulation import simulation

SIZES = (10, 100, 1000, 5000)
README = Path(__file__).with_name("README.md")
MARK = "```text\n"  # begins the picture in the readme
TIMEOUT = 120  # seconds of one sweep, and a second more for each node: the machine is shared


class Spent(NamedTuple):
    """What a process took: seconds, seconds of CPU, MB at its largest."""

    wall: float
    cpu: float
    memory: float


def main(most: int) -> None:
    cluster = Cluster()
    keep = cluster.running
    if not keep:
        cluster.up()
    try:
        curve = Curve(machine=machine(), points=tuple(measure(cluster, most)))
    finally:
        if not keep:
            cluster.down()
    print(picture(curve))
    if most == max(SIZES):
        save(curve)
        README.write_text(with_picture(README.read_text(), picture(curve)))


def machine() -> str:
    return (
        f"{os.cpu_count()} CPUs, shared with the API server, etcd and kwok, load "
        f"{os.getloadavg()[0]:.0f}; Python {platform.python_version()}"
    )


def measure(cluster: Cluster, most: int) -> list[Point]:
    """Of each size up to `most`, the smallest first."""
    points = []
    with tempfile.TemporaryDirectory() as folder, simulation(cluster, heard(cluster)) as simulated:
        simulated.add(range(most))
        for size in sorted({most, *(size for size in SIZES if size < most)}, reverse=True):
            points.append(sweep(cluster, size, Path(folder, f"{size}.json")))
            print(points[-1], file=sys.stderr, flush=True)
    return points[::-1]


def sweep(cluster: Cluster, size: int, saved: Path) -> Point:
    """Sweep so many of the simulated nodes, then replay what was found."""
    words = ["nodes", "-l", within(size), "--yes", *HOME, "--timeout", str(TIMEOUT + size)]
    live = spend([*words, "--save", str(saved)], cluster)
    replay = spend(["replay", str(saved)], cluster)
    left = cluster.kubectl("get", "pods", "-A", "-o", "name", "-l", OUR_LABELS)
    if left:
        sys.exit(f"left behind: {left}")
    told = json.loads(saved.read_text())
    swept = [fact for fact in told["facts"] if fact["id"].startswith("swept/")]
    if len(swept) != size:
        sys.exit(f"{len(swept)} nodes of {size} are in the evidence")
    return Point(
        nodes=size,
        wall=live.wall,
        cpu=live.cpu,
        memory=live.memory,
        requests=told["counts"]["api requests"],
        evidence=round(saved.stat().st_size / 1e6, 3),
        replay_wall=replay.wall,
        replay_memory=replay.memory,
    )


def spend(words: list[str], cluster: Cluster) -> Spent:
    """Run the tool and measure it."""
    env: Mapping[str, str] = cluster.user_environment
    began, peak = time.monotonic(), 0.0
    process = subprocess.Popen([PROGRAM, *words], env=env, stdout=subprocess.DEVNULL)
    while True:
        # Not what `wait4` says: there it counts how large we were when we forked.
        peak = max(peak, largest(process.pid))
        done, status, used = os.wait4(process.pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.05)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3, 4):
        sys.exit(f"{' '.join(words)}: exit {process.returncode}")
    return Spent(round(wall, 2), round(used.ru_utime + used.ru_stime, 2), round(peak, 1))


def largest(pid: int) -> float:
    """MB of memory that the process has had at its largest so far, 0 once it has ended."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def with_picture(text: str, drawn: str) -> str:
    """The readme with this picture in the place of the last one."""
    before, _, rest = text.partition(MARK)
    return f"{before}{MARK}{drawn}{rest[rest.index('```') :]}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else max(SIZES))
