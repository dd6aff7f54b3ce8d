"""A cluster: its parts, its start and its end."""

from __future__ import annotations

import json
import os
import shutil
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.cluster import apps, build, cgroups, dns_setup, images, needs, network, pki
from tests.cluster.control_plane import ControlPlane
from tests.cluster.daemons import Daemons, kill_all, lives
from tests.cluster.dns_setup import DnsSetup
from tests.cluster.kubectl import Kubectl
from tests.cluster.layout import CONTROL_PLANE, NODES, WORKERS, Layout
from tests.cluster.network import Node
from tests.cluster.node_agents import NodeAgents
from tests.cluster.probe import Reply, Vantage, in_pod, on_node
from tests.cluster.shell import ClusterError, run, wait_for
from tests.cluster.upstream import Upstream

LONGEST_SOCKET = 107  # bytes of a Unix socket's name


def in_parallel(tasks: Iterable[Callable[[], object]]) -> None:
    """Run these at the same time; the first error is raised once all have ended."""
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result()


def _is_ok(ask: Callable[[], Reply]) -> bool:
    return ask().ok


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that this layout describes, running or not."""

    layout: Layout = field(default_factory=Layout.from_environment)

    # -- parts ---------------------------------------------------------------------------------

    @property
    def daemons(self) -> Daemons:
        return Daemons(self.layout)

    @property
    def upstream(self) -> Upstream:
        return Upstream(self.layout)

    @property
    def kube(self) -> Path:
        """Folder of the Kubernetes programs; a running cluster keeps those it started with."""
        return self.layout.state / "bin"

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(program=self.kube / "kubectl", kubeconfig=self.layout.kubeconfig)

    def node(self, name: str) -> Node:
        return Node(self.layout, name)

    def agents(self, node: str) -> NodeAgents:
        return NodeAgents(node=self.node(node), daemons=self.daemons, kube=self.kube)

    @property
    def control_plane(self) -> ControlPlane:
        return ControlPlane(node=self.node(CONTROL_PLANE), daemons=self.daemons, kube=self.kube)

    def pod(self, name: str, namespace: str = apps.NAMESPACE) -> Vantage:
        """Where a pod stands, to ask DNS from: in its first container."""
        return in_pod(partial(self.pod_pid, name, namespace), name)

    def pod_pid(self, name: str, namespace: str, *, timeout: float = 15) -> int:
        """A process of the first container of a pod, as this machine numbers it."""
        found: list[int] = []

        def runs() -> bool:
            pod = self.kubectl.pods(namespace, name)
            group = self.layout.namespace(pod["spec"]["nodeName"])
            for status in pod["status"].get("containerStatuses", [])[:1]:
                if id := status.get("containerID", "").rpartition("/")[2]:
                    found[:] = cgroups.members(group, containing=id)
            return bool(found)

        wait_for(f"pod {namespace}/{name} runs", runs, timeout=timeout)
        return found[0]

    def host(self, node: str) -> Vantage:
        """Where a node itself stands."""
        return on_node(self.node(node))

    @property
    def _setup_file(self) -> Path:
        return self.layout.state / "dns.json"

    @property
    def setup(self) -> DnsSetup:
        """How the running cluster's DNS is meant to be."""
        return DnsSetup(**json.loads(self._setup_file.read_text()))

    @property
    def _owner_file(self) -> Path:
        return self.layout.state / "owner"

    def remember(self, setup: DnsSetup) -> None:
        self._setup_file.write_text(json.dumps(asdict(setup)))

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl and the tool need to meet this cluster; PATH ends in our kubectl."""
        return {
            "KUBECONFIG": str(self.layout.kubeconfig),
            "KUBECTL_DNSDEBUG_IMAGE": images.DNSUTILS,
            "PATH": f"{os.environ.get('PATH', os.defpath)}:{self.kube}",
        }

    @property
    def user_environment(self) -> dict[str, str]:
        """The whole environment of a user's process, nothing of this shell's own clusters in it.

        kubectl is the one that was built with the cluster, and finds the tool as a plugin beside
        the running Python.
        """
        inherited = {name: value for name, value in os.environ.items() if name[:4] != "KUBE"}
        path = (sysconfig.get_path("scripts"), str(self.kube), os.environ["PATH"])
        return {**inherited, **self.environment, "PATH": os.pathsep.join(path)}

    @property
    def running(self) -> bool:
        """Whether `up` came to its end and nothing of it has died since."""
        return (self.layout.state / "ready").exists() and not self.daemons.ended()

    # -- up ------------------------------------------------------------------------------------

    def up(
        self,
        setup: DnsSetup | None = None,
        *,
        owner: str = "",
        says: Callable[[str], None] = print,
    ) -> None:
        """Start from nothing and return when every pod is ready and DNS answers.

        `owner` is the one process that it is for, as `daemons.identity` names it.
        Raises ClusterError when the machine lacks something or a part does not come up; what
        did start is left for a look at its log, and goes with `down`.
        """
        setup = setup or DnsSetup()
        needs.check()
        kube, store = build.kube(), images.store()
        began = time.monotonic()
        with build.locked(self.layout.home / f"cluster{self.layout.index}.lock"):
            self._down()
            try:
                self._up(setup, kube, store, owner)
            except ClusterError as wrong:
                raise ClusterError("\n".join((str(wrong), *self._ended()))) from None
        says(f"cluster {self.layout.index} is up after {time.monotonic() - began:.1f} s")

    def _up(self, setup: DnsSetup, kube: Path, store: Path, owner: str) -> None:
        deepest = self.layout.node_dir("w1") / "kubelet/device-plugins/kubelet.sock"
        if len(os.fsencode(deepest)) > LONGEST_SOCKET:
            raise ClusterError(f"{self.layout.home} is too long a path for the kubelets' sockets")
        self.layout.state.mkdir(parents=True)
        self._owner_file.write_text(owner)
        self.kube.symlink_to(kube)
        self.remember(setup)
        network.up(self.layout)
        in_parallel(
            [
                lambda: pki.create(self.layout, setup.first_service_ip),
                *(self.node(name).boot for name in NODES),
            ]
        )
        control_plane = self.control_plane
        control_plane.start_etcd()
        control_plane.start_api_server(setup)
        self.upstream.start(self.daemons)
        runtimes = [partial(self._start_runtime, name, store) for name in NODES]
        in_parallel([control_plane.wait_api_server, *runtimes])
        control_plane.start_controllers()
        for name in NODES:
            self.agents(name).start_kubelet(setup)
            self.agents(name).start_kube_proxy()
        self.kubectl.apply(dns_setup.objects(setup))
        self.kubectl.apply(apps.namespace(apps.NAMESPACE))
        account = ("serviceaccount/default", "-n", apps.NAMESPACE)
        self.kubectl.wait("create", *account)
        self.kubectl.apply(apps.baseline())
        self.wait_ready()
        (self.layout.state / "ready").touch()

    def _ended(self) -> Iterator[str]:
        """Of each daemon that does not run any more the end of its log."""
        for name in self.daemons.ended():
            log = self.layout.log(name).read_text(errors="replace").splitlines()
            yield "\n".join((f"{name} has ended; its log ends with", *log[-5:]))

    def _start_runtime(self, node: str, store: Path) -> None:
        agents = self.agents(node)
        agents.create_cgroup()
        agents.start_containerd(store)
        agents.wait_containerd()

    def restart_kubelets(self, nodes: Iterable[str], setup: DnsSetup, **overrides: Any) -> None:
        """Give these another configuration, and wait until they call their nodes ready: the first
        that a new kubelet says may be that it is not."""
        last = {node: self._heard(node)["lastHeartbeatTime"] for node in nodes}
        in_parallel(
            [partial(self.agents(node).restart_kubelet, setup, **overrides) for node in last]
        )

        def is_back(node: str) -> bool:
            heard = self._heard(node)
            return bool(heard["status"] == "True" and heard["lastHeartbeatTime"] != last[node])

        for node in last:
            wait_for(f"{node} is ready again", partial(is_back, node), timeout=60, interval=0.3)

    def _heard(self, node: str) -> dict[str, Any]:
        """What the kubelet last said of being ready."""
        conditions: list[dict[str, Any]] = self.kubectl.get("node", node)["status"]["conditions"]
        return next(each for each in conditions if each["type"] == "Ready")

    def wait_ready(self, timeout: float = 180) -> None:
        """Wait for every node, the DNS pods, the shop and an answer from DNS."""
        setup, kubectl = self.setup, self.kubectl

        def registered() -> bool:
            if ended := self.daemons.ended():
                raise ClusterError(f"{', '.join(ended)} ended while the nodes register")
            return kubectl("get", "nodes", "-o", "name").count("node/") == len(NODES)

        wait_for("every node registers", registered, timeout=timeout)
        kubectl.wait("condition=Ready", "node", "--all", timeout=timeout)
        shop = ("-n", apps.NAMESPACE)
        for wanted in ((setup.namespace, "coredns"), (apps.NAMESPACE, "front")):
            namespace, name = wanted
            kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, timeout=timeout)
        kubectl.wait("condition=Ready", "pod", *apps.BASELINE_PODS, *shop, timeout=timeout)
        self.upstream.wait()
        self.wait_dns(timeout=timeout)

    def wait_dns(self, timeout: float = 120) -> None:
        """Wait until DNS answers on both workers, from the node, by UDP and TCP."""
        setup = self.setup
        name = f"kubernetes.default.svc.{setup.domain}."
        for node in WORKERS:
            for tcp in (False, True):
                ask = partial(self.host(node).dig, name, server=setup.address, tcp=tcp, seconds=1)
                wait_for(f"cluster DNS answers on {node}", partial(_is_ok, ask), timeout=timeout)

    # -- down ----------------------------------------------------------------------------------

    def down(self) -> None:
        """Leave nothing of the cluster behind, whatever state it is in."""
        with build.locked(self.layout.home / f"cluster{self.layout.index}.lock"):
            self._down()

    def down_for(self, owner: str) -> None:
        """Leave nothing of it behind, if it is still the cluster of this owner."""
        with build.locked(self.layout.home / f"cluster{self.layout.index}.lock"):
            if self._owner_file.exists() and self._owner_file.read_text() == owner:
                self._down()

    def _down(self) -> None:
        daemons = self.daemons
        wait_for("every process ends", lambda: not self._kill(daemons), timeout=60)
        cgroups.remove(self.layout.prefix)
        network.down(self.layout)
        # The nodes' mounts went with their mount namespaces. This is for a killed `up`.
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(f"{self.layout.state}/"):
                run("umount", "-l", mount, check=False)
        shutil.rmtree(self.layout.state, ignore_errors=True)
        if self.layout.state.exists():
            raise ClusterError(f"{self.layout.state} cannot be removed")
        left = cgroups.groups(self.layout.prefix) + network.namespaces(self.layout)
        if left:
            raise ClusterError(f"left behind: {', '.join(str(item) for item in left)}")

    def _kill(self, daemons: Daemons) -> list[int]:
        """Kill what runs in the cluster's namespaces or was started by us; return their ids."""
        pids = {pid for name in network.namespaces(self.layout) for pid in network.pids(name)}
        pids |= {pid for name in daemons.names() if (pid := daemons.pid(name)) is not None}
        pids |= set(self._strays())
        living = [pid for pid in pids if lives(pid)]
        kill_all(living)
        return living

    def _strays(self) -> list[int]:
        """What no namespace and no file of ours leads to: containerd's shims, kubectl.

        Shims outlive containerd; their command line names its socket in our folder.
        """
        state = f"{self.layout.state}/"
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                shim = Path(words[0]).name.startswith("containerd-shim")
                names_us = any(word.startswith(state) for word in words[1:])
                if (shim and names_us) or words[0].startswith(state):
                    found.append(int(process.name))
        return found
