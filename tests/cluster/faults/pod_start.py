"""Faults by which a pod never starts: its node cannot give it a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import apps
from tests.cluster.change import applied
from tests.cluster.cluster import Cluster
from tests.cluster.faults.fault import Fault
from tests.cluster.shell import wait_for


def _has_event(cluster: Cluster, words: str) -> bool:
    chosen = "involvedObject.name=victim,type=Warning"
    events = cluster.kubectl.get("events", "-n", apps.NAMESPACE, "--field-selector", chosen)
    return any(words in event["message"] for event in events["items"])


@contextmanager
def _stuck(cluster: Cluster, words: str) -> Iterator[None]:
    """A pod on w1 that does not start, for the reason that its events tell, in one way or another:
    by the kubelet before it asks the runtime, or by the runtime."""
    cluster.kubectl("delete", "events", "-n", apps.NAMESPACE, "--all")
    victim = apps.pod("victim", node="w1")

    def told() -> bool:
        if cluster.kubectl.pods(apps.NAMESPACE, "victim")["status"].get("phase") == "Running":
            # The runtime had not noticed yet; the kubelet looks at a pod that runs once a minute.
            cluster.kubectl.delete(
                "pod", "victim", "-n", apps.NAMESPACE, "--grace-period=0", "--force"
            )
            cluster.kubectl.apply(victim)
        return _has_event(cluster, words)

    with applied(cluster, victim):
        wait_for(f"does not bite: an event of {words!r}", told, timeout=60, interval=0.5)
        yield


@contextmanager
def cni_down(cluster: Cluster) -> Iterator[None]:
    """The network plugin's configuration is gone, as before its agent has ever run."""
    config = next((cluster.node("w1").folder / "cni").glob("*.conflist"))
    away = config.with_suffix(".away")
    config.rename(away)
    try:
        with _stuck(cluster, "cni plugin not initialized"):
            yield
    finally:
        away.rename(config)
        cluster.kubectl.wait("condition=Ready", "node", "w1", timeout=60)


FAULTS = (
    Fault(
        name="cni-down-on-node",
        slug="cni-down-on-node",
        title="The network plugin of a node is not set up",
        apply=cni_down,
        target="pod/victim",
    ),
)
