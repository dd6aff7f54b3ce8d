"""Evidence that may be shared: no name or address of the cluster left, the same verdict."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.anonymize import anonymize
from kubectl_dnsdebug.anonymize.addresses import Addresses
from kubectl_dnsdebug.model import Evidence
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.rules import RULES
from tests import reports

KEY = b"a key of the tests"
CASES = sorted((Path(__file__).parent / "cases").glob("*/*/evidence.json"))


def verdict(evidence: Evidence) -> list[object]:
    """What must not change: each finding's rule, weight and certainty, and the end."""
    made = report.build(evidence, RULES)
    found = [
        (f.rule, f.subject.scope, f.severity, f.confidence)
        for f in report.flatten((*made.causes, *made.advice))
    ]
    return [
        made.outcome,
        made.exit_code,
        found,
        sorted((each.rule, each.subject.scope, each.matters) for each in made.unknown),
        sorted((rule, subject.scope) for rule, subject in made.clear),
        [[hop.state for hop in path] for path in made.paths],
        [(node.marks, group) for node, group in (made.sweep.nodes if made.sweep else ())],
        [[d.kind for d in each.differences] for each in made.resolv_conf],
        [
            [
                (row.form, row.type, [cell.status for cell in row.cells.values()])
                for row in each.rows
            ]
            for each in made.matrices
        ],
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_the_verdict_stays(case: Path) -> None:
    original = files.load(case.read_text("utf-8"))
    changed = anonymize(original, KEY)
    assert verdict(changed) == verdict(original)
    again = files.load(files.dump(changed))
    assert again == changed


# Names that the test cluster gives, and that mean something to its owner only.
OWN = re.compile(r"(?<![\w-])(shop|payments|ledger|mail|web|api|w1|w2|cp|victim|peers)(?![\w-])")
V4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
PUBLIC = [ip_network(n) for n in ("127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "8.8.0.0/16")]
KINDS = {"10.0.0.0", "172.16.0.0", "192.168.0.0"}  # the networks that only say what kind it is


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_nothing_of_the_cluster_is_left(case: Path) -> None:
    original = case.read_text("utf-8")
    # Its own counts have words in them, as "api requests".
    changed = files.dump(replace(anonymize(files.load(original), KEY), counts={}))
    assert not OWN.search(changed), OWN.findall(changed)
    before = {each for each in V4.findall(original) if _is_own(each)}
    after = set(V4.findall(changed))
    assert not before & after


def _is_own(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return text not in KINDS and not any(address in each for each in PUBLIC)


def test_a_token_is_the_same_wherever_the_name_stands() -> None:
    place = reports.in_pod().battery()
    place.say("form.web", ("nslookup", "web"), "** server can't find web: NXDOMAIN")
    text = files.dump(
        anonymize(reports.evidence(place, *reports.surroundings(), picked_by=("deploy/web",)), KEY)
    )
    data = json.loads(text)
    service = next(
        each["metadata"]["name"]
        for fact in data["facts"]
        if fact["id"] == "services"
        for each in fact["data"]["items"]
        if each["metadata"]["name"] != "kube-dns"
    )
    assert f"can't find {service}: NXDOMAIN" in text
    assert f"deploy/{service}" in text
    assert f"{service}." in text
    assert "kube-dns" in text
    assert "kubernetes.default.svc.cluster.local." in text


def test_free_text_is_rewritten_too() -> None:
    told = (
        "[ERROR] plugin/errors: 2 Billing.Acme.Corp. A: read udp 10.244.1.3:38545->198.51.100.9:53:"
        " i/o timeout at web-1 2001:db8:5::7 7.7.96.10.in-addr.arpa."
        " other.10.97.0.1.10.97.0.10 v1.30.2 2025-01-01T00:00:00.5Z"
    )
    log = reports.got("log/kube-system/coredns-a", {"lines": [told]})
    raw = reports.evidence(
        reports.in_pod(), *reports.surroundings(), facts=(*reports.cluster("web-1"), log)
    )
    (line,) = anonymize(raw, KEY).facts[-1].data["lines"]
    for secret in (
        "billing",
        "acme",
        "10.244.1.3",
        "198.51.100.9",
        "web-1",
        "db8:5",
        "7.7.96",
        "10.97.0",
    ):
        assert secret not in line.lower()
    for kept in (
        "[ERROR] plugin/errors: 2 ",
        ":53: i/o timeout",
        ".in-addr.arpa.",
        "v1.30.2",
        ".5Z",
    ):
        assert kept in line


def test_another_key_gives_other_addresses() -> None:
    evidence = reports.evidence(reports.in_pod().battery(), *reports.surroundings())
    assert anonymize(evidence, b"one") != anonymize(evidence, b"two")
    assert anonymize(evidence, b"one") == anonymize(evidence, b"one")


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "127.0.0.53", "169.254.20.10", "8.8.8.8", "0.0.0.0", "::1", "::"]
)
def test_addresses_that_rules_know_stay(text: str) -> None:
    assert Addresses(KEY).mapped(text, "") == text


@given(st.ip_addresses())
def test_networks_stay_networks_and_kinds_stay_kinds(address: object) -> None:
    table = Addresses(KEY)
    one = ip_address(str(address))
    made = ip_address(table.mapped(str(one), ""))
    assert made.version == one.version
    assert made.is_loopback == one.is_loopback
    assert made.is_link_local == one.is_link_local
    if one in ip_network("10.0.0.0/8"):
        assert made in ip_network("10.0.0.0/8")


@given(st.ip_addresses(v=4, network="10.0.0.0/8"), st.integers(9, 32))
def test_an_address_stays_in_its_network(address: object, length: int) -> None:
    table = Addresses(KEY)
    network = ip_network(f"{address}/{length}", strict=False)
    mapped = ip_network(table.mapped(str(network.network_address), f"/{length}"))
    assert ip_address(table.mapped(str(address), "")) in mapped


def test_a_reverse_name_is_the_address_backwards() -> None:
    table = Addresses(KEY)
    forwards = table.mapped("10.96.7.8", "").split(".")
    assert table.reverse(["10", "96", "7", "8"], "in-addr") == forwards[::-1]
    assert table.reverse(["10", "96"], "in-addr") == forwards[:2][::-1]
    six = ip_address("2001:db8::7")
    nibbles = list(f"{int(six):032x}")
    made = ip_address(table.mapped(str(six), ""))
    assert table.reverse(nibbles, "ip6") == list(f"{int(made):032x}")[::-1]
