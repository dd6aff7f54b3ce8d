"""containerd, kubelet and kube-proxy of one node: their configuration, start and stop."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import cgroups, images, pki
from tests.cluster.daemons import Daemons
from tests.cluster.dns_setup import DnsSetup
from tests.cluster.layout import CONTROL_PLANE, POD_CIDR
from tests.cluster.network import Node
from tests.cluster.shell import Argument, wait_for

CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"

# No capability to lower OOM scores in a container (CAP_SYS_RESOURCE may be missing): restrict.
# Pod namespaces under the node's own folder, or `down` could not tell whose they are.
CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-run"
[grpc]
  address = "{folder}/containerd.sock"
[ttrpc]
  address = "{folder}/containerd.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni}"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PLUGINS = next((path for path in CNI_FOLDERS if path.is_dir()), CNI_FOLDERS[0])
BRIDGE = "cni0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAgents:
    """The three programs that make a machine a node."""

    node: Node
    daemons: Daemons
    kube: Path

    @property
    def containerd(self) -> str:
        return f"containerd-{self.node.name}"

    @property
    def kubelet(self) -> str:
        return f"kubelet-{self.node.name}"

    @property
    def kube_proxy(self) -> str:
        return f"kube-proxy-{self.node.name}"

    # -- containerd ----------------------------------------------------------------------------

    def start_containerd(self, store: Path) -> None:
        """Start the runtime on its own copy of the image store, and write the CNI's set-up."""
        folder = self.node.folder
        images.clone_store(store, folder / "containerd")
        config = folder / "containerd.toml"
        config.write_text(CONTAINERD.format(folder=folder, pause=images.PAUSE, cni=CNI_PLUGINS))
        (folder / "cni").mkdir()
        (folder / "cni" / "10-bridge.conflist").write_text(json.dumps(self._cni()))
        self.daemons.start(self.containerd, [*self.node.inside(), "containerd", "-c", config])

    def wait_containerd(self) -> None:
        socket = self.node.folder / "containerd.sock"
        wait_for(f"{self.containerd} listens", socket.exists, timeout=60)

    def _cni(self) -> dict[str, Any]:
        ipam = {
            "type": "host-local",
            "dataDir": str(self.node.folder / "ipam"),
            "ranges": [[{"subnet": self.node.layout.pod_cidr(self.node.name)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": BRIDGE,
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": ipam,
        }
        return {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
        }

    # -- kubelet -------------------------------------------------------------------------------

    def start_kubelet(self, setup: DnsSetup, **overrides: Any) -> None:
        """Start the kubelet; `overrides` are fields of its configuration, None removes one."""
        folder = self.node.folder
        config = folder / "kubelet.json"
        fields = {**self._kubelet_config(setup), **overrides}
        config.write_text(
            json.dumps({name: value for name, value in fields.items() if value is not None})
        )
        pki.write_kubeconfig(self.node.layout, f"node-{self.node.name}", folder / "kubelet.conf")
        argv: list[Argument] = [
            *self.node.inside(),
            self.kube / "kubelet",
            f"--config={config}",
            f"--kubeconfig={folder / 'kubelet.conf'}",
            f"--root-dir={folder / 'kubelet'}",
            f"--cert-dir={folder / 'kubelet-pki'}",
            f"--hostname-override={self.node.name}",
            f"--node-ip={self.node.layout.node_address(self.node.name)}",
        ]
        if self.node.name == CONTROL_PLANE:
            argv.append(f"--register-with-taints={CONTROL_PLANE_ROLE}=:NoSchedule")
        self.daemons.start(self.kubelet, argv)

    def _kubelet_config(self, setup: DnsSetup) -> dict[str, Any]:
        layout = self.node.layout
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(layout.state / "pki" / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "healthzBindAddress": layout.node_address(self.node.name),
            "clusterDNS": [setup.address],
            "clusterDomain": setup.domain,
            "resolvConf": "/etc/resolv.conf",
            "containerRuntimeEndpoint": f"unix://{self.node.folder}/containerd.sock",
            "podCIDR": layout.pod_cidr(self.node.name),
            "volumePluginDir": str(self.node.folder / "volume-plugins"),
            # A kubelet removes logs of pods that it does not know: those of its neighbours.
            "podLogsDir": str(self.node.folder / "pod-logs"),
            # A guest on this machine: it owns one control group and judges nothing else.
            "cgroupRoot": f"/{layout.namespace(self.node.name)}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "evictionHard": {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            # Quicker than by default, as tests wait for what follows.
            "nodeStatusUpdateFrequency": "4s",
            "syncFrequency": "5s",
            # Crash loops reach their state within a test.
            "crashLoopBackOff": {"maxContainerRestartPeriod": "10s"},
            "featureGates": {"KubeletCrashLoopBackOffMax": True},
        }

    def wait_kubelet(self) -> None:
        wait_for(f"{self.kubelet} answers", self._kubelet_healthy, timeout=60)

    def _kubelet_healthy(self) -> bool:
        address = self.node.layout.node_address(self.node.name)
        try:
            with urllib.request.urlopen(f"http://{address}:10248/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def restart_kubelet(self, setup: DnsSetup, **overrides: Any) -> None:
        """Give it another configuration: containers run on, only new pods see it."""
        self.daemons.stop(self.kubelet)
        self.start_kubelet(setup, **overrides)
        self.wait_kubelet()

    # -- kube-proxy ----------------------------------------------------------------------------

    def start_kube_proxy(self) -> None:
        folder = self.node.folder
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.node.layout.state / "proxy.conf")},
            "mode": "iptables",
            "clusterCIDR": POD_CIDR,
            "hostnameOverride": self.node.name,
            # Machine-wide settings, not ours to touch.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
            "iptables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        }
        (folder / "kube-proxy.json").write_text(json.dumps(config))
        argv: list[Argument] = [self.kube / "kube-proxy", f"--config={folder / 'kube-proxy.json'}"]
        self.daemons.start(self.kube_proxy, [*self.node.inside(), *argv])

    def create_cgroup(self) -> None:
        cgroups.create(self.node.layout.namespace(self.node.name))
