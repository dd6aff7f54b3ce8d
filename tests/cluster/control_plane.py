"""etcd, the API server, the controllers and the scheduler, on the control-plane node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.cluster import pki
from tests.cluster.daemons import Daemons
from tests.cluster.dns_setup import DnsSetup
from tests.cluster.network import Node
from tests.cluster.shell import Argument, run, wait_for

ETCD = "http://127.0.0.1:2379"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """The programs of the control plane, each started by itself so that a fault can stop one."""

    node: Node
    daemons: Daemons
    kube: Path

    def _start(self, name: str, *flags: str) -> None:
        argv: list[Argument] = [*self.node.inside(), self.kube / name, *flags]
        self.daemons.start(name, argv)

    def start_etcd(self) -> None:
        # No fsync: nothing of this is to survive anything.
        self._start(
            "etcd",
            f"--data-dir={self.node.layout.state / 'etcd'}",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def start_api_server(self, setup: DnsSetup) -> None:
        certificates = self.node.layout.state / "pki"
        self._start(
            "kube-apiserver",
            f"--etcd-servers={ETCD}",
            f"--advertise-address={self.node.layout.node_address(self.node.name)}",
            "--secure-port=6443",
            f"--service-cluster-ip-range={setup.service_cidr}",
            f"--client-ca-file={certificates / 'ca.crt'}",
            f"--tls-cert-file={certificates / 'apiserver.crt'}",
            f"--tls-private-key-file={certificates / 'apiserver.key'}",
            f"--kubelet-client-certificate={certificates / 'kubelet-client.crt'}",
            f"--kubelet-client-key={certificates / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            f"--service-account-key-file={certificates / 'service-accounts.key'}",
            f"--service-account-signing-key-file={certificates / 'service-accounts.key'}",
            f"--service-account-issuer=https://kubernetes.default.svc.{setup.domain}",
            "--profiling=false",
        )

    def wait_api_server(self) -> None:
        admin = self.node.layout.kubeconfig
        pki.write_kubeconfig(self.node.layout, "admin", admin)
        ask = (self.kube / "kubectl", f"--kubeconfig={admin}", "get", "--raw=/readyz")
        wait_for(
            f"the API server is ready (see {self.node.layout.log('kube-apiserver')})",
            lambda: run(*ask, check=False).stdout == "ok",
            timeout=120,
        )

    def start_controllers(self) -> None:
        state = self.node.layout.state
        for client in ("controllers", "scheduler", "proxy"):
            pki.write_kubeconfig(self.node.layout, client, state / f"{client}.conf")
        self.start_controller_manager()
        self._start(
            "kube-scheduler", f"--kubeconfig={state / 'scheduler.conf'}", "--leader-elect=false"
        )

    def start_controller_manager(self, *more: str, grace: str = "20s") -> None:
        """`grace` is the silence of a node after which it counts as lost."""
        state = self.node.layout.state
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={state / 'controllers.conf'}",
            f"--root-ca-file={state / 'pki' / 'ca.crt'}",
            f"--service-account-private-key-file={state / 'pki' / 'service-accounts.key'}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            f"--node-monitor-grace-period={grace}",
            *more,
        )

    def restart_controller_manager(self, *more: str, grace: str = "20s") -> None:
        self.daemons.stop("kube-controller-manager")
        self.start_controller_manager(*more, grace=grace)
