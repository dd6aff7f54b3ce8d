"""The list of what a run has made, so that all of it is removed and every fate is told."""

from __future__ import annotations

import threading

from kubectl_dnsdebug.model import Made, Role
from kubectl_dnsdebug.plan.spots import Spot


class Ledger:
    """What this run has made or is about to make.

    Written before the request goes out, so that nothing is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str], str] = {}  # (namespace, pod, container) -> fate

    def note(self, spot: Spot) -> None:
        with self._lock:
            self._made[_key(spot)] = ""

    def forget(self, spot: Spot) -> None:
        with self._lock:
            self._made.pop(_key(spot), None)

    def settle(self, namespace: str, pod: str, fate: str) -> None:
        with self._lock:
            self._made[namespace, pod, ""] = fate

    def holds(self, namespace: str, pod: str) -> bool:
        """Whether that pod is still to be removed."""
        with self._lock:
            return self._made.get((namespace, pod, "")) == ""

    def pods(self) -> list[tuple[str, str]]:
        """Namespace and name of the pods that are still to be removed."""
        with self._lock:
            return [
                (ns, pod)
                for (ns, pod, container), fate in self._made.items()
                if not container and not fate
            ]

    def by_hand(self) -> list[str]:
        """The commands that remove what is still to be removed. Takes no lock: a signal's handler,
        which asks for it, may have stopped the thread that holds it."""
        left: dict[str, list[str]] = {}
        for (namespace, pod, container), fate in [*self._made.items()]:
            if not container and not fate:
                left.setdefault(namespace, []).append(pod)
        return [f"kubectl delete pod -n {where} {' '.join(pods)}" for where, pods in left.items()]

    def entries(self) -> tuple[Made, ...]:
        with self._lock:
            return tuple(
                Made(
                    what=f"ephemeral container {container} in pod/{ns}/{pod}"
                    if container
                    else f"pod/{ns}/{pod}",
                    fate=fate,
                )
                for (ns, pod, container), fate in sorted(self._made.items())
            )


def _key(spot: Spot) -> tuple[str, str, str]:
    return spot.namespace, spot.host, spot.container if spot.role is Role.TARGET else ""
