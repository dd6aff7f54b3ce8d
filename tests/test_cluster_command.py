"""`cluster`: what the API says by itself, never that names resolve, and no gap taken for health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli, evidence
from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import api_only
from kubectl_dnsdebug.model import Confidence, Evidence, Fact, Purpose, Request, State
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.report.report import Conclusion, Report
from kubectl_dnsdebug.report.unknowns import UNPROBED
from kubectl_dnsdebug.rules import BY_API_ALONE, RULES
from kubectl_dnsdebug.terminal.flags import FORMATS
from tests import reports
from tests.fake_api import Answer, FakeApi, status
from tests.rule_cases import load

CASES = Path(__file__).parent / "cases"
RECORDED = sorted(CASES.glob("*/*/evidence.json"))
LOG = {"lines": ["2025-01-01T00:00:00Z .:53"]}


def read(*facts: Fact) -> Evidence:
    """What a run would have read: the cluster of `reports`, with the logs of its DNS pods; facts
    given here stand in place of those of the same id."""
    logs = (reports.got(f"log/kube-system/coredns-{n}", LOG) for n in "ab")
    known = {fact.id: fact for fact in (*reports.cluster(), *logs, *facts)}
    request = Request(targets=(), purpose=Purpose.CLUSTER)
    return replace(
        reports.evidence(targets=()), request=request, facts=tuple(known.values()), made=()
    )


def judged(held: Evidence) -> Report:
    return report.build(held, RULES, by_api=BY_API_ALONE)


def unprobed(path: Path) -> Evidence:
    """The recorded evidence as far as the API gave it."""
    held = load(path)
    request = Request(targets=(), purpose=Purpose.CLUSTER)
    return replace(held, vantages=(), transcripts=(), made=(), request=request)


def test_rules_that_need_no_answers_exist() -> None:
    assert {rule.slug for rule in RULES} >= BY_API_ALONE


def test_a_sound_cluster_is_not_called_healthy() -> None:
    made = judged(read())
    assert (made.outcome, made.exit_code) == (Conclusion.UNPROBED, 0)
    assert {rule for rule, _ in made.clear} == BY_API_ALONE
    (unknown,) = made.unknown
    assert (unknown.rule, unknown.matters) == (UNPROBED, False)
    assert unknown.reason.startswith(f"{len(RULES) - len(BY_API_ALONE)} rules need answers")


@pytest.mark.parametrize("id", [fact.id for fact in read().facts])
def test_what_may_not_be_read_is_inconclusive(id: str) -> None:
    made = judged(read(Fact(id=id, state=State.UNKNOWN, reason="not allowed to read")))
    assert made.exit_code == 3
    assert any("not allowed to read" in each.reason for each in made.unknown)


def test_a_cluster_without_a_dns_service_is_inconclusive() -> None:
    assert judged(read(reports.got("services", {"items": []}))).exit_code == 3


def test_no_ready_endpoint_is_found_without_a_question() -> None:
    id = "endpointslices/kube-system/kube-dns"
    made = judged(read(reports.got(id, {"items": []})))
    assert made.exit_code == 4
    assert "dns-no-ready-endpoints" in {each.rule for each in report.flatten(made.causes)}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_recorded_clusters_are_never_called_healthy(path: Path) -> None:
    made = judged(unprobed(path))
    assert made.outcome is not Conclusion.HEALTHY
    assert {rule for rule, _ in made.clear} <= BY_API_ALONE


# By the API alone a DNS Service without pods is a fault; that another server does their work shows
# where a pod asks it.
ONLY_A_POD_TELLS = {"healthy-cloud-dns"}


@pytest.mark.parametrize(
    "path", sorted(CASES.glob("healthy/*/evidence.json")), ids=lambda path: path.parent.name
)
def test_no_false_alarm(path: Path) -> None:
    causes = judged(unprobed(path)).causes
    if path.parent.name in ONLY_A_POD_TELLS:
        assert {each.finding.confidence for each in causes} == {Confidence.LIKELY}
        assert all("from a pod" in each.finding.settles for each in causes)
    else:
        assert causes == ()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_that_nothing_was_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str
) -> None:
    file = tmp_path / "e.json"
    file.write_text(evidence.dump(read()))
    with pytest.raises(SystemExit) as end:
        cli.main(["replay", str(file), "-o", form])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "healthy" not in shown.lower()
    assert shown


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


def test_nothing_is_made(api: FakeApi, session: Session) -> None:
    api.on("/api/v1/services", Answer(body={"items": []}))
    found = api_only.read(session, lambda _: None)
    assert {seen.method for seen in api.seen} == {"GET"}
    assert (found.vantages, found.made) == ((), ())
    assert evidence.load(evidence.dump(found)) == found


def test_who_may_read_nothing_gets_no_clean_bill(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("/api/v1/services", "/api/v1/namespaces/kube-system/pods"):
        api.on(path, status(403, "Forbidden", "no"))
    with pytest.raises(SystemExit) as end:
        cli.main(["cluster", "--server", api.url])
    assert end.value.code == 3
    assert "inconclusive" in capsys.readouterr().out
