"""Put simulated nodes beside the three real ones, and take them away again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubectl_dnsdebug.api import kubeconfig
from kubectl_dnsdebug.api.cluster import ClusterError as SessionError
from kubectl_dnsdebug.api.cluster import Reply, Session, open_session
from tests.cluster import build
from tests.cluster.cluster import Cluster
from tests.cluster.layout import CONTROL_PLANE
from tests.cluster.shell import Argument, ClusterError, wait_for
from tests.cluster.simulated import answers as said
from tests.cluster.simulated import kubelet
from tests.cluster.simulated.answers import Answers
from tests.cluster.simulated.nodes import LABEL, NETWORK, Kind, nodes
from tests.cluster.simulated.stages import configuration

ROOT = Path(__file__).parent.parent.parent.parent
NODES = "/api/v1/nodes"
AT_ONCE = 8
NOT_READY = "node.kubernetes.io/not-ready"
ROUTE = f"{NETWORK}.0.0/16 dev lo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """kwok at work on a cluster that runs."""

    cluster: Cluster
    session: Session

    def add(self, numbers: Iterable[int], *, stuck: bool = False) -> None:
        """Register the nodes of these numbers, and return once the cluster has settled."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for reply in pool.map(self._register, nodes(numbers, stuck=stuck)):
                if not reply.ok:
                    raise ClusterError(f"a simulated node was refused: {reply.message}")
        self.cluster.daemons.require("kwok")
        # Every node starts with this taint, and the node controller takes it from those that are
        # Ready.
        wait_for("the node controller has seen every node", self._settled, timeout=900, interval=1)

    def _register(self, node: dict[str, Any]) -> Reply:
        return self.session.post(NODES, node)

    def _settled(self) -> bool:
        """Page by page up to the first that is not: thousands of nodes are many megabytes."""
        query, more = {"labelSelector": LABEL, "limit": "100"}, "first"
        while more:
            found = self.session.get(NODES, **query).body
            if not all(map(_is_settled, found["items"])):
                return False
            query["continue"] = more = found["metadata"].get("continue", "")
        return True

    def remove(self) -> None:
        """Take all simulated nodes away."""
        wait_for("no simulated node is left", self._removed, timeout=600)

    def _removed(self) -> bool:
        # Thousands may take longer than the server gives one request.
        with suppress(SessionError):
            query = {"labelSelector": LABEL}
            self.session.request("DELETE", NODES, query=query, timeout=120)
            return not self._names()
        return False

    def _names(self) -> list[str]:
        found = self.session.get(NODES, labelSelector=LABEL, limit="1").body
        return [node["metadata"]["name"] for node in found["items"]]


def _is_settled(node: Mapping[str, Any]) -> bool:
    """Ready and free of the taint, or never to be."""
    taints = (taint["key"] for taint in node["spec"].get("taints", ()))
    return f"-{Kind.SILENT}-" in node["metadata"]["name"] or NOT_READY not in taints


@contextmanager
def simulation(cluster: Cluster, answers: Answers) -> Iterator[Simulation]:
    """Have kwok play any node that is added; the cluster is as before afterwards."""
    kwok = build.kwok()
    access = kubeconfig.load(kubeconfig.Flags(kubeconfig=str(cluster.layout.kubeconfig)), {})
    running = Simulation(cluster=cluster, session=open_session(access))
    master = cluster.node(CONTROL_PLANE)
    plane = cluster.control_plane
    # Nobody renews leases here; and what another controller writes into each node is not the point.
    flags = ("--controllers=*,-ttl-controller", "--kube-api-qps=1000", "--kube-api-burst=2000")
    plane.restart_controller_manager(*flags, grace="24h")
    try:
        # Every address of the simulated nodes is the control plane's.
        master.run("ip", "route", "replace", "local", *ROUTE.split())
        _start(cluster, kwok, answers)
        yield running
    finally:
        for name in ("kwok", "simulated-kubelet"):
            cluster.daemons.stop(name)
        master.run("ip", "route", "del", "local", *ROUTE.split(), check=False)
        plane.restart_controller_manager()
        running.remove()


def _start(cluster: Cluster, kwok: Path, answers: Answers) -> None:
    layout, inside = cluster.layout, cluster.node(CONTROL_PLANE).inside()
    folder = layout.state / "simulated"
    folder.mkdir(exist_ok=True)
    (folder / "kwok.yaml").write_text(configuration(answers))
    said.dump(answers, folder / "answers.json")
    plays: list[Argument] = [kwok, f"--kubeconfig={layout.kubeconfig}"]
    plays += [f"--config={folder / 'kwok.yaml'}", f"--manage-nodes-with-label-selector={LABEL}"]
    cluster.daemons.start("kwok", [*inside, *plays])
    pki = layout.state / "pki"
    logs: list[Argument] = [sys.executable, "-m", kubelet.__name__, layout.kubeconfig]
    logs += [pki / "apiserver.crt", pki / "apiserver.key", folder / "answers.json"]
    path = {"PYTHONPATH": str(ROOT)}
    cluster.daemons.start("simulated-kubelet", [*inside, *logs], env=path)
