"""Break a real cluster, let the tool find the cause through kubectl, heal."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.faults import Fault
from tests.cluster.shell import ClusterError

# The incident that took its finders longest: every server answers, and half the lookups are lost.
DEFAULT = "bridge-nf-off"


def say(line: str) -> None:
    print(f"\n### {line}", file=sys.stderr, flush=True)


def demo(cluster: Cluster, fault: Fault) -> bool:
    """Whether the first cause that the tool named is the fault.

    A cluster that runs is used and left running; otherwise one is started, and ended whatever
    happens.
    """
    ours = not cluster.running
    try:
        if ours:
            say("a real Kubernetes of three nodes, in network namespaces of this machine")
            cluster.up()
        say(f"break it: {fault.title}")
        with fault.applied(cluster):
            found = first_cause(cluster, fault)
            say("heal it")
    finally:
        if ours:
            cluster.down()
    if found == fault.slug:
        say(f"right: {fault.slug or 'healthy'}")
    else:
        say(f"WRONG: named {found or 'no cause'}, and it was {fault.slug or 'no fault'}")
    return found == fault.slug


def first_cause(cluster: Cluster, fault: Fault) -> str | None:
    """Run the tool as its user would, and read the cause that it put first."""
    env = cluster.user_environment
    with tempfile.TemporaryDirectory() as folder:
        evidence = Path(folder) / "evidence.json"
        words = ("kubectl", *fault.question)
        say(f"$ {shlex.join(words)}")
        subprocess.run([*words, "--save", evidence], env=env, check=False, timeout=120)
        if not evidence.exists():
            raise ClusterError("the tool failed")
        again = ("kubectl", "dnsdebug", "replay", evidence, "-o", "json")
        said = subprocess.run(again, env=env, check=False, capture_output=True, timeout=60).stdout
    causes = json.loads(said)["causes"]
    return causes[0]["rule"] if causes else None
