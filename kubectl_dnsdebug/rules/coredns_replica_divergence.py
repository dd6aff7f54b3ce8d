"""One DNS pod is bad though it counts as ready: one lookup in so many fails.

It is silent for everybody, or it answers otherwise than the others: its node's network, an old
state, another Corefile, an upstream that it alone does not reach.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Answer,
    Confidence,
    Missing,
    Role,
    Scope,
    Severity,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.intermittent import weak_replicas
from kubectl_dnsdebug.observe.objects import Endpoint
from kubectl_dnsdebug.observe.observed import TARGETS, Observed, Reach
from kubectl_dnsdebug.observe.reach import no_chance, proves_silence
from kubectl_dnsdebug.observe.watched import Series, What, watched
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "coredns-replica-divergence",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pod {pod} on {node} is ready but {what}, while {others}: about one lookup in "
    "{count} fails.",
    remedy="Delete pod {pod}; if its successor on {node} does the same, repair that node's network "
    "or keep DNS pods off it.",
    verify="dig @{ip} -p {port} +tries=1 +time=2 {name}   # then the same of the other DNS pods",
    silent_when="there are fewer than two ready DNS pods, every one answers alike, or the way to "
    "the silent one may be what is broken.",
    explains=("tcp-fallback-broken", "upstream-timeout"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    places = [v for v in seen.evidence.vantages if not v.failure]
    direct = {place.id: symptoms.replicas_seen(seen, place) for place in places}
    watch = watched(seen)
    weak = next(weak_replicas(watch), None) if watch else None
    if (
        not weak
        and all(reach.fine for reaches in direct.values() for _, reach in reaches)
        and not any(not symptoms.says_something(a) for a in _all_answers(seen))
    ):
        if not places:
            symptoms.dns_serves(seen)  # raises what kept us from looking
        return
    ready = [e for e in seen.dns_endpoints if e.ready]
    if len(ready) < 2:
        return
    found = (
        _silent(seen, places, ready)
        or _other_answers(seen, places, ready)
        # Before the last: one that is silent now and then loses questions about any name.
        or (_now_and_then(seen, places, ready, *weak) if weak else None)
        or _no_upstream(seen, places, ready)
    )
    if found:
        yield found


def _now_and_then(
    seen: Observed, places: list[Vantage], ready: list[Endpoint], bad: Series, sound: Series
) -> Found | None:
    """Silent now and then, as a watch shows it, while another one never was."""
    endpoint = next((e for e in ready if e.ip == bad.server), None)
    if endpoint is None:
        return None
    here = {v.node for v in places if v.role in TARGETS}
    near = [reach for place, reach in _asked(seen, places, endpoint) if place.node == endpoint.node]
    if endpoint.node not in here:
        if not near:
            raise Missing(
                f"no probe on {endpoint.node} tells a DNS pod that is silent now and then from a "
                "way to it that loses packets"
            )
        if all(reach.fine for reach in near):
            return None
    if not no_chance(*_share(seen, places, ready, bad), *_share(seen, places, ready, sound)):
        return None
    other = next((e.pod for e in ready if e.ip == sound.server), "") or sound.server
    return Found(
        evidence=(bad.id, sound.id, *(id for reach in near for id in symptoms.ids(reach, most=1))),
        args={
            "pod": endpoint.pod or endpoint.ip,
            "node": endpoint.node,
            "ip": endpoint.ip,
            "port": bad.port,
            "name": bad.name,
            "count": len(ready),
            "what": f"is silent now and then ({bad.lost} of {bad.asked} questions lost)",
            "others": f"{other} answers each time",
        },
        confidence=Confidence.LIKELY,
        settles=f"the same questions, put for longer on {endpoint.node} itself",
    )


def _share(
    seen: Observed, places: list[Vantage], ready: list[Endpoint], series: Series
) -> tuple[int, int]:
    """How many questions to that DNS pod were lost, and how many were put: in the watch, and in the
    diagnosis that follows. A way that loses questions of all takes its share there as well."""
    after = [r for e in ready if e.ip == series.server for _, r in _asked(seen, places, e)]
    lost, asked = sum(r.silent for r in after), sum(r.asked for r in after)
    return series.lost + lost, series.asked + asked


def _all_answers(seen: Observed) -> Iterator[Answer]:
    return (a for a in seen.answers if (a.server and "#ext." in a.id) or "#reach." in a.id)


def _silent(seen: Observed, places: list[Vantage], ready: list[Endpoint]) -> Found | None:
    """Silent wherever it was asked from, where another one answered."""
    for bad in ready:
        asked = _asked(seen, places, bad)
        if not asked or any(not reach.dead for _, reach in asked):
            continue
        sound = [
            (e, r)
            for e in ready
            for place, r in _asked(seen, [place for place, _ in asked], e)
            if e.ip != bad.ip and r.fine
        ]
        if not sound:
            continue
        near = [r for place, r in asked if place.node == bad.node]
        reach = near[0] if near else asked[0][1]
        if not near and not reach.saw(Status.CONNECTION_REFUSED):
            raise Missing(f"no probe on {bad.node} tells a silent DNS pod from a broken way to it")
        if near and not _hears(seen, bad.node):
            raise Missing(
                f"no server at all answers on {bad.node}: it may be the node, not the pod"
            )
        where = "even on its own node" if near else "at all"
        tcp = [r for p, _ in asked for r in _over_tcp(seen, p, bad)]
        proven = proves_silence([*(r for _, r in asked), *tcp])
        return Found(
            evidence=(
                *(id for _, r in asked for id in symptoms.ids(r, most=2)),
                sound[0][1].ids[0],
            ),
            args=_args(bad, reach.answers[0], ready)
            | {
                "what": f"gives no answer {where} ({reach.summary})",
                "others": f"{sound[0][0].pod or sound[0][0].ip} answers",
            },
            confidence=Confidence.CERTAIN if proven else Confidence.LIKELY,
            settles="" if proven else "more questions, for so few may all be lost: run it again",
        )
    return None


def _hears(seen: Observed, node: str) -> bool:
    """Whether any place on that node got an answer of anybody, the way the silent one was asked."""
    here = {v.id for v in seen.evidence.vantages if v.node == node}
    return any(
        a.vantage in here and a.transport is Transport.UDP and a.status.is_answer
        for a in seen.answers
    )


def _over_tcp(seen: Observed, place: Vantage, endpoint: Endpoint) -> list[Reach]:
    try:
        return [seen.reach(place, endpoint.ip, Transport.TCP)]
    except Missing:
        return []


def _asked(
    seen: Observed, places: list[Vantage], endpoint: Endpoint
) -> list[tuple[Vantage, Reach]]:
    found = []
    for place in places:
        try:
            found.append((place, seen.reach(place, endpoint.ip)))
        except Missing:
            continue
    return found


def _other_answers(seen: Observed, places: list[Vantage], ready: list[Endpoint]) -> Found | None:
    """It denies or refuses a cluster name that another one answers."""
    good: dict[str, tuple[Endpoint, Answer]] = {}
    bad: dict[str, tuple[Endpoint, Answer]] = {}
    for endpoint in ready:
        for answer in _of(seen, places, endpoint, ("reach.", "svc.")):
            if answer.status is Status.NOERROR and answer.records:
                good.setdefault(answer.name, (endpoint, answer))
            elif answer.status.is_answer and answer.status is not Status.NOERROR:
                bad.setdefault(answer.name, (endpoint, answer))
    for name, (endpoint, answer) in bad.items():
        if name in good and good[name][0].ip != endpoint.ip:
            other, sound = good[name]
            return Found(
                evidence=(answer.id, sound.id),
                args=_args(endpoint, answer, ready)
                | {
                    "what": f"answers {answer.status.value.upper()} for {name}",
                    "others": f"{other.pod or other.ip} answers with its address",
                },
            )
    return None


def _no_upstream(seen: Observed, places: list[Vantage], ready: list[Endpoint]) -> Found | None:
    """It fails for names outside that another one resolves."""
    if _upstreams_are_silent(seen, places):
        return None  # the others may answer from memory
    results = [(e, a) for e in ready for a in _of(seen, places, e, ("ext.",)) if a.type == "A"]
    sound = [(e, a) for e, a in results if symptoms.says_something(a)]
    for endpoint, answer in results:
        others = [(e, a) for e, a in sound if e.ip != endpoint.ip and a.name == answer.name]
        if symptoms.says_something(answer) or not others or endpoint in [e for e, _ in sound]:
            continue
        pod = dns_servers.dns_pod(seen, endpoint.ip)
        heard = logs.upstream_errors(seen, pod, within=logs.FRESH) if pod else ()
        errors = [e for e in heard if e.name == answer.name]
        asked = sum(e.ip == endpoint.ip for e, _ in results)
        if _may_be_the_way(seen, places, endpoint, answer, bool(errors), asked):
            raise Missing(
                f"{answer.name} is lost at {endpoint.pod or endpoint.ip}: too few questions, or no "
                "word in its log, tell that from the loss of a packet on the way to it"
            )
        said = f" (its upstream {errors[-1].upstream}: {errors[-1].why})" if errors else ""
        return Found(
            evidence=(answer.id, others[0][1].id, *(e.id for e in errors[-1:])),
            args=_args(endpoint, answer, ready)
            | {
                "what": f"does not resolve {answer.name} ({answer.status.value}){said}",
                "others": f"{others[0][0].pod or others[0][0].ip} does",
            },
            confidence=Confidence.CERTAIN if errors else Confidence.LIKELY,
            settles="" if errors else "the log of that DNS pod",
        )
    return None


def _may_be_the_way(
    seen: Observed,
    places: list[Vantage],
    endpoint: Endpoint,
    answer: Answer,
    logged: bool,
    asked: int,
) -> bool:
    """Whether what was lost may be so between us and the DNS pod: by the pod's own log, and by what
    it loses of other questions."""
    if not answer.status.is_silence:
        return False
    if not logged and asked < 2 and answer.transport is Transport.UDP:
        return True
    told = logged and _loses_more(seen, places, endpoint)
    return not told and _loses(seen, answer.vantage)


def _loses(seen: Observed, vantage: str) -> bool:
    """Whether questions that every DNS pod answers by itself are lost there, now or in a watch."""
    watch = watched(seen)
    series = (What.FRESH, What.FIXED, What.DIRECT)
    if watch and any(watch.fair(each).lost for each in watch.of(*series)):
        return True
    return any(
        a.status.is_silence for a in seen.answers if a.vantage == vantage and "#reach." in a.id
    )


def _loses_more(seen: Observed, places: list[Vantage], endpoint: Endpoint) -> bool:
    """Whether more questions for names outside are lost at a DNS pod than for those that it knows
    by itself: a network that loses packets takes its share of both."""
    outside = [*_of(seen, places, endpoint, ("ext.",))]
    own = [*_of(seen, places, endpoint, ("reach.",))]
    lost, lost_own = (sum(a.status.is_silence for a in each) for each in (outside, own))
    return no_chance(lost, len(outside), lost_own, len(own))


def _upstreams_are_silent(seen: Observed, places: list[Vantage]) -> bool:
    asked = [
        a for place in places if place.role is Role.DEFAULT for a in seen.ask(place, probe="up.")
    ]
    return bool(asked) and not any(a.status.is_answer for a in asked)


def _of(
    seen: Observed, places: list[Vantage], endpoint: Endpoint, probes: tuple[str, ...]
) -> Iterator[Answer]:
    for place in places:
        for probe in probes:
            yield from seen.ask(place, server=endpoint.ip, probe=probe)


def _args(endpoint: Endpoint, answer: Answer, ready: list[Endpoint]) -> dict[str, object]:
    return {
        "pod": endpoint.pod or endpoint.ip,
        "node": endpoint.node,
        "ip": endpoint.ip,
        "port": answer.port,
        "name": answer.name,
        "count": len(ready),
    }
