"""`diff`: equal, different or not known, told from three files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli, evidence
from kubectl_dnsdebug.model import Evidence, Purpose, Role
from kubectl_dnsdebug.observe.host import ETC
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
    # What is right and differs nevertheless has its reason too, once for lines that share it.
    assert lines.count("Kubelet's own, for this policy.") == 2
    assert any(line.startswith("The node's own: kubelet does not give it") for line in lines)


STUB, REAL = "/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf"
ETC_LINK = f"link {ETC} {STUB}\nfile {ETC}\nline {ETC} nameserver 127.0.0.53\n"
BEHIND = f"file {REAL}\nline {REAL} nameserver 192.0.2.53\nline {REAL} search lan\n"


def looked_at(found: Evidence, kubelet: str, *files: str) -> Evidence:
    """The same with --deep: what the node shows of its files."""
    place = Place(Role.HOST)
    place.say("host.kubelet.w1", ("witness", "kubelet", "w1"), kubelet)
    for text in files:
        path = text.split()[1]
        place.say(f"host.file.{path}", ("witness", "file", path), text)
    return replace(
        found,
        request=replace(found.request, deep="kube-system"),
        vantages=(*found.vantages, place.vantage),
        transcripts=(*found.transcripts, *place.transcripts),
    )


def kubelet_of(path: str, text: str) -> str:
    return f"program /usr/bin/kubelet\nflag resolv-conf={path}\n{text}"


def test_the_nodes_own_files_stand_beside_and_links_are_followed() -> None:
    found = conf_diff.build(
        looked_at(compared(CONF, HOST_CONF), kubelet_of(REAL, BEHIND), ETC_LINK, BEHIND)
    )
    assert [each.key for each in found.columns][3:] == ["kubelet", "host"]
    assert conf_diff.exit_code(found) == 0
    wide = replace(PLAIN, width=80)
    shown = side_by_side.render(found, wide)
    assert all(len(line) <= 80 for line in shown.splitlines()), shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert f"host the node's own: {ETC} -> {STUB}" in " ".join(lines)
    assert "nameserver 127.0.0.53 no no no no yes" in lines
    assert any("its own programs ask; pods do not get it" in line for line in lines)


def test_a_loopback_that_pods_get_is_told_with_the_file_that_is_right() -> None:
    loopback = compared(CONF.replace(" lan", ""), "nameserver 127.0.0.53\n")
    found = conf_diff.build(looked_at(loopback, kubelet_of(ETC, ETC_LINK), ETC_LINK, BEHIND))
    assert [each.key for each in found.columns][3:] == ["host", "resolved"]
    (line,) = (each for each in found.lines if each.value == "127.0.0.53")
    assert "in a pod nothing listens there" in line.why
    assert REAL in line.why


def test_a_default_pod_that_got_another_file_than_kubelet_reads() -> None:
    found = conf_diff.build(
        looked_at(
            compared(CONF, "nameserver 8.8.8.8\nsearch lan\n"), kubelet_of(REAL, BEHIND), BEHIND
        )
    )
    assert conf_diff.exit_code(found) == 4
    reasons = {line.value: line.why for line in found.lines if line.differs}
    assert "A Default pod gets it, yet" in reasons["8.8.8.8"]
    assert "a Default pod does not get it" in reasons["192.0.2.53"]


def test_a_node_that_could_not_be_looked_at_is_no_equality() -> None:
    found = compared(CONF, HOST_CONF)
    deep = replace(found, request=replace(found.request, deep="kube-system"))
    view = conf_diff.build(deep)
    assert (conf_diff.exit_code(view), len(view.gaps)) == (3, 1)


def test_a_line_too_long_for_the_screen_stays_whole() -> None:
    long = "a-suffix-with-a-very-long-name.of-a-host.in-a-datacentre.example.com"
    found = conf_diff.build(compared(CONF.replace("lan", long), HOST_CONF.replace("lan", long)))
    shown = side_by_side.render(found, replace(PLAIN, width=80))
    assert f"  search {long}\n" in shown
    assert all(len(line) <= 80 for line in shown.splitlines()), shown


def test_fresh_pods_of_a_node() -> None:
    found = compared(CONF, HOST_CONF)
    request = replace(found.request, targets=("node/w1",), home="shop")
    view = conf_diff.build(replace(found, request=request))
    assert (conf_diff.exit_code(view), view.node) == (0, "w1")
    assert "resolv.conf of node/w1\n" in side_by_side.render(view, PLAIN)
    assert conf_diff.as_json(view)["target"] == "node/w1"


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
