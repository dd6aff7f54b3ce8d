"""What is made of a watch: samples, numbers, the faults that come and go, the report."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.collect import changes
from kubectl_dnsdebug.collect.changes import Feed
from kubectl_dnsdebug.model import Evidence, Fact, Role, State, Status
from kubectl_dnsdebug.observe import intermittent, watched
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import Change, Kind, Watch, What
from kubectl_dnsdebug.parse import samples
from kubectl_dnsdebug.plan import watching
from kubectl_dnsdebug.report import watch as pictures
from kubectl_dnsdebug.report.render import watch as render
from kubectl_dnsdebug.report.render.style import Style
from kubectl_dnsdebug.report.report import Report, build
from kubectl_dnsdebug.rules import RULES
from kubectl_dnsdebug.terminal.watching import seconds
from tests import reports
from tests.reports import API, CONF, COREDNS_A, COREDNS_B, DEAD, OUTSIDE, SERVICE, Place

GOOD = 400  # microseconds of an answer
DIG = ("dig", "-u", "-q", API, "-t", "A")


def text(outcomes: Iterable[str], every: float = 1.0) -> str:
    """Lines of watch.sh: a letter each, `.` an answer, `x` silence, `s` SERVFAIL, `5` a wait of
    five seconds."""
    words = {".": f"{GOOD} noerror", "x": "- timeout", "s": "900 servfail", "5": "5004000 noerror"}
    lines = [
        f"{n} {round((n - 1) * every * 100)} {words[each]}" for n, each in enumerate(outcomes, 1)
    ]
    return "\n".join(lines)


class Watched(Place):
    """A target that was watched: `also` adds a series."""

    def __init__(self) -> None:
        super().__init__(Role.TARGET)
        self.file(CONF).battery()

    def also(self, what: str, server: str, outcomes: str, every: float = 1.0) -> str:
        port = ("-b", "0.0.0.0#45000") if what == "fixed" else ()
        argv = ("watch", "60", "1", *DIG, f"@{server}", *port)
        if what == "libc":
            argv = ("watch", "60", "5", "getent", "ahosts", server)
        return self.say(f"watch.{what}.{server}", argv, text(outcomes, every))


def endpoint(at: float, address: str, state: str, name: str = "coredns-a") -> dict[str, Any]:
    return {"at": at, "kind": "endpoint", "name": name, "state": state, "address": address}


def made(place: Watched, *changes: dict[str, Any], length: float = 60.0) -> Evidence:
    found = reports.evidence(place)
    fact = Fact(
        id="changes/endpointslices/kube-system/kube-dns",
        state=State.GOT,
        data={"items": list(changes)},
    )
    return replace(
        found,
        request=replace(found.request, watch=length),
        facts=(*found.facts, fact),
        timing={**found.timing, "watch": length},
    )


def watch_of(evidence: Evidence) -> Watch:
    found = watched.watched(Observed(files.load(files.dump(evidence))))
    assert found is not None
    return found


def report_of(evidence: Evidence) -> Report:
    return build(files.load(files.dump(evidence)), RULES)


def found_by(evidence: Evidence, slug: str) -> list[tuple[str, str]]:
    from kubectl_dnsdebug.reason import diagnose

    rules = [rule for rule in RULES if rule.slug == slug]
    seen = Observed(files.load(files.dump(evidence)))
    return [
        (f.severity.value, f.message) for v in diagnose.diagnose(seen, rules) for f in v.findings
    ]


# Samples


def test_lines_become_samples() -> None:
    got = samples.read("1 0 412 noerror\n2 104 - timeout\n3 350 900 nodata\n4 460 10000 no-address")
    assert [(s.number, s.at, s.status, s.ms, s.empty) for s in got] == [
        (1, 0.0, Status.NOERROR, 0.412, False),
        (2, 1.04, Status.TIMEOUT, None, False),
        (3, 3.5, Status.NOERROR, 0.9, True),
        (4, 4.6, Status.NO_ADDRESS, 10.0, False),
    ]
    assert [s.good for s in got] == [True, False, False, False]
    assert [s.lost for s in got] == [False, True, False, False]


@given(st.text())
def test_any_text_is_read(any_text: str) -> None:
    for sample in samples.read(any_text):
        assert sample.status is not Status.NOT_RUN


@pytest.mark.parametrize("line", ["1 0 412", "1 0 412 perhaps", "1 0 - not-run", "x 0 1 noerror"])
def test_what_is_no_outcome_is_left_out(line: str) -> None:
    assert samples.read(line) == ()


def test_series_say_what_was_asked_of_whom() -> None:
    place = Watched()
    place.also("fixed", SERVICE, "..")
    place.also("libc", "web.example.com", "..")
    place.say("watch.fixed.x~1", ("watch", *DIG), "a text of a failure")
    fixed, libc = watch_of(made(place)).series
    assert (fixed.what, fixed.server, fixed.source_port) == (What.FIXED, SERVICE, 45000)
    assert (fixed.name, fixed.type, fixed.port) == (API, "A", 53)
    assert (libc.what, libc.server, libc.name) == (What.LIBC, "", "web.example.com")


def test_what_was_not_heard_is_counted_as_such() -> None:
    place = Watched()
    place.say("watch.fresh.s", ("watch", "9", "1", *DIG), "1 0 400 noerror\n4 300 400 noerror")
    (series,) = watch_of(made(place)).series
    assert (series.asked, series.unheard, series.lost) == (2, 2, 0)


# Numbers


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(1, 100))
def test_a_percentile_bounds_its_part(times: list[float], part: float) -> None:
    ordered = sorted(times)
    bound = pictures.percentile(ordered, part)
    assert bound in times
    assert sum(each <= bound for each in ordered) >= math.floor(len(times) * part / 100)


def test_percentiles() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [pictures.percentile(hundred, p) for p in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert pictures.percentile([7.0], 99) == 7.0
    assert pictures.percentile([], 50) is None


@given(st.lists(st.floats(0, 1e5)), st.lists(st.floats(0, 1e5)))
def test_every_time_is_in_one_bar(answers: list[float], lookups: list[float]) -> None:
    bars = pictures.histogram(answers, lookups)
    assert sum(bar.answers for bar in bars) == len(answers)
    assert sum(bar.lookups for bar in bars) == len(lookups)
    for before, after in pairwise(bars):
        assert before.last == after.first


@pytest.mark.parametrize(
    ("ms", "step"), [(400, ""), (2504, "musl"), (5003, "glibc"), (10_008, "10 s"), (15_100, "15 s")]
)
def test_the_waits_of_c_libraries_are_marked(ms: float, step: str) -> None:
    (bar,) = pictures.histogram([], [ms])
    assert step in bar.step
    assert bool(bar.step) == bool(step)


@given(st.lists(st.booleans()), st.integers(2, 4))
def test_a_client_has_one_outcome_for_each_lookup(lost: list[bool], tries: int) -> None:
    seen = pictures.client("glibc", lost, 5.0, tries)
    waited = sum(count for _, count in seen.waits)
    assert waited + seen.failed <= seen.lookups <= len(lost)
    assert (not any(lost)) == (not waited and not seen.failed and seen.lookups == len(lost)) or (
        any(lost) and lost[-1]
    )


@pytest.mark.parametrize(
    ("outcomes", "lookups", "waits", "failed"),
    [
        ("....", 4, (), 0),
        (".x..", 3, ((5.0, 1),), 0),
        (".xx.x.", 4, ((5.0, 1),), 1),
        ("xxxx", 2, (), 2),
        ("...x", 3, (), 0),
    ],
)
def test_what_a_program_would_have_felt(
    outcomes: str, lookups: int, waits: tuple[tuple[float, int], ...], failed: int
) -> None:
    seen = pictures.client("glibc", [each == "x" for each in outcomes], 5.0, 2)
    assert (seen.lookups, seen.waits, seen.failed) == (lookups, waits, failed)


@given(st.lists(st.floats(0, 99), max_size=50))
def test_every_question_has_its_place_on_the_time_line(moments: list[float]) -> None:
    got = [samples.Sample(number=1, at=at, status=Status.TIMEOUT) for at in moments]
    slots = pictures.slots(got, 60.0)
    assert sum(asked for asked, _ in slots) == sum(lost for _, lost in slots) == len(moments)


# What comes and goes


def test_an_address_is_away_from_gone_to_ready() -> None:
    place = Watched()
    place.also("direct", COREDNS_A, "." * 20 + "x" * 20 + "." * 20)
    gone = endpoint(22, COREDNS_A, "gone")
    watch = watch_of(made(place, gone, endpoint(38, COREDNS_A, "ready")))
    (series,) = watch.series
    assert watch.absences(COREDNS_A) == ((17.0, 43.0),)
    assert series.lossy
    assert watch.fair(series).lost == 0
    assert watch_of(made(place, gone)).absences(COREDNS_A) == ((17.0, math.inf),)
    assert watch_of(made(place)).fair(series).lost == 20


@pytest.mark.parametrize(
    ("fixed", "fresh", "expected"),
    [
        ("." * 20 + "x" * 10, "." * 30, (20, True)),
        ("." * 10 + "x" * 10 + "." * 10, "." * 30, (10, False)),
        ("." * 20 + "x" * 10, "." * 20 + "xx" + "." * 8, (20, True)),  # the moment of the change
        ("." * 20 + "x" * 10, "." * 20 + "x." * 5, None),  # everything is lost now and then
        ("." * 28 + "xx", "." * 30, None),
        ("x.xx.xxx.x" * 3, "." * 30, None),
        ("x" * 30, "x" * 30, None),
    ],
)
def test_a_source_port_that_gets_stuck(
    fixed: str, fresh: str, expected: tuple[int, bool] | None
) -> None:
    place = Watched()
    place.also("fixed", SERVICE, fixed)
    place.also("fresh", SERVICE, fresh)
    evidence = made(place, length=30)
    flows = [(f.since, f.lasts) for f in intermittent.stuck_flows(watch_of(evidence))]
    assert flows == ([expected] if expected else [])
    told = found_by(evidence, "conntrack-stale-udp")
    assert [severity for severity, _ in told] == (
        [] if expected is None else ["error" if expected[1] else "warning"]
    )
    assert all("45000" in message for _, message in told)


def test_a_flow_that_keeps_to_a_silent_dns_pod_is_not_stuck() -> None:
    place = Watched()
    place.also("fixed", SERVICE, "." * 20 + "x" * 10)
    place.also("fresh", SERVICE, "." * 30)
    place.also("direct", COREDNS_A, "." * 20 + "x" * 10)
    assert not [*intermittent.stuck_flows(watch_of(made(place)))]


def test_a_dns_pod_that_is_silent_now_and_then() -> None:
    place = Watched()
    place.also("direct", COREDNS_A, "..x" * 10)
    place.also("direct", COREDNS_B, "..." * 10)
    ((severity, message),) = found_by(made(place), "coredns-replica-divergence")
    assert severity == "error"
    assert "coredns-a" in message
    assert "10 of 30" in message
    # A question about a name outside that it loses afterwards, too, takes nothing away from it.
    place.transcripts = [t for t in place.transcripts if t.probe != f"ext.{COREDNS_A}"]
    place.ask("ext", COREDNS_A, OUTSIDE, DEAD)
    assert [told for _, told in found_by(made(place), "coredns-replica-divergence")] == [message]
    # A way that loses every third question of all may well take four of these and none of those.
    few = Watched()
    few.also("direct", COREDNS_A, "..x.x.x..x")
    few.also("direct", COREDNS_B, "." * 10)
    assert not found_by(made(few), "coredns-replica-divergence")
    # Nothing tells the other node's DNS pod from the way to it.
    other = Watched()
    other.also("direct", COREDNS_A, "..." * 10)
    other.also("direct", COREDNS_B, "..x" * 10)
    assert report_of(made(other)).exit_code == 3
    # Both: then it is what they share.
    other.also("direct", COREDNS_A, "..x" * 10)
    assert not found_by(made(other), "coredns-replica-divergence")


def test_what_is_lost_while_dns_pods_are_replaced() -> None:
    place = Watched()
    place.also("fresh", SERVICE, "." * 20 + "xxx" + "." * 20)
    change = endpoint(21, COREDNS_A, "gone")
    ((severity, message),) = found_by(made(place, change), "coredns-placement-rollout")
    assert severity == "warning"
    assert "3 of 43 questions were lost" in message
    assert "unexplained" not in {u.rule for u in report_of(made(place, change)).unknown}
    assert "unexplained" in {u.rule for u in report_of(made(place)).unknown}
    assert not found_by(made(place), "coredns-placement-rollout")
    assert not found_by(made(place, endpoint(35, COREDNS_A, "gone")), "coredns-placement-rollout")


def test_a_lookup_that_waits_where_no_question_is_lost() -> None:
    place = Watched()
    place.also("fresh", SERVICE, "." * 30)
    place.also("libc", API, "..5..5..")
    ((libc, _),) = intermittent.stalls(watch_of(made(place)))
    assert libc.slow == 2
    ((severity, message),) = found_by(made(place), "conntrack-race")
    assert severity == "warning"
    assert "2 of 8 times" in message
    # What other questions take is no word of this one; what its own take may be all that it is.
    for probe, told in (("ext", 1), ("reach", 0)):
        evidence = made(place)
        slow = tuple(
            replace(each, out=re.sub(r"time: \d+ msec", "time: 2500 msec", each.out))
            if each.probe.startswith(probe)
            else each
            for each in evidence.transcripts
        )
        assert len(found_by(replace(evidence, transcripts=slow), "conntrack-race")) == told
    place.also("fixed", SERVICE, "..x" * 5)
    assert not [*intermittent.stalls(watch_of(made(place)))]


# The report


def test_losses_without_a_known_cause_are_never_healthy() -> None:
    place = Watched()
    place.also("fresh", SERVICE, "...x" * 10)
    place.also("direct", COREDNS_A, "...x" * 10)
    place.also("direct", COREDNS_B, "...x" * 10)
    told = report_of(made(place))
    assert told.exit_code == 3
    (why,) = [u.reason for u in told.unknown if u.rule == "unexplained"]
    assert "10 of 40 questions are lost" in why
    assert "at every server alike" in why


def test_one_lost_question_is_what_a_busy_machine_may_lose() -> None:
    place = Watched()
    place.also("fresh", SERVICE, "." * 30 + "x" + "." * 30)
    told = report_of(made(place))
    assert [u for u in told.unknown if u.rule == "unexplained"] == []


def test_answers_that_differ_are_told() -> None:
    place = Watched()
    place.also("outside", SERVICE, "..s" * 10)
    (why,) = [u.reason for u in report_of(made(place)).unknown if u.rule == "unexplained"]
    assert "answers differ" in why
    assert "10 servfail" in why


def test_a_watch_that_could_not_be() -> None:
    evidence = made(Watched())
    gap = Fact(id="changes/place", state=State.UNKNOWN, reason="no room")
    told = report_of(replace(evidence, facts=(*evidence.facts, gap)))
    assert told.exit_code == 3
    assert [(u.reason, u.matters) for u in told.unknown if u.rule == "watch"] == [("no room", True)]


def test_a_gap_in_what_was_followed_does_not_matter() -> None:
    place = Watched()
    place.also("fresh", SERVICE, "." * 30)
    evidence = made(place)
    why = "not allowed to watch events in shop"
    gap = Fact(id="changes/events/shop", state=State.UNKNOWN, reason=why)
    told = report_of(replace(evidence, facts=(*evidence.facts, gap)))
    assert [(u.reason, u.matters) for u in told.unknown if u.rule == "watch"] == [(why, False)]


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_the_screen_keeps_its_width(width: int, unicode: bool) -> None:
    place = Watched()
    place.also("fresh", SERVICE, "..x5" * 15)
    place.also("libc", "a-name." * 20 + "example.com", "..5")
    long = endpoint(21, COREDNS_A, "gone", name="coredns-" + "x" * 40)
    picture = pictures.build(watch_of(made(place, long)))
    style = Style(width=width, colour=False, unicode=unicode)
    text = style.final("\n".join(render.part(picture, style)))
    assert max(map(len, text.splitlines())) <= width, text
    assert "time line" in text
    assert "+21.0 s" in text
    assert text.isascii() or unicode
    assert max(map(len, render.live(picture, style).splitlines())) <= width
    assert "15 of 60 lost" in render.line(picture)


# Following, planning, asking


def test_a_feed_tells_what_became_of_each_address() -> None:
    seen = Observed(reports.evidence(Watched()))
    feed = next(iter(changes.feeds(seen, seen.targets[0])))
    assert feed.kind is Kind.ENDPOINT

    def slice(*ready: str, unready: str = "") -> dict[str, Any]:
        ends = [{"addresses": [ip], "targetRef": {"name": f"pod-{ip}"}} for ip in ready]
        if unready:
            ends.append({"addresses": [unready], "conditions": {"ready": False}})
        return {"metadata": {"name": "kube-dns-1"}, "endpoints": ends}

    feed.take(slice("192.0.2.1", "192.0.2.2"), news=False)
    feed.take(slice("192.0.2.1", unready="192.0.2.2"))
    feed.take(slice("192.0.2.1", "192.0.2.3"))
    feed.take(slice("192.0.2.1", "192.0.2.3"))
    told = [(c.name, c.address, c.state) for c in feed.found]
    assert told == [
        ("pod-192.0.2.2", "192.0.2.2", "not ready"),
        ("pod-192.0.2.3", "192.0.2.3", "ready"),
        ("pod-192.0.2.2", "192.0.2.2", "gone"),
    ]


def test_a_feed_is_bounded() -> None:
    feed = Feed(id="changes/x", path="/x", need="", kind=Kind.POD, view=lambda o: {"a": o["s"]})
    for n in range(changes.MOST + 50):
        feed.take({"metadata": {"name": "a"}, "s": str(n)})
    assert len(feed.found) == changes.MOST


def test_a_warning_about_others_is_no_news() -> None:
    seen = Observed(reports.evidence(Watched()))
    feed = [f for f in changes.feeds(seen, seen.targets[0]) if f.kind is Kind.EVENT][-1]
    for name in ("stranger", "web-1"):
        about = {"involvedObject": {"name": name}, "reason": "Unhealthy", "message": "it fails"}
        feed.take({"metadata": {"name": f"{name}.1"}, **about})
    assert [(c.name, c.state) for c in feed.found] == [("web-1", "Unhealthy: it fails")]


@pytest.mark.parametrize("limits", [None, {"cpu": "100m", "memory": "64Mi"}])
@pytest.mark.parametrize("length", [5.0, 60.0, 900.0])
def test_a_watch_asks_at_a_modest_rate(limits: dict[str, str] | None, length: float) -> None:
    found = reports.evidence(Watched())
    (pod,) = Observed(found).targets
    if limits:
        spec = pod.raw["spec"]
        containers = [{**each, "resources": {"limits": limits}} for each in spec["containers"]]
        pod = replace(pod, raw={**pod.raw, "spec": {**spec, "containers": containers}})
    plan = watching.plan(Observed(found), Role.TARGET, pod, length)
    most = watching.RATE_FRUGAL if limits else watching.RATE
    whats = {probe.id.split(".")[1] for probe in plan.probes if probe.id.startswith("watch.")}
    assert {"fresh", "fixed", "direct", "libc"} <= whats
    cost = sum(probe.cost for probe in plan.probes if "{ns}" not in probe.id)
    assert cost / length <= 1.25 * most + len(plan.probes) * 8 / length
    assert plan.limit > length
    assert plan.at_once > len(plan.probes)


@pytest.mark.parametrize(
    ("text", "length"), [("90", 90), ("90s", 90), ("2m", 120), ("1m30s", 90), ("15m", 900)]
)
def test_a_length(text: str, length: float) -> None:
    assert seconds(click.Context(click.Command("x")), click.Option(["--for"]), text) == length


@pytest.mark.parametrize("text", ["", "0", "4s", "16m", "901", "1h", "-5", "m", "5 s"])
def test_a_length_that_is_none(text: str) -> None:
    with pytest.raises(click.UsageError, match="--for"):
        seconds(click.Context(click.Command("x")), click.Option(["--for"]), text)


def test_a_change_is_told_in_words() -> None:
    def told(kind: Kind, name: str, state: str, address: str = "") -> str:
        return pictures.told(
            Change(fact="", at=0, kind=kind, name=name, state=state, address=address)
        )

    assert told(Kind.ENDPOINT, "a", "gone", "192.0.2.1") == "endpoint a 192.0.2.1: gone"
    assert told(Kind.ENDPOINT, "192.0.2.1", "ready", "192.0.2.1") == "endpoint 192.0.2.1: ready"
    assert told(Kind.CONFIG, "coredns", "sum 0a") == "ConfigMap coredns: changed"
    assert told(Kind.POD, "a", "not ready") == "pod a: not ready"
    assert told(Kind.EVENT, "a", "Unhealthy: x") == "warning about a: Unhealthy: x"


def test_no_watch_no_picture() -> None:
    found = reports.evidence(Watched())
    assert watched.watched(Observed(found)) is None
    assert report_of(found).watch is None
    assert watched.series(found.transcripts) == ()
