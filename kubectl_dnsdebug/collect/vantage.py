"""Put probing containers in place, wait for them, and read what they printed.

One thread per watch, one per log. A container that will not start ends its wait as soon as the API
shows why.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from kubectl_dnsdebug.api.cluster import ClusterError, Reply, Session
from kubectl_dnsdebug.collect import standing
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.hygiene import clean, one_line
from kubectl_dnsdebug.model import Json, Role, Transcript, Vantage
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.plan import frames
from kubectl_dnsdebug.plan.manifests import RUN, Manifest
from kubectl_dnsdebug.plan.probe import ELSE
from kubectl_dnsdebug.plan.spots import Spot

PATIENCE = 4.0  # seconds without a start until the events are asked
SILENCE = 4.0  # seconds after which what is waited for is said again
PAUSE = 0.3  # seconds before a stream that failed is opened anew
LOG_TRIES = 3
Progress = Callable[[str], None]


@dataclass
class Wait:
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


class Busy(Refused):
    """It may be had later: the server has too much to do, or a quota is used up for now."""


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
        if reply.status == 403 and _SIZE.search(reply.message):
            reply = session.post(base, _of_any_size(manifest))
    if not reply.ok and reply.reason != "AlreadyExists":
        if reply.status < 500:  # after a failure of the server it may be there all the same
            ledger.forget(spot)
        busy = (
            reply.status in (409, 429) or reply.status >= 500 or "exceeded quota" in reply.message
        )
        raise (Busy if busy else Refused)(_refusal(spot, reply))


# How a LimitRange refuses what is larger, or smaller, than the namespace allows.
_SIZE = re.compile(r" per (?:Container|Pod) is ")


def _of_any_size(manifest: Manifest) -> Manifest:
    """The pod without requests and limits of its own: the namespace's defaults then hold."""
    spec = manifest["spec"]
    fields = [
        {field: value for field, value in container.items() if field != "resources"}
        for container in spec["containers"]
    ]
    return {**manifest, "spec": {**spec, "containers": fields}}


def _refusal(spot: Spot, reply: Reply) -> str:
    """Why, in words. A 404 that names nothing means a missing subresource, not a missing pod."""
    if spot.role is Role.TARGET and reply.status == 404:
        if not at(reply.body, "details", "name"):
            return "this API server has no ephemeral containers"
        return "the pod is gone"
    if spot.role is Role.HOST and "violates PodSecurity" in reply.message:
        return (
            f"namespace {spot.namespace} refuses privileged pods; name one that admits them with "
            f"--deep-namespace ({reply.message})"
        )
    return reply.message


def gather(
    session: Session, spots: Iterable[Spot], run: str, deadline: float, progress: Progress
) -> tuple[tuple[Vantage, ...], tuple[Transcript, ...]]:
    """Wait for the spots' containers until `deadline` (monotonic seconds) and read their logs.

    Every spot gives a vantage; one that failed says why and has no transcripts.
    """
    waits = [Wait(spot) for spot in spots]
    groups: dict[tuple[str, str], dict[str, Wait]] = {}
    for wait in waits:
        spot = wait.spot
        query = f"metadata.name={spot.host}" if spot.role is Role.TARGET else f"{RUN}={run}"
        groups.setdefault((spot.namespace, query), {})[spot.host] = wait
    with ThreadPoolExecutor(max_workers=max(1, len(groups) + len(waits))) as pool:
        for (namespace, query), group in groups.items():
            pool.submit(_watch, session, namespace, query, group, deadline, pool)
        try:
            _wait(session, waits, deadline, progress)
        finally:
            for wait in waits:
                wait.done.set()  # so that no stream is opened anew
            session.close_streams()
    vantages = tuple(wait.spot.vantage(wait.failure) for wait in waits)
    return vantages, tuple(t for wait in waits for t in wait.transcripts)


def _wait(session: Session, waits: list[Wait], deadline: float, progress: Progress) -> None:
    said, spoken = "", 0.0
    look = time.monotonic() + PATIENCE
    while open_ := [wait for wait in waits if not wait.done.is_set()]:
        left = deadline - time.monotonic()
        if left <= 0:
            for wait in waits:
                wait.fail(f"it did not finish in time: {wait.last_seen}")
            return
        open_[0].done.wait(min(left, 0.5))
        open_ = [wait for wait in waits if not wait.done.is_set()]
        if time.monotonic() > look:
            for wait in open_:
                if not wait.reading and (why := stuck(session, wait.spot)):
                    wait.fail(why)
            look = time.monotonic() + PATIENCE
        state = "; ".join(f"{wait.spot.id}: {wait.last_seen}" for wait in open_)
        if state and (state != said or time.monotonic() > spoken + SILENCE):
            progress(f"waiting for {state}")
            said, spoken = state, time.monotonic()


