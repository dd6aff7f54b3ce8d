"""One run, from targets to evidence: survey, plan, stand in place, read, look again, clean up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect import cleanup, permissions, survey, vantage
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.targets import Target
from kubectl_dnsdebug.collect.vantage import Refused
from kubectl_dnsdebug.model import (
    Evidence,
    Fact,
    Made,
    Missing,
    Purpose,
    Request,
    Role,
    State,
    Status,
    Vantage,
)
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import frames, spots, witnesses
from kubectl_dnsdebug.plan.manifests import Manifest
from kubectl_dnsdebug.plan.probe import LIMIT
from kubectl_dnsdebug.plan.spots import Spot

RESERVE = 0.2  # of the time-out, kept for logs and cleaning up
GRACE = 60  # seconds after the time-out when the kubelet kills a pod that a killed run left
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a run would make, ready to be shown or made."""

    run: str
    evidence: Evidence  # of the survey
    spots: tuple[Spot, ...]
    manifests: tuple[Manifest, ...]


def draft(
    session: Session,
    targets: Sequence[Target],
    request: Request,
    made_by: str,
    pull_secrets: tuple[str, ...] = (),
) -> Draft:
    """Read what the API knows and plan the probes. Makes nothing."""
    pods = [target.pod for target in targets]
    facts = survey.survey(session, pods)
    namespaces = sorted({pod.namespace for pod in pods})
    facts += permissions.ask(session, namespaces, request.mode, request.deep)
    evidence = Evidence(
        tool=__version__,
        collected_at=session.now().isoformat(timespec="seconds"),
        context=session.context,
        request=request,
        facts=facts,
    )
    seen, run = Observed(evidence), secrets.token_hex(3)
    places = spots.spots(seen, pods, run, request.mode, request.deep)
    return Draft(
        run=run,
        evidence=evidence,
        spots=places,
        manifests=tuple(_manifest(seen, spot, run, made_by, pull_secrets) for spot in places),
    )


def _manifest(
    seen: Observed, spot: Spot, run: str, made_by: str, pull_secrets: tuple[str, ...]
) -> Manifest:
    request = seen.evidence.request
    namespace = next(
        (f.data for f in seen.evidence.facts if f.id == f"namespace/{spot.namespace}"), {}
    )
    return spots.manifest(
        spot,
        run=run,
        runner=frames.runner(spot.role),
        image=request.image,
        namespace=namespace,
        policies=spots.policies_in(seen, spot.namespace),
        deadline=int(request.timeout) + GRACE,
        made_by=made_by,
        pull_secrets=pull_secrets,
    )


def run(
    session: Session,
    targets: Sequence[Target],
    request: Request,
    made_by: str,
    ledger: Ledger,
    progress: Progress,
    pull_secrets: tuple[str, ...] = (),
) -> Evidence:
    """The whole diagnosis, up to the evidence. What `ledger` lists is removed, come what may."""
    started = time.monotonic()
    deadline = started + request.timeout * (1 - RESERVE)
    progress("reading the cluster")
    plan = draft(session, targets, request, made_by, pull_secrets)
    surveyed = time.monotonic()
    try:
        progress(f"starting {len(plan.spots)} probing containers")
        seen = _round(session, plan, ledger, deadline, progress, made_by, pull_secrets)
        second = witnesses.witnesses(Observed(seen), [t.pod for t in targets], plan.run)
        if second:
            progress("asking once more, from where it tells most")
            seen = once_more(
                session, seen, second, plan.run, ledger, deadline, progress, made_by, pull_secrets
            )
        probed = time.monotonic()
        with ThreadPoolExecutor(max_workers=1) as pool:
            cleaning = pool.submit(cleanup.settle, session, ledger)
            more: tuple[Fact, ...] = ()
            if request.purpose is Purpose.DIAGNOSE:
                more = survey.aftermath(
                    session,
                    seen.facts,
                    [t.pod for t in targets],
                    ill=ill(Observed(seen)),
                    stale=stale(Observed(seen)),
                )
            cleaning.result()
    finally:
        cleanup.settle(session, ledger)
    ended = time.monotonic()
    return replace(
        seen,
        facts=seen.facts + more,
        vantages=(*seen.vantages, *_unfit(Observed(seen), targets)),
        made=fates(ledger, seen.vantages),
        timing={
            "survey": round(surveyed - started, 3),
            "probes": round(probed - surveyed, 3),
            "afterwards": round(ended - probed, 3),
            "total": round(ended - started, 3),
        },
        counts={
            "api requests": session.requests,
            "dns queries (planned)": sum(spot.plan.cost for spot in (*plan.spots, *second)),
        },
    )


def _round(
    session: Session,
    plan: Draft,
    ledger: Ledger,
    deadline: float,
    progress: Progress,
    made_by: str,
    pull_secrets: tuple[str, ...],
) -> Evidence:
    """Stand in every spot of the draft, ask, and add what came to its evidence."""
    stood, notes = _place(session, plan, ledger, made_by, pull_secrets)
    vantages, transcripts = vantage.gather(
        session, [s for s in stood if isinstance(s, Spot)], plan.run, deadline, progress
    )
    failed = tuple(s for s in stood if isinstance(s, Vantage))
    return replace(
        plan.evidence,
        facts=plan.evidence.facts + notes,
        vantages=(*plan.evidence.vantages, *vantages, *failed),
        transcripts=plan.evidence.transcripts + transcripts,
    )


