"""Put probing containers in place, wait for them, and read what they printed.

One thread per watch, one per log. A container that will not start ends its wait as soon as the API
shows why.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from kubectl_dnsdebug import frames
from kubectl_dnsdebug.cluster import ClusterError, Reply, Session
from kubectl_dnsdebug.hygiene import clean, one_line
from kubectl_dnsdebug.manifests import RUN, Manifest
from kubectl_dnsdebug.model import Json, Made, Role, Transcript, Vantage
from kubectl_dnsdebug.objects import at
from kubectl_dnsdebug.probes import ELSE
from kubectl_dnsdebug.spots import RUNNER_LIMIT, Spot

STUCK = {
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
}
STUCK_EVENTS = {"FailedCreatePodSandBox", "FailedMount", "FailedCreatePodContainer", "Failed"}
PATIENCE = 4.0  # seconds without a start until the events are asked
Progress = Callable[[str], None]


class Ledger:
    """What this run has made or is about to make.

    Written before the request goes out, so that nothing is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str, str], str] = {}  # (namespace, pod, container) -> fate

    def note(self, spot: Spot, fate: str = "") -> None:
        container = spot.container if spot.role is Role.TARGET else ""
        with self._lock:
            self._made[spot.namespace, spot.host, container] = fate

    def forget(self, spot: Spot) -> None:
        container = spot.container if spot.role is Role.TARGET else ""
        with self._lock:
            self._made.pop((spot.namespace, spot.host, container), None)

    def settle(self, namespace: str, pod: str, fate: str) -> None:
        with self._lock:
            self._made[namespace, pod, ""] = fate

    def pods(self) -> list[tuple[str, str]]:
        """Namespace and name of the pods that are still to be removed."""
        with self._lock:
            return [
                (ns, pod)
                for (ns, pod, container), fate in self._made.items()
                if not container and not fate
            ]

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


@dataclass
class _Wait:
    """One spot on its way: `done` is set once its log was read or its failure is known."""

    spot: Spot
    done: threading.Event = field(default_factory=threading.Event)
    reading: bool = False
    failure: str = ""
    last_seen: str = "the API server has not reported it yet"
    transcripts: tuple[Transcript, ...] = ()

    def fail(self, why: str) -> None:
        if not self.reading and not self.done.is_set():
            self.failure = one_line(why)
            self.done.set()


class Refused(Exception):
    """The object may not be made, or the API would not have it: an answer, no failure of ours."""


def create(session: Session, spot: Spot, manifest: Manifest, ledger: Ledger) -> None:
    """Make what a spot needs. Raises Refused or ClusterError."""
    ledger.note(spot)
    base = f"/api/v1/namespaces/{spot.namespace}/pods"
    if spot.role is Role.TARGET:
        reply = session.patch(
            f"{base}/{spot.host}/ephemeralcontainers", {"spec": {"ephemeralContainers": [manifest]}}
        )
        names = [c.get("name") for c in at(reply.body, "spec", "ephemeralContainers", default=())]
        if reply.ok and spot.container not in names:
            ledger.forget(spot)
            raise Refused("the API server knows no ephemeral containers")
    else:
        reply = session.post(base, manifest)
    if not reply.ok and reply.reason != "AlreadyExists":
        ledger.forget(spot)
        raise Refused(_refusal(spot, reply))


def _refusal(spot: Spot, reply: Reply) -> str:
    """Why, in words. A 404 that names nothing means a missing subresource, not a missing pod."""
    if spot.role is Role.TARGET and reply.status == 404:
        if not at(reply.body, "details", "name"):
            return "this API server has no ephemeral containers"
        return "the pod is gone"
    return reply.message


def gather(
    session: Session, spots: Iterable[Spot], run: str, deadline: float, progress: Progress
) -> tuple[tuple[Vantage, ...], tuple[Transcript, ...]]:
    """Wait for the spots' containers until `deadline` (monotonic seconds) and read their logs.

    Every spot gives a vantage; one that failed says why and has no transcripts.
    """
    waits = [_Wait(spot) for spot in spots]
    groups: dict[tuple[str, str], dict[str, _Wait]] = {}
    for wait in waits:
        spot = wait.spot
        query = f"metadata.name={spot.host}" if spot.role is Role.TARGET else f"{RUN}={run}"
        groups.setdefault((spot.namespace, query), {})[spot.host] = wait
    with ThreadPoolExecutor(max_workers=max(1, len(groups) + len(waits))) as pool:
        readers: list[Future[None]] = []
        for (namespace, query), group in groups.items():
            pool.submit(_watch, session, namespace, query, group, deadline, pool, readers)
        try:
            _wait(session, waits, deadline, progress)
        finally:
            for wait in waits:
                wait.done.set()  # so that no watch is opened anew
            session.close_streams()
    vantages = tuple(wait.spot.vantage(wait.failure) for wait in waits)
    return vantages, tuple(t for wait in waits for t in wait.transcripts)


def _wait(session: Session, waits: list[_Wait], deadline: float, progress: Progress) -> None:
    said = ""
    look = time.monotonic() + PATIENCE
    while not all(wait.done.is_set() for wait in waits):
        left = deadline - time.monotonic()
        if left <= 0:
            for wait in waits:
                wait.reading = False
                wait.fail(f"it did not finish in time: {wait.last_seen}")
            return
        next(wait for wait in waits if not wait.done.is_set()).done.wait(min(left, 0.5))
        open_ = [wait for wait in waits if not wait.done.is_set()]
        if time.monotonic() > look:
            for wait in open_:
                if not wait.reading:
                    _ask_events(session, wait)
            look = time.monotonic() + PATIENCE
        state = "; ".join(f"{wait.spot.id}: {wait.last_seen}" for wait in open_)
        if state and state != said:
            progress(f"waiting for {state}")
            said = state


