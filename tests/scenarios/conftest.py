"""The cluster of the scenarios, and the command as users run it: through kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import confusion
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import renew_shop
from tests.cluster.faults import Fault
from tests.cluster.fixtures import cluster
from tests.cluster.shell import ClusterError

__all__ = ["cluster"]

MANY = 40  # runs on one pod
DNSUTILS = "dnsdebug.test/dnsutils:1"
CASES = Path(__file__).parent.parent / "cases"


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the command as a process."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def first(self) -> str | None:
        """The slug of the first cause; of the first advice where nothing worse was found."""
        named = [*self.report["causes"], *self.report["advice"]]
        return named[0]["rule"] if named else None

    def story(self) -> str:
        """What a failed test shows: of a report in JSON what it says, else all that was printed."""
        lines = [f"exit {self.code} after {self.seconds:.1f} s", self.err]
        if not self.out.startswith("{"):
            return "\n".join((*lines, self.out))
        for cause in (*self.report["causes"], *self.report["advice"]):
            beneath = ", ".join(each["rule"] for each in cause["explains"])
            lines.append(f"{cause['rule']} ({cause['confidence']}): {cause['message']} [{beneath}]")
        lines += [f"unknown {gap['rule']}: {gap['reason']}" for gap in self.report["unknown"]]
        return "\n".join(lines)


class Tool:
    """`kubectl dnsdebug`, found by kubectl on the PATH as any plugin is."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.env = cluster.user_environment

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["kubectl", "dnsdebug", *args],
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *args: str, told: Callable[[str], object] = str, **env: str) -> Ran:
        """`told` hears each line of its progress as it comes."""
        began = time.monotonic()
        lines: list[str] = []
        with self.start(*args, **env) as process, ThreadPoolExecutor(max_workers=1) as pool:
            assert process.stdout
            assert process.stderr
            limit = threading.Timer(120, process.kill)
            limit.start()
            out = pool.submit(process.stdout.read)
            for line in process.stderr:
                lines.append(line)
                told(line)
            process.wait()
            limit.cancel()
        return Ran(process.returncode, out.result(), "".join(lines), time.monotonic() - began)

    def leftovers(self) -> Sequence[str]:
        """Pods of ours that are still there, in any namespace."""
        listed = self.cluster.kubectl(
            "get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=kubectl-dnsdebug", "-o", "name"
        )
        return listed.split()


@pytest.fixture(scope="session")
def tool(cluster: Cluster) -> Tool:
    return Tool(cluster)


Ask = Callable[[Fault], Ran]


@pytest.fixture
def ask(tool: Tool, record_property: Callable[[str, object], None], tmp_path: Path) -> Ask:
    """Ask the tool about a fault that is applied; what it names first is kept for the summary.

    The evidence is kept too, for a `replay` of what went wrong.
    """

    def asked(fault: Fault) -> Ran:
        saved = ("--save", str(kept_as_case(fault) or tmp_path / "evidence.json"))
        ran = tool(fault.target, "-n", fault.namespace, "-o", "json", *fault.args, *saved)
        if ran.code in (0, 3, 4):
            expected = fault.slug or confusion.HEALTHY
            record_property("asked", [fault.name, expected, named(ran, fault)])
        return ran

    return asked


def named(ran: Ran, fault: Fault) -> str:
    """What stands first; advice counts where it is what is expected, and is no alarm elsewhere."""
    if ran.report["causes"] or (fault.slug and ran.code != 3 and ran.first):
        return str(ran.first)
    return confusion.INCONCLUSIVE if ran.code == 3 else confusion.HEALTHY


def broken(cluster: Cluster, fault: Fault) -> ExitStack:
    """The fault applied. A busy machine may spoil its proof once; the tool gets no second try."""
    # Every run leaves its container in the pod's record, and etcd holds no more than about 95.
    if len(cluster.kubectl.pods("shop", "web")["spec"].get("ephemeralContainers", ())) > MANY:
        renew_shop(cluster)
    for last in (False, True):
        stack = ExitStack()
        try:
            stack.enter_context(fault.applied(cluster))
        except ClusterError:
            if last:
                raise
        else:
            break
    return stack


def kept_as_case(fault: Fault) -> Path | None:
    """Where the evidence of this fault is recorded, for the tests of the rules, if it is to be."""
    if not os.environ.get("DNSDEBUG_RECORD"):
        return None
    folder = CASES / (fault.slug or "healthy") / fault.name
    folder.mkdir(parents=True, exist_ok=True)
    verdict = {"found": []} if fault.slug else {"clear": ["*"]}
    expect = folder / "expect.json"
    if not expect.exists():
        expect.write_text(json.dumps(verdict) + "\n")
    return folder / "evidence.json"