def stuck(session: Session, spot: Spot) -> str:
    """Why a pod does not start, by the kubelet's events; empty when they do not tell."""
    path = f"/api/v1/namespaces/{spot.namespace}/events"
    about = f"involvedObject.name={spot.host},type=Warning"
    try:
        reply = session.request("GET", path, query={"fieldSelector": about}, timeout=3)
    except ClusterError:
        return ""
    found = (standing.stuck(spot, event) for event in at(reply.body, "items", default=()))
    return next(filter(None, found), "")


def _watch(
    session: Session,
    namespace: str,
    query: str,
    group: Mapping[str, Wait],
    deadline: float,
    pool: ThreadPoolExecutor,
) -> None:
    """Follow the pods of one query until each wait of the group is being read or has failed."""
    selector = {"fieldSelector" if query.startswith("metadata.name=") else "labelSelector": query}
    path = f"/api/v1/namespaces/{namespace}/pods"
    try:
        while time.monotonic() < deadline and not _settled(group):
            left = max(0.1, deadline - time.monotonic())
            with session.watch(path, query=selector, timeout=left) as events:
                # It may all be over since the stream was asked for.
                for kind, pod in events if not _settled(group) else ():
                    if kind == "ERROR":
                        _refused(pod, namespace, group)
                        break
                    found = group.get(at(pod, "metadata", "name", default=""))
                    if found is not None:
                        _look(session, found, kind, pod, deadline, pool)
                    if _settled(group):
                        break
            if not _settled(group):
                time.sleep(PAUSE)
    except Exception as wrong:  # not even a bug may leave anybody waiting
        for wait in group.values():
            wait.fail(_why(wrong))


def _refused(status: Json, namespace: str, group: Mapping[str, Wait]) -> None:
    """A watch that ended with an error is opened anew, unless the answer would stay the same."""
    code = status.get("code") or 0
    if 400 <= code < 500 and code not in (410, 429):
        verb = "not allowed to" if code in (401, 403) else "could not"
        for wait in group.values():
            wait.fail(f"{verb} watch pods in {namespace}: {status.get('message')}")


def _why(wrong: Exception) -> str:
    return str(wrong) if isinstance(wrong, ClusterError) else f"{type(wrong).__name__}: {wrong}"


def _settled(group: Mapping[str, Wait]) -> bool:
    return all(wait.reading or wait.done.is_set() for wait in group.values())


def _look(
    session: Session,
    wait: Wait,
    kind: str,
    pod: Json,
    deadline: float,
    pool: ThreadPoolExecutor,
) -> None:
    """Draw the consequence of one event about the pod that hosts a spot."""
    if wait.reading or wait.done.is_set():
        return
    seen = standing.read(wait.spot, kind, pod)
    if seen.failure:
        wait.fail(seen.failure)
    elif seen.runs or seen.ended:
        wait.reading = True
        pool.submit(read_log, session, wait, seen.runs, deadline)
    else:
        wait.last_seen = seen.last_seen


def read_log(session: Session, wait: Wait, follow: bool, deadline: float) -> None:
    """Make transcripts of a container's log, of what there is by the deadline."""
    spot = wait.spot
    try:
        lines, failure = _log(session, wait, follow, deadline)
        whole = frames.finished(lines)
        wait.transcripts = _with_the_missing(spot, frames.read(lines, spot.id), whole)
        if not any(t.exit_code is not None for t in wait.transcripts):
            late = "it did not finish in time" if wait.done.is_set() else "its log is empty"
            wait.failure = one_line(failure or "; ".join(lines[:3]) or late)
    except Exception as wrong:  # not even a bug may leave anybody waiting
        wait.failure = _why(wrong)
    finally:
        wait.done.set()


def _log(session: Session, wait: Wait, follow: bool, deadline: float) -> tuple[list[str], str]:
    """The lines, and what went wrong. A log that breaks off is read again."""
    spot = wait.spot
    path = f"/api/v1/namespaces/{spot.namespace}/pods/{spot.host}/log"
    query = {"container": spot.container, "follow": "true" if follow else "false"}
    lines: list[str] = []
    failure = ""
    for _ in range(LOG_TRIES):
        try:
            left = max(0.1, deadline - time.monotonic())
            with session.lines(path, query=query, timeout=left) as stream:
                lines = []
                for line in stream if not wait.done.is_set() else ():
                    lines.append(clean(line))
                    if frames.finished(lines[-1:]):
                        break
            failure = "" if stream.reply.ok else stream.reply.message
            if stream.reply.status == 403 or frames.finished(lines):
                break
        except ClusterError as wrong:
            failure = str(wrong)
        if wait.done.wait(PAUSE) or time.monotonic() > deadline:
            break
    return lines, failure


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
        # The runner leaves out what its file has no value for.
        if "{" not in " ".join((probe.id, *(probe.argv if whole else ())))
        and not probe.lane.endswith(f"/{ELSE}")
        for id in probe.ids
        if id not in came
    ]
    return (*found, *lost)
