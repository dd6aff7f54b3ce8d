"""Where everything of one test cluster is: names, addresses and files, decided by its number.

Several clusters can run on one machine: `DNSDEBUG_CLUSTER_INDEX` numbers them. What lives inside
a network namespace (pods, Services, ports) is the same in all of them; only what the machine
itself sees (namespaces, links, control groups, the LAN) carries the number.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

CONTROL_PLANE = "cp"
WORKERS = ("w1", "w2")
NODES = (CONTROL_PLANE, *WORKERS)
MAX_INDEX = 99
POD_CIDR = "10.244.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The fixed facts of the cluster with this number."""

    index: int = 0
    home: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / "dnsdebug-cluster")

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_INDEX:
            raise ValueError(f"the cluster index is 0 to {MAX_INDEX}, not {self.index}")

    @classmethod
    def from_environment(cls) -> Layout:
        """Read DNSDEBUG_CLUSTER_HOME and DNSDEBUG_CLUSTER_INDEX."""
        index = int(os.environ.get("DNSDEBUG_CLUSTER_INDEX") or 0)
        home = os.environ.get("DNSDEBUG_CLUSTER_HOME")
        return cls(index=index, home=Path(home).absolute()) if home else cls(index=index)

    @property
    def prefix(self) -> str:
        """Start of every name the machine sees; `dnsd` keeps link names within 15 bytes."""
        return f"dnsd{self.index}-"

    @property
    def state(self) -> Path:
        """Folder of everything the running cluster writes; removed by `down`."""
        return self.home / f"cluster{self.index}"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.conf"

    def node_dir(self, node: str) -> Path:
        return self.state / node

    def log(self, name: str) -> Path:
        return self.state / "log" / f"{name}.log"

    # -- namespaces and links ------------------------------------------------------------------

    @property
    def lan_namespace(self) -> str:
        return f"{self.prefix}lan"

    def namespace(self, node: str) -> str:
        """Name of the node's network namespace, and of its control group."""
        return f"{self.prefix}{node}"

    @property
    def uplink(self) -> str:
        """Link by which the machine itself reaches the API server on the LAN."""
        return f"{self.prefix}up"

    # -- addresses -----------------------------------------------------------------------------

    def lan(self, host: int) -> str:
        return f"192.168.{100 + self.index}.{host}"

    @property
    def gateway(self) -> str:
        return self.lan(1)

    @property
    def upstream(self) -> str:
        """The DNS server that the nodes' own resolv.conf names."""
        return self.lan(53)

    @property
    def upstream_twin(self) -> str:
        """A second address of it, which can be told to answer otherwise."""
        return self.lan(54)

    @property
    def machine(self) -> str:
        """This machine's own address on the LAN."""
        return self.lan(254)

    def node_address(self, node: str) -> str:
        return self.lan(10 + NODES.index(node))

    def pod_cidr(self, node: str) -> str:
        return f"10.244.{NODES.index(node)}.0/24"

    @property
    def api_server(self) -> str:
        return f"https://{self.node_address(CONTROL_PLANE)}:6443"

    @property
    def host_resolv_conf(self) -> str:
        """What a healthy node's own /etc/resolv.conf says."""
        return f"nameserver {self.upstream}\nsearch lan.example\n"


def cache_dir() -> Path:
    """Folder of what is built once and used by every cluster (DNSDEBUG_CACHE)."""
    named = os.environ.get("DNSDEBUG_CACHE")
    return Path(named).absolute() if named else Path("~/.cache/kubectl-dnsdebug-tests").expanduser()
