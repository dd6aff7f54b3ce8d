"""A client that keeps one source port through a restart of DNS, and never gets over it.

Old kube-proxies leave the NAT entry of such a flow behind; new ones remove it within seconds. Here
the one of the node is stuck, and its rules are brought up to date by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster import dns_change
from tests.cluster.change import VICTIM, paused, victim
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import KUBERNETES, Fault, bites
from tests.cluster.shell import ClusterError, wait_for

PORT = 40054
NODE = "w1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program in a pod that asks by turns from its own port and from a fresh one."""

    cluster: Cluster
    port: int
    address: str
    gone: str  # the DNS pod that its entry leads to

    def log(self) -> list[str]:
        """What it says itself, a line each round, such as `own lost, fresh answered`."""
        return self.cluster.kubectl("logs", VICTIM, "-n", "shop").splitlines()

    def says(self, words: str, rounds: int = 3) -> bool:
        """Whether it said this each time of late."""
        lines = self.log()
        return len(lines) >= rounds and set(lines[-rounds:]) == {words}

    def heal(self) -> None:
        """What the tool tells people to do: remove the entries of that flow."""
        self.cluster.node(NODE).run(*_entries(self.cluster, "-D"), check=False)


def _entries(cluster: Cluster, what: str) -> tuple[str, ...]:
    address = cluster.setup.address
    return ("conntrack", what, "-p", "udp", "--orig-dst", address, "--sport", str(PORT))


@contextmanager
def kept_port(cluster: Cluster) -> Iterator[Client]:
    node, server = cluster.node(NODE), cluster.setup.address
    ask = f"dig +tries=1 +time=1 @{server} {KUBERNETES} >/dev/null && echo answered || echo lost"
    loop = (
        "while :; do own=$(" + ask.replace("dig", f"dig -b 0.0.0.0#{PORT}") + "); "
        f'echo "own $own, fresh $({ask})"; sleep 0.3; done'
    )
    saved = node.folder / "nat.rules"
    with victim(cluster, command=("sh", "-c", loop)):
        address = cluster.kubectl.pods("shop", VICTIM)["status"]["podIP"]
        client = Client(cluster=cluster, port=PORT, address=address, gone="")
        wait_for(
            "the client is answered",
            lambda: client.says("own answered, fresh answered"),
            timeout=20,
        )
        with paused(cluster, cluster.agents(NODE).kube_proxy):
            try:
                before = _addresses(cluster)
                gone = next(
                    ip for ip in before if f"src={ip} " in node.run(*_entries(cluster, "-L"))
                )
                dns_change.restart_dns(cluster)
                rules = node.run("iptables-save", "-t", "nat")
                for old, new in zip(before, _addresses(cluster), strict=True):
                    if old in _addresses(cluster):
                        raise ClusterError(f"a new DNS pod has the address of an old one: {old}")
                    rules = rules.replace(f"{old}:", f"{new}:").replace(f"{old}/", f"{new}/")
                saved.write_text(rules)
                node.shell(f"iptables-restore -w -T nat < {saved}")
                stuck = "own lost, fresh answered"
                wait_for(
                    "does not bite: the kept port is lost", lambda: client.says(stuck), timeout=30
                )
                flow = node.run(*_entries(cluster, "-L"))
                bites(f"src={gone} " in flow, f"the entry leads to a DNS pod of now: {flow}")
                yield Client(cluster=cluster, port=PORT, address=address, gone=gone)
            finally:
                client.heal()


def _addresses(cluster: Cluster) -> list[str]:
    return [pod["status"]["podIP"] for pod in dns_change.dns_pods(cluster)]


@contextmanager
def _fault(cluster: Cluster) -> Iterator[None]:
    with kept_port(cluster):
        yield


FAULTS = (
    Fault(
        name="conntrack-stale-restart",
        slug="conntrack-stale-udp",
        title="A client that keeps its source port through a restart of the DNS pods",
        apply=_fault,
        target="pod/victim",
        args=("--deep",),
    ),
)
