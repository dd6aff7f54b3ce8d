"""A watch: stand in the pod, listen to what is asked there, follow the cluster, then diagnose.

Nobody can end an ephemeral container: it is told its length, and ends by its own clock. Whoever
stops the watch earlier stops listening.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect import changes, cleanup, permissions, run, standing, vantage
from kubectl_dnsdebug.collect.changes import Follower
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.targets import Target
from kubectl_dnsdebug.collect.vantage import Refused
from kubectl_dnsdebug.hygiene import clean, one_line
from kubectl_dnsdebug.model import (
    Evidence,
    Fact,
    Json,
    Made,
    Request,
    Role,
    State,
    Transcript,
    Vantage,
)
from kubectl_dnsdebug.observe import watched
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import Watch
from kubectl_dnsdebug.plan import frames, manifests, spots, watching
from kubectl_dnsdebug.plan.spots import Spot

TICK = 0.5  # seconds between two looks at what has come
TAIL = 6.0  # seconds after the end in which the last answers may come
GRACE = 60  # seconds until the kubelet kills a sibling that a killed watch left
Tell = Callable[[Watch], None]


@dataclass
class _Heard:
    """What came out of the container so far. `began` is when it began to ask, as near as its first
    answers tell (monotonic seconds)."""

    lines: list[str] = field(default_factory=list)
    began: float = float("inf")
    failure: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def take(self, line: str) -> None:
        self.lines.append(line)
        words = line.split(" ")
        if len(words) == 6 and words[1] == ">" and words[0].startswith(watched.PREFIX):
            put = int(words[3]) / 100 if words[3].isascii() and words[3].isdecimal() else 0.0
            self.began = min(self.began, time.monotonic() - put)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a watch gave: parts of the evidence."""

    transcripts: tuple[Transcript, ...] = ()
    facts: tuple[Fact, ...] = ()
    made: tuple[Made, ...] = ()
    seconds: float = 0.0
    pod_gone: bool = False


def watch(
    session: Session,
    draft: run.Draft,
    target: Target,
    made_by: str,
    ledger: Ledger,
    tell: Tell,
    say: Callable[[str], None],
    stop: threading.Event,
    pull_secrets: tuple[str, ...] = (),
) -> Watched:
    """Watch for as long as the request says, or until `stop` is set. What `ledger` lists is removed
    by the caller, should this be interrupted."""
    request = draft.evidence.request
    seen = Observed(draft.evidence)
    places = [*_places(seen, target, request)]
    say("starting the container that asks")
    spot, failure = _stand(session, draft, places, made_by, ledger, pull_secrets)
    if spot is None:
        return Watched(facts=(_gap(failure),), made=run.fates(ledger, ()))
    heard = _Heard()
    feeds = [*changes.feeds(seen, target.pod)]
    patience = time.monotonic() + request.timeout
    follower = Follower(session, feeds, request.timeout + request.watch + TAIL)
    listener = threading.Thread(target=_listen, args=(session, spot, heard, patience), daemon=True)
    listener.start()
    try:
        _look_on(seen, spot, heard, follower, tell, stop)
    finally:
        heard.over.set()
        follower.stop()
        listener.join(timeout=TAIL)
        cleanup.settle(session, ledger)
    return _result(request, spot, heard, follower, ledger)


def _places(seen: Observed, target: Target, request: Request) -> Iterator[Spot]:
    """The pod itself, then a sibling, as far as either is possible."""
    pod, name = target.pod, f"dnsdebug-{secrets.token_hex(3)}-watch"
    if spots.unfit(seen, pod):
        return
    reason = "asked for by --mode" if request.mode == "sibling" else spots.needs_sibling(pod)
    roles = (Role.SIBLING,) if reason else (Role.TARGET, Role.SIBLING)
    for role in roles:
        yield Spot(
            role=role,
            target=pod,
            node=pod.node,
            host=pod.name if role is Role.TARGET else name,
            container=name if role is Role.TARGET else manifests.CONTAINER,
            plan=watching.plan(seen, role, pod, request.watch),
            reason=reason,
        )


def _stand(
    session: Session,
    draft: run.Draft,
    places: Sequence[Spot],
    made_by: str,
    ledger: Ledger,
    pull_secrets: tuple[str, ...],
) -> tuple[Spot | None, str]:
    """The first place that can be had; without one, why not."""
    facts, request = draft.evidence.facts, draft.evidence.request
    seen = Observed(draft.evidence)
    why = []
    for spot in places:
        wanted = permissions.IN_TARGET if spot.role is Role.TARGET else permissions.IN_POD
        manifest = spots.manifest(
            spot,
            run=draft.run,
            runner=frames.runner(spot.role, watching=True),
            image=request.image,
            namespace=next((f.data for f in facts if f.id == f"namespace/{spot.namespace}"), {}),
            policies=spots.policies_in(seen, spot.namespace),
            deadline=spot.plan.limit + GRACE,
            made_by=made_by,
            pull_secrets=pull_secrets,
        )
        try:
            if lacking := permissions.lacking(facts, spot.namespace, wanted):
                raise Refused(lacking)
            vantage.create(session, spot, manifest, ledger)
        except (Refused, ClusterError) as wrong:
            why.append(str(wrong))
        else:
            return spot, ""
    return None, "; ".join(why) or "no probe of any kind can run for this pod"


