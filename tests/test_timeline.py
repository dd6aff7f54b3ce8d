"""What happened when: order, what is told together, and where the run stands in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_dnsdebug.model import Fact
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.pictures.timeline import MOST, Happening, timeline
from kubectl_dnsdebug.report.render import moments
from tests.reports import CALM, cluster, evidence, got, in_pod, pod_data

DAY = "2025-01-01T"  # the evidence is of its midnight
EVE = "2024-12-31T"


def warning(about: str, when: str, reason: str = "Unhealthy", **more: Any) -> dict[str, Any]:
    about_it = {"kind": "Pod", "namespace": "kube-system", "name": about}
    said = {"reason": reason, "message": f"{reason} it is", "lastTimestamp": when}
    return {"type": "Warning", **said, "involvedObject": about_it, **more}


def events(*given: dict[str, Any]) -> Fact:
    return got("events/kube-system", {"items": list(given)})


def log(*lines: str, previous: bool = False) -> Fact:
    kind = "log-previous" if previous else "log"
    return got(f"{kind}/kube-system/coredns-a", {"lines": list(lines)})


def seen(*facts: Fact) -> Observed:
    return Observed(evidence(in_pod(), facts=(*cluster("web-1"), *facts)))


def told(*facts: Fact) -> list[tuple[str, str, str, int]]:
    return [(m.stamp, m.kind.value, m.about, m.times) for m in timeline(seen(*facts)).moments]


def test_oldest_first_whatever_it_is() -> None:
    assert told(
        events(warning("coredns-a", f"{EVE}23:59:00Z")),
        log(
            f"{DAY}00:00:03Z [ERROR] plugin/errors: 2 a. A: no", f"{EVE}23:58:00Z [INFO] Reloading"
        ),
    ) == [
        (f"{EVE}23:58:00Z", "change", "pod/kube-system/coredns-a", 1),
        (f"{EVE}23:59:00Z", "warning", "pod/kube-system/coredns-a", 1),
        (f"{DAY}00:00:03Z", "log", "pod/kube-system/coredns-a", 1),
    ]


def test_starts_and_ends_of_containers() -> None:
    pod = pod_data("shop", "web-1", "w1", "10.244.1.20")
    pod["status"]["containerStatuses"][0] |= {
        "restartCount": 3,
        "state": {"running": {"startedAt": f"{EVE}23:00:02Z"}},
        "lastState": {
            "terminated": {
                "reason": "OOMKilled",
                "exitCode": 137,
                "finishedAt": f"{EVE}23:00:00Z",
            }
        },
    }
    end, start = timeline(seen(got("pod/shop/web-1", pod))).moments
    assert (end.kind, end.text) == (
        Happening.END,
        "container main ended: OOMKilled, exit code 137",
    )
    assert (start.kind, start.text) == (
        Happening.START,
        "container main started again (restart 3)",
    )


def test_complaints_that_differ_in_the_question_are_one() -> None:
    lines = [
        f"{EVE}23:59:0{n}Z [ERROR] plugin/errors: 2 name{n}.example. AAAA: "
        f"read udp 10.244.1.3:{40000 + n}->192.0.2.53:53: i/o timeout"
        for n in range(5)
    ]
    (one,) = timeline(seen(log(*lines))).moments
    assert (one.times, one.since, one.stamp) == (5, f"{EVE}23:59:00Z", f"{EVE}23:59:04Z")


def test_one_line_of_two_logs_is_one_line() -> None:
    line = f"{EVE}23:59:00Z [FATAL] plugin/loop: Loop"
    assert [each[3] for each in told(log(line), log(line, previous=True))] == [1]


def test_pods_that_are_gone_are_told_together_and_others_apart() -> None:
    found = told(
        events(
            warning("coredns-a", f"{EVE}23:00:00Z"),
            warning("dns-5f7c669cb4-2bvs2", f"{EVE}23:00:01Z", count=2),
            warning("dns-64f7c95c89-zx2m8", f"{EVE}23:00:02Z", count=3),
            warning("dns-64f7c95c89-zx2m8", f"{EVE}23:00:03Z", reason="BackOff"),
        )
    )
    assert [(about, times) for _, _, about, times in found] == [
        ("pod/kube-system/coredns-a", 1),
        ("pod/kube-system/dns-*", 5),
        ("pod/kube-system/dns-64f7c95c89-zx2m8", 1),
    ]


def test_what_has_no_time_has_no_place() -> None:
    odd = warning("coredns-a", f"{EVE}23:00:00Z", count="many")
    none = warning("coredns-b", "")
    assert [each[3] for each in told(events(odd, none), log("unable to retrieve: error"))] == [1]


def test_the_latest_are_kept_and_the_others_counted() -> None:
    found = timeline(seen(events(*(warning(f"x{n}", f"{EVE}23:00:{n}Z") for n in range(10, 59)))))
    assert len(found.moments) == MOST
    assert found.earlier == 49 - MOST
    assert found.moments[-1].about == "pod/kube-system/x58"


@pytest.mark.parametrize(
    ("when", "clock", "relative"),
    [
        (f"{EVE}23:59:59Z", "2024-12-31 23:59:59", "1 s before"),
        ("2024-12-29T00:00:00Z", "2024-12-29 00:00:00", "3 d before"),
        (f"{EVE}21:00:00Z", "2024-12-31 21:00:00", "3 h before"),
        (f"{DAY}00:00:01Z", "00:00:01", "1 s into the run"),
        (f"{DAY}00:05:00Z", "00:05:00", "5 min after"),
    ],
)
def test_the_run_stands_in_its_place(when: str, clock: str, relative: str) -> None:
    given = evidence(
        in_pod(), facts=(*cluster("web-1"), events(warning("coredns-a", when, count=2)))
    )
    given = replace(given, timing={"survey": 0.4, "probes": 1.5, "afterwards": 0.1, "total": 2.0})
    entries = list(moments.entries(report.build(given, CALM)))
    (other,) = (each for each in entries if each.mark)
    (run,) = (each for each in entries if not each.mark)
    assert (other.clock, other.relative, other.likes) == (clock, relative, "2 times")
    assert entries.index(run) == ("before" in relative)
    assert run.likes.startswith("the API was read for 0.4 s; questions were asked for 1.5 s")
