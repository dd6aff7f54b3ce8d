"""`diff`: equal, different or not known, told from three files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli, evidence
from kubectl_dnsdebug.model import Evidence, Purpose, Role
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import spots
from kubectl_dnsdebug.report import conf_diff
from kubectl_dnsdebug.report.render import Style, side_by_side
from tests import reports
from tests.places import RUN, target
from tests.reports import CONF, HOST_CONF, Place

PLAIN = Style(width=100, colour=False, unicode=False)
SITUATIONS = {
    "equal": (CONF, HOST_CONF, 0),
    "another nameserver": (CONF.replace("10.96.0.10", "10.96.0.99"), HOST_CONF, 4),
    "no ndots": (CONF.replace("options ndots:5\n", ""), HOST_CONF, 4),
    "no host's file": (CONF, "", 3),
    "another nameserver, no host's file": (CONF.replace("0.10", "0.99"), "", 4),
    "no file of the pod": ("", HOST_CONF, 3),
}


def compared(pod: str, host: str) -> Evidence:
    places = [Place(Role.CONTROL).file(CONF)]
    places += [Place(Role.TARGET).file(pod)] if pod else []
    places += [Place(Role.DEFAULT).file(host)] if host else []
    found = reports.evidence(*places)
    return replace(found, request=replace(found.request, purpose=Purpose.DIFF))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_exit_code(situation: str) -> None:
    pod, host, code = SITUATIONS[situation]
    found = conf_diff.build(compared(pod, host))
    assert conf_diff.exit_code(found) == code
    assert f"Exit code {code}." in side_by_side.render(found, PLAIN)


def test_every_line_is_there_and_what_differs_is_explained() -> None:
    pod, host, _ = SITUATIONS["another nameserver"]
    shown = side_by_side.render(conf_diff.build(compared(pod, host)), PLAIN).splitlines()
    lines = [" ".join(line.split()) for line in shown]
    assert "! nameserver 10.96.0.99 yes no no" in lines
    assert "! nameserver 10.96.0.10 no yes no" in lines
    assert "search lan yes yes yes" in lines
    assert "option ndots:5 yes yes no" in lines
    assert any(line.startswith("Kubelet would add it today") for line in lines)


def test_a_pod_that_is_gone_is_no_equality() -> None:
    gone = replace(compared(CONF, HOST_CONF), facts=())
    found = conf_diff.build(gone)
    assert (conf_diff.exit_code(found), len(found.gaps)) == (3, 1)


def test_only_files_are_read() -> None:
    seen = Observed(replace(compared(CONF, HOST_CONF), vantages=(), transcripts=()))
    places = spots.spots(seen, [target()], RUN, "ephemeral")
    assert {place.role for place in places} == {Role.TARGET, Role.CONTROL, Role.DEFAULT}
    assert sum(place.plan.cost for place in places) == 0


def test_a_replay_compares_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    pod, host, code = SITUATIONS["no ndots"]
    file.write_text(evidence.dump(compared(pod, host)))
    with pytest.raises(SystemExit) as end:
        cli.main(["replay", str(file), "-o", "json"])
    assert end.value.code == code
    shown = json.loads(capsys.readouterr().out)
    assert (shown["exit_code"], len(shown["differences"])) == (code, 1)
