"""`python -m benchmarks.startup`: how long the program takes to say what needs no cluster, and how
large it is. As installed here and, when it was built, as the frozen program."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.timing import RUNS, megabytes, milliseconds, show, timed

DIST = Path(__file__).parent.parent / "dist"
PROGRAM = "kubectl-dnsdebug"
# kubectl calls the program under this name for what could be typed next.
COMPLETER = "kubectl_complete-dnsdebug"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # No cluster to ask: only the start counts.
        env = {**os.environ, "KUBECONFIG": f"{folder}/none", "HOME": folder}
        measure("installed", Path(sysconfig.get_path("scripts"), PROGRAM), Path(folder, "i"), env)
        frozen = DIST / PROGRAM / PROGRAM
        if not frozen.exists():
            print("no frozen program: make frozen")
            return
        measure("frozen", frozen, Path(folder, "f"), env)
    files = [path for path in frozen.parent.rglob("*") if path.is_file()]
    show("frozen: unpacked", megabytes(sum(path.stat().st_size for path in files)))
    for archive in sorted([*DIST.glob(f"{PROGRAM}-*.tar.gz"), *DIST.glob(f"{PROGRAM}-*.zip")]):
        show(f"frozen: {archive.name}", megabytes(archive.stat().st_size))


def measure(which: str, program: Path, links: Path, env: Mapping[str, str]) -> None:
    """The words that are answered without a cluster."""
    links.mkdir()
    completer = links / COMPLETER
    completer.symlink_to(program)
    for what, argv in {
        "--help": [program, "--help"],
        "--version": [program, "--version"],
        "explain": [program, "explain"],
        "explain RULE": [program, "explain", "coredns-loop"],
        "rbac": [program, "rbac"],
        "completion of a rule": [completer, "explain", "core"],
        "completion of a pod, no cluster": [completer, "we"],
    }.items():
        call = partial(subprocess.run, argv, env=env, stdout=subprocess.DEVNULL, check=True)
        call()  # what is read for the first time is not what is measured
        times = [timed(call) for _ in range(RUNS)]
        show(f"start-up, {which}: {what}", *map(milliseconds, times))


if __name__ == "__main__":
    main()