def once_more(
    session: Session,
    evidence: Evidence,
    places: tuple[Spot, ...],
    run: str,
    ledger: Ledger,
    deadline: float,
    progress: Progress,
    made_by: str,
    pull_secrets: tuple[str, ...],
) -> Evidence:
    """Stand in more places, and add what is seen there to the evidence."""
    seen = Observed(evidence)
    manifests = tuple(_manifest(seen, spot, run, made_by, pull_secrets) for spot in places)
    draft = Draft(run=run, evidence=evidence, spots=places, manifests=manifests)
    return _round(session, draft, ledger, deadline, progress, made_by, pull_secrets)


def _unfit(seen: Observed, targets: Sequence[Target]) -> Iterator[Vantage]:
    """A failed vantage for each target for which nothing could be started."""
    for pod in (target.pod for target in targets):
        if why := spots.unfit(seen, pod):
            yield Vantage(
                id=f"{Role.TARGET.value}:{pod.namespace}/{pod.name}",
                role=Role.TARGET,
                node=pod.node,
                stands_for=pod.subject,
                failure=why,
            )


def _place(
    session: Session, plan: Draft, ledger: Ledger, made_by: str, pull_secrets: tuple[str, ...]
) -> tuple[list[Spot | Vantage], tuple[Fact, ...]]:
    """Make what each spot needs, all at once. What cannot be made becomes a failed vantage."""

    def place(spot: Spot, manifest: Manifest) -> tuple[Spot | Vantage, Fact | None]:
        wanted = permissions.IN_TARGET if spot.role is Role.TARGET else permissions.IN_POD
        lacking = permissions.lacking(plan.evidence.facts, spot.namespace, wanted)
        try:
            if lacking:
                grant = "; the role dnsdebug-deep allows it" if spot.role is Role.HOST else ""
                raise Refused(lacking + grant)
            vantage.create(session, spot, manifest, ledger)
        except (Refused, ClusterError) as wrong:
            if spot.role is not Role.TARGET:
                return spot.vantage(str(wrong)), None
            return instead(spot, str(wrong))
        return spot, None

    def instead(spot: Spot, why: str) -> tuple[Spot | Vantage, Fact | None]:
        seen = Observed(plan.evidence)
        other = spots.sibling(seen, spot.target, plan.run, why, plan.spots.index(spot))
        made, _ = place(other, _manifest(seen, other, plan.run, made_by, pull_secrets))
        if isinstance(made, Vantage):
            both = f"no ephemeral container: {why}; no pod beside it: {made.failure}"
            return spot.vantage(both), None
        return made, _stands_in(other)

    with ThreadPoolExecutor(max_workers=8) as pool:
        results = list(pool.map(place, plan.spots, plan.manifests))
    stood = [spot for spot, _ in results]
    notes = [fact for _, fact in results if fact]
    notes += [
        _stands_in(s) for s in stood if isinstance(s, Spot) and s.role is Role.SIBLING and s.reason
    ]
    return stood, tuple({fact.id: fact for fact in notes}.values())


def _stands_in(spot: Spot) -> Fact:
    """Why a sibling was asked in place of the pod itself, for the report."""
    return Fact(
        id=f"sibling/{spot.namespace}/{spot.target.name}",
        state=State.GOT,
        data={"reason": spot.reason},
    )


def ill(seen: Observed) -> bool:
    """Whether anything looks wrong enough to read more of the cluster."""
    if any(vantage.failure for vantage in seen.evidence.vantages):
        return True
    if any(a.status is not Status.NOERROR for a in seen.answers if "#reach" in a.id):
        return True
    if any(a.status is Status.REFUSED for a in seen.answers):
        return True  # as policies on names do, which let the cluster's own pass
    try:
        return not all(pod.ready and not pod.restarts for pod in seen.dns_pods)
    except Missing:
        return False


def stale(seen: Observed) -> bool:
    """Whether a flow that keeps its source port got no answer."""
    return any(a.status.is_silence for a in seen.answers if "#fixed" in a.id)


def fates(ledger: Ledger, vantages: tuple[Vantage, ...], limit: float = LIMIT) -> tuple[Made, ...]:
    """Ephemeral containers end by themselves; the API lets nobody remove them."""
    ended = {(v.container, v.pod) for v in vantages if not v.failure}
    made = []
    for entry in ledger.entries():
        fate = entry.fate
        if not fate:
            name = entry.what.removeprefix("ephemeral container ").split(" ")[0]
            done = any(container == name for container, _ in ended)
            fate = (
                cleanup.ENDED
                if done
                else f"ends by itself within {limit:.0f} s of starting; goes with the pod"
            )
        made.append(replace(entry, fate=fate))
    return tuple(made)
