"""Have pods of real nodes say what those of simulated nodes will."""

from __future__ import annotations

import sysconfig
import tempfile
from pathlib import Path

from kubectl_dnsdebug import evidence
from tests.cluster.cluster import Cluster
from tests.cluster.faults import FAULTS
from tests.cluster.layout import WORKERS
from tests.cluster.shell import ClusterError, run
from tests.cluster.simulated.answers import Answers, answers, of_node

FAULT = "kube-proxy-rules-missing"
HOME = ("-n", "shop")
PROGRAM = Path(sysconfig.get_path("scripts"), "kubectl-dnsdebug")


def heard(cluster: Cluster) -> Answers:
    """What the tool gets from the two workers while one of them is broken.

    Raises ClusterError when they told the same.
    """
    with tempfile.TemporaryDirectory() as folder, FAULTS[FAULT].applied(cluster):
        saved = Path(folder) / "evidence.json"
        nodes = [f"node/{name}" for name in WORKERS]
        env = cluster.user_environment
        run(PROGRAM, *nodes, *HOME, "--save", saved, env=env, check=False)
        found = evidence.load(saved.read_text())
    # Only what is ill is asked a second time, from the host's network.
    healthy, ill = sorted((of_node(found, name) for name in WORKERS), key=len)
    if len(healthy) == len(ill):
        raise ClusterError(f"{FAULT} made no difference between the workers")
    return answers(healthy, ill)
