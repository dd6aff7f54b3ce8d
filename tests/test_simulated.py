"""The simulated nodes of the benchmark: the parts that need no cluster."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from kubectl_dnsdebug.model import Missing, Transcript
from kubectl_dnsdebug.parse import summary
from kubectl_dnsdebug.plan import frames
from kubectl_dnsdebug.plan.manifests import MANAGED_BY, ROLE
from tests.cluster.simulated import answers
from tests.cluster.simulated.answers import Said
from tests.cluster.simulated.nodes import Kind, kind_of, nodes
from tests.cluster.simulated.stages import configuration

TOLD = "conf nameserver 10.96.0.10\na reach.udp.10.96.0.10 n0 n1\nend 1"
SUMMARY = f"{summary.FORMAT} {summary.checksum(TOLD)}\n{TOLD}"
RAN = Transcript(
    id="control:shop@w1#a",
    vantage="control:shop@w1",
    probe="a",
    argv=("dig", "x."),
    out=";; one\n\n;; two",
    exit_code=0,
)
SKIPPED = Transcript(
    id="control:shop@w1#b", vantage="control:shop@w1", probe="b", argv=("dig",), failure="no dig"
)


@pytest.mark.parametrize("count", [10, 100, 5000])
def test_every_size_has_all_kinds_and_most_nodes_are_healthy(count: int) -> None:
    found = Counter(kind_of(index, stuck=True) for index in range(count))
    assert set(found) == set(Kind)
    assert found[Kind.PLAIN] == max(found.values())


def test_nodes_have_names_and_addresses_of_their_own() -> None:
    made = list(nodes(range(5000)))
    for path in ("name", "address", "range"):
        found = {
            "name": [node["metadata"]["name"] for node in made],
            "address": [node["status"]["addresses"][0]["address"] for node in made],
            "range": [node["spec"]["podCIDR"] for node in made],
        }[path]
        assert len(set(found)) == len(made), path


def test_kwok_finishes_only_pods_of_ours() -> None:
    said = answers.answers({"control": Said(summary=SUMMARY, log="")}, {})
    stages = [json.loads(each) for each in configuration(said).split("\n---\n")][1:]
    ends = [each["spec"] for each in stages if each["metadata"]["name"].startswith("pod-ends")]
    assert len(ends) == 2  # healthy and torn
    for each in ends:
        assert {MANAGED_BY, ROLE} <= set(each["selector"]["matchLabels"])
        assert "dnsdebug-summary" in each["next"]["statusTemplate"]


def test_a_torn_summary_is_none() -> None:
    assert summary.read(SUMMARY).told
    with pytest.raises(Missing):
        summary.read(answers.tear(SUMMARY))


def test_a_log_gives_the_transcripts_it_was_made_of() -> None:
    log = answers.log([RAN, SKIPPED])
    assert frames.read(log.splitlines(), RAN.vantage) == (RAN, SKIPPED)


def test_what_was_said_is_kept(tmp_path: Path) -> None:
    said = {Kind.PLAIN: {"control": Said(summary=SUMMARY, log="log")}}
    answers.dump(said, tmp_path / "answers.json")
    assert answers.load(tmp_path / "answers.json") == said