def _ask_events(session: Session, wait: _Wait) -> None:
    """A sandbox that cannot be made shows in no status: only the kubelet's events say why."""
    path = f"/api/v1/namespaces/{wait.spot.namespace}/events"
    about = f"involvedObject.name={wait.spot.host},type=Warning"
    try:
        reply = session.request("GET", path, query={"fieldSelector": about}, timeout=3)
    except ClusterError:
        return
    for event in at(reply.body, "items", default=()):
        message = str(event.get("message", ""))
        ours = wait.spot.role is not Role.TARGET or wait.spot.container in message
        if event.get("reason") in STUCK_EVENTS and ours:
            wait.fail(f"{event['reason']}: {message}")


def _watch(
    session: Session,
    namespace: str,
    query: str,
    group: Mapping[str, _Wait],
    deadline: float,
    pool: ThreadPoolExecutor,
    readers: list[Future[None]],
) -> None:
    """Follow the pods of one query until each wait of the group is being read or has failed."""
    selector = {"fieldSelector" if query.startswith("metadata.name=") else "labelSelector": query}
    path = f"/api/v1/namespaces/{namespace}/pods"
    try:
        while time.monotonic() < deadline and not _settled(group):
            left = max(0.1, deadline - time.monotonic())
            with session.watch(path, query=selector, timeout=left) as events:
                for kind, pod in events:
                    if kind == "ERROR":
                        if pod.get("code") in (401, 403):
                            why = f"not allowed to watch pods in {namespace}: {pod.get('message')}"
                            for wait in group.values():
                                wait.fail(why)
                        break
                    found = group.get(at(pod, "metadata", "name", default=""))
                    if found is not None:
                        _look(session, found, kind, pod, deadline, pool, readers)
                    if _settled(group):
                        break
    except ClusterError as wrong:
        for wait in group.values():
            wait.fail(str(wrong))


def _settled(group: Mapping[str, _Wait]) -> bool:
    return all(wait.reading or wait.done.is_set() for wait in group.values())


def _look(
    session: Session,
    wait: _Wait,
    kind: str,
    pod: Json,
    deadline: float,
    pool: ThreadPoolExecutor,
    readers: list[Future[None]],
) -> None:
    """Draw the consequence of one event about the pod that hosts a spot."""
    if wait.reading or wait.done.is_set():
        return
    if kind == "DELETED":
        wait.fail("the pod was deleted while it was probed")
        return
    status = at(pod, "status", default={})
    listing = "ephemeralContainerStatuses" if wait.spot.role is Role.TARGET else "containerStatuses"
    mine: Json = next(
        (c for c in status.get(listing) or () if c.get("name") == wait.spot.container), {}
    )
    state = mine.get("state") or {}
    waiting = state.get("waiting") or {}
    terminated = state.get("terminated")
    if waiting.get("reason") in STUCK:
        wait.fail(f"{waiting['reason']}: {waiting.get('message', '')}")
    elif terminated and terminated.get("reason") in ("ContainerCannotRun", "StartError"):
        wait.fail(f"{terminated['reason']}: {terminated.get('message', '')}")
    elif state.get("running") is not None or terminated:
        wait.reading = True
        follow = terminated is None
        readers.append(pool.submit(_read, session, wait, follow, deadline))
    elif status.get("phase") == "Failed":
        wait.fail(f"{status.get('reason', 'Failed')}: {status.get('message', '')}")
    else:
        wait.last_seen = _waiting_for(waiting, status)


def _waiting_for(waiting: Json, status: Json) -> str:
    if waiting.get("reason"):
        return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return f"{status.get('phase') or 'Pending'}, not started by the kubelet yet"


def _read(session: Session, wait: _Wait, follow: bool, deadline: float) -> None:
    """Read a container's log to the runner's last line."""
    spot = wait.spot
    path = f"/api/v1/namespaces/{spot.namespace}/pods/{spot.host}/log"
    query = {"container": spot.container, "follow": "true" if follow else "false"}
    lines: list[str] = []
    try:
        left = min(deadline - time.monotonic(), RUNNER_LIMIT + 5)
        with session.lines(path, query=query, timeout=max(0.1, left)) as stream:
            for line in stream:
                lines.append(clean(line))
                if frames.finished(lines[-1:]):
                    break
            failure = "" if stream.reply.ok else stream.reply.message
    except ClusterError as wrong:
        failure = str(wrong)
    if wait.done.is_set():
        return
    wait.transcripts = _with_the_missing(spot, frames.read(lines, spot.id), frames.finished(lines))
    if not any(t.exit_code is not None for t in wait.transcripts):
        wait.failure = one_line(failure or "; ".join(lines[:3]) or "its log is empty")
    wait.done.set()


def _with_the_missing(
    spot: Spot, found: tuple[Transcript, ...], whole: bool
) -> tuple[Transcript, ...]:
    """Add a transcript for each planned probe of which nothing came back: a gap is seen as one."""
    came = {t.probe for t in found}
    lost = [
        Transcript(
            id=f"{spot.id}#{id}",
            vantage=spot.id,
            probe=id,
            argv=probe.argv,
            failure="nothing came back" if whole else "the probes were cut short",
        )
        for probe in spot.plan.probes
        if "{" not in " ".join((probe.id, *probe.argv)) and not probe.lane.endswith(f"/{ELSE}")
        for id in probe.ids
        if id not in came
    ]
    return (*found, *lost)
