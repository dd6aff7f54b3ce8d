"""A cluster of scripted nodes behind the scripted API server: pods that are made there get a fate.

with FakeNodes({"a": fine, "b": dead}) as api: ...
"""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fake_api import Answer, FakeApi, Seen, status

HOME = "tools"
PODS = f"/api/v1/namespaces/{HOME}/pods"


def message(*lines: str) -> str:
    """A termination message as the runner writes it."""
    body = "\n".join(["conf nameserver 10.96.0.10", *lines, f"end {len(lines)}"])
    return f"dnsdebug-summary/1 {hashlib.sha256(body.encode()).hexdigest()[:16]}\n{body}"


WELL = message("a reach.udp.10.96.0.10 n1 n2")
ILL = message("a reach.udp.10.96.0.10 t t")

Fate = Callable[[str], list[Mapping[str, Any]] | Answer]  # role -> statuses, or a refusal


def ended(words: str) -> list[Mapping[str, Any]]:
    return [_state({"running": {}}), _state({"terminated": {"exitCode": 0, "message": words}})]


def _state(state: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "phase": "Running",
        "startTime": "2026-01-01T00:00:00Z",
        "containerStatuses": [{"name": "dnsdebug", "state": state}],
    }


def fine(role: str) -> list[Mapping[str, Any]]:
    return ended(WELL)


def ill(role: str) -> list[Mapping[str, Any]]:
    """The pod network is broken, the node's own is not."""
    return ended(WELL if role.startswith("hostnet") else ILL)


def dead(role: str) -> list[Mapping[str, Any]]:
    """Its kubelet does nothing."""
    return [{"phase": "Pending"}]


def slow(role: str) -> list[Mapping[str, Any]]:
    """It starts, and never ends."""
    return [_state({"running": {}})]


def torn(role: str) -> list[Mapping[str, Any]]:
    return ended(WELL.replace("n1", "n3"))


def mute(role: str) -> list[Mapping[str, Any]]:
    return ended("")


def no_image(role: str) -> list[Mapping[str, Any]]:
    return [_state({"waiting": {"reason": "ErrImagePull", "message": "no such image"}})]


def forbidden(role: str) -> Answer:
    return status(403, "Forbidden", "denied by policy")


def no_host_network(role: str) -> list[Mapping[str, Any]] | Answer:
    if role.startswith("hostnet"):
        return status(403, "Forbidden", 'violates PodSecurity "restricted:latest": host namespaces')
    return ended(ILL)


@dataclass
class FakeNodes(FakeApi):
    """`fates` by node. `quota`: how many pods there may be at once. `cut_watches`: how many watches
    break after so many events."""

    fates: Mapping[str, Fate]
    quota: int = 10_000
    cut_watches: list[Answer | int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.pods: dict[str, dict[str, Any]] = {}
        self.most = 0  # pods there were at once
        self.made: list[str] = []
        self._change = threading.Lock()
        self._watches: list[queue.SimpleQueue[str]] = []

    def __enter__(self) -> FakeNodes:
        super().__enter__()
        return self

    def answer(self, seen: Seen) -> Answer:
        with self._change:
            self.seen.append(seen)
            if seen.path == PODS and seen.method == "POST":
                return self._post(seen.body)
            if seen.path == PODS and "watch" in seen.query:
                return self._watch()
            name = seen.path.removeprefix(f"{PODS}/")
            if seen.method == "DELETE":
                if self.pods.pop(name, None) is None:
                    return status(404, "NotFound")
                return Answer(body={})
            if name in self.pods:
                return Answer(body=self.pods[name])
            if name.endswith("/log"):
                lines = ["= begin dnsdebug-runner/1", "conf $ file x", "conf . 0 0", "= end 1"]
                return Answer(body="".join(f"{line}\n" for line in lines))
            if seen.path.endswith("/events"):
                return Answer(body={"items": []})
            return status(404, "NotFound")

    def _post(self, pod: dict[str, Any]) -> Answer:
        name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
        if name in self.pods:
            return status(409, "AlreadyExists")
        if len(self.pods) >= self.quota:
            return status(403, "Forbidden", "exceeded quota: pods")
        fate = self.fates[node](pod["metadata"]["labels"]["dnsdebug.dev/role"])
        if isinstance(fate, Answer):
            return fate
        self.pods[name] = pod
        self.made.append(name)
        self.most = max(self.most, len(self.pods))
        for each in fate:
            pod["status"] = each
            self._tell("MODIFIED", pod)
        return Answer(status=201, body={})

    def _tell(self, kind: str, pod: dict[str, Any]) -> None:
        for watch in self._watches:
            watch.put(json.dumps({"type": kind, "object": pod}))

    def _watch(self) -> Answer:
        ends: Answer | int = self.cut_watches.pop(0) if self.cut_watches else -1
        if isinstance(ends, Answer):
            return ends
        events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._watches.append(events)
        for pod in self.pods.values():
            events.put(json.dumps({"type": "ADDED", "object": pod}))
        return Answer(lines=self._lines(events, ends), cut=ends >= 0)

    def _lines(self, events: queue.SimpleQueue[str], ends: int) -> Iterator[str]:
        while not self.closing.is_set() and ends != 0:
            try:
                yield events.get(timeout=0.05)
                ends -= 1
            except queue.Empty:
                pass