def _look_on(
    seen: Observed,
    spot: Spot,
    heard: _Heard,
    follower: Follower,
    tell: Tell,
    stop: threading.Event,
) -> None:
    """Tell what has come, until it is over."""
    length, names = seen.evidence.request.watch, watched.names(seen)
    while not stop.wait(TICK) and not heard.over.is_set():
        elapsed = max(0.0, time.monotonic() - heard.began)
        tell(
            Watch(
                seconds=min(elapsed, length),
                asked_for=length,
                series=watched.series(_transcripts(spot, heard)),
                changes=follower.changes(heard.began),
                gaps=(),
                names=names,
            )
        )
        if elapsed > length + TAIL:
            return


def _result(
    request: Request, spot: Spot, heard: _Heard, follower: Follower, ledger: Ledger
) -> Watched:
    found = _transcripts(spot, heard)
    ended = frames.finished(heard.lines)
    seconds = min(time.monotonic() - heard.began, request.watch) if found else 0.0
    began = heard.began if found else time.monotonic()
    failed = (_gap(heard.failure),) if heard.failure else ()
    if not any(each.samples for each in watched.series(found)) and not failed:
        why = next((t.failure for t in found if t.failure), "the watch ended before it began")
        failed = (_gap(f"nothing was asked: {why}"),)
    return Watched(
        transcripts=found,
        facts=(*follower.facts(began), *failed),
        made=run.fates(ledger, (spot.vantage(),) if ended else (), spot.plan.limit),
        seconds=round(max(0.0, seconds), 1),
        pod_gone=heard.failure == GONE,
    )


def _gap(why: str) -> Fact:
    return Fact(id=f"{watched.CHANGES}place", state=State.UNKNOWN, reason=one_line(why))


def _transcripts(spot: Spot, heard: _Heard) -> tuple[Transcript, ...]:
    """What has come, as records. A series may end anywhere: each line is whole by itself."""
    found = frames.read([*heard.lines], spot.id)
    return tuple(
        replace(each, failure="", exit_code=0) if each.failure == frames.CUT else each
        for each in found
        if each.probe.startswith(watched.PREFIX) and not ("~" in each.probe and each.failure)
    )


# -- listening -------------------------------------------------------------------------------------

GONE = "the pod was deleted while it was watched"


def _listen(session: Session, spot: Spot, heard: _Heard, patience: float) -> None:
    """Read the container's log to its end. One that breaks off is read again from the beginning."""
    path = f"/api/v1/namespaces/{spot.namespace}/pods/{spot.host}"
    try:
        while not heard.over.is_set():
            reply = session.request("GET", path, timeout=10)
            state, why = _state(spot, reply.body if reply.ok else {})
            if reply.status == 404:
                state, why = "failed", GONE
            late = state == "waiting" and time.monotonic() > patience
            if state == "failed" or late:
                heard.failure = f"it did not start in time: {why}" if late else why
                return
            if state == "started" and _read(session, f"{path}/log", spot, heard):
                return
            heard.over.wait(TICK)
    except Exception as wrong:  # not even a bug may leave anybody waiting
        known = isinstance(wrong, ClusterError)
        heard.failure = str(wrong) if known else f"{type(wrong).__name__}: {wrong}"
    finally:
        heard.over.set()


def _read(session: Session, path: str, spot: Spot, heard: _Heard) -> bool:
    """Whether the container came to its end, or the log may not be read."""
    query = {"container": spot.container, "follow": "true"}
    with session.lines(path, query=query, timeout=float(spot.plan.limit)) as stream:
        if stream.reply.status == 403:
            heard.failure = stream.reply.message
            return True
        fresh = True
        for line in stream:
            if fresh:
                heard.lines, fresh = [], False
            heard.take(clean(line))
            if frames.finished(heard.lines[-1:]):
                return True
    return False


def _state(spot: Spot, pod: Json) -> tuple[str, str]:
    """started, waiting or failed; and what it waits for or why it failed."""
    listing = "ephemeralContainerStatuses" if spot.role is Role.TARGET else "containerStatuses"
    mine: Json = next((c for c in _statuses(pod, listing) if c.get("name") == spot.container), {})
    state = mine.get("state") or {}
    waiting = at(state, "waiting", "reason", default="")
    said = f"{waiting} {at(state, 'waiting', 'message', default='')}".strip()
    if waiting in standing.STUCK:
        return "failed", said
    if "running" in state or "terminated" in state:
        return "started", ""
    if at(pod, "status", "phase") == "Failed":
        return "failed", str(at(pod, "status", "message", default="the pod has failed"))
    return "waiting", said or "the kubelet has not started it yet"


def _statuses(pod: Json, listing: str) -> Iterable[Json]:
    found: Iterable[Json] = at(pod, "status", listing, default=())
    return found


# -- the whole -------------------------------------------------------------------------------------


def join(evidence: Evidence, found: Watched) -> Evidence:
    """The evidence of the diagnosis that came after the watch, with what was watched."""
    total = evidence.timing.get("total", 0.0) + found.seconds
    asked = sum(len(each.samples) for each in watched.series(found.transcripts))
    return replace(
        evidence,
        facts=evidence.facts + found.facts,
        transcripts=evidence.transcripts + found.transcripts,
        made=found.made + evidence.made,
        timing={**evidence.timing, "watch": found.seconds, "total": round(total, 3)},
        counts={**evidence.counts, "questions of the watch": asked},
    )


def without_pod(draft: run.Draft, target: Target) -> Evidence:
    """Evidence of a pod that went while it was watched: nothing more can be asked of it."""
    pod = target.pod
    place = Vantage(
        id=f"{Role.TARGET.value}:{pod.namespace}/{pod.name}",
        role=Role.TARGET,
        node=pod.node,
        stands_for=pod.subject,
        failure=GONE,
    )
    return replace(draft.evidence, vantages=(place,))
