"""Corefiles in which one plugin answers before the one that knows, and ones that only look so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kubectl_dnsdebug.model import Confidence, Evidence, Severity
from tests.dns_cases import answered, case, found, with_corefile

KUBERNETES = " kubernetes cluster.local in-addr.arpa {\n  pods insecure\n }\n"
CLUSTER = r"reach\.|svc\.|reach6\."


def with_plugins(lines: str, kubernetes: str = KUBERNETES) -> Evidence:
    text = f".:53 {{\n errors\n{lines}\n{kubernetes} forward . /etc/resolv.conf\n}}\n"
    return with_corefile(case("healthy/healthy"), text)


def blamed(evidence: Evidence) -> bool:
    return bool(found("plugin-swallows-names", evidence))


@pytest.mark.parametrize(
    ("lines", "status", "fires"),
    [
        ("hosts {\n 192.0.2.1 a.test\n}", "SERVFAIL", True),
        ("hosts {\n 192.0.2.1 a.test\n fallthrough\n}", "SERVFAIL", False),
        ("hosts {\n 192.0.2.1 a.test\n fallthrough in-addr.arpa\n}", "SERVFAIL", True),
        ("hosts {\n 192.0.2.1 a.test\n fallthrough cluster.local\n}", "SERVFAIL", False),
        ("hosts /etc/hosts a.test", "SERVFAIL", False),
        ("auto a.test {\n directory /zones\n}", "SERVFAIL", False),
        # A template that matches nothing hands on what it is told to; one that matches, nothing.
        ("template IN A {\n match ^a\\.test\\.$\n answer x\n}", "SERVFAIL", True),
        ("template IN A {\n match ^a\\.test\\.$\n fallthrough\n}", "SERVFAIL", False),
        ("template IN A {\n match ^a\\.test\\.$\n fallthrough a.test\n}", "SERVFAIL", True),
        ("template IN A a.test {\n rcode NXDOMAIN\n}", "NXDOMAIN", False),
        ("template IN ANY {\n rcode NXDOMAIN\n fallthrough\n}", "NXDOMAIN", True),
        ("template IN ANY {\n rcode NXDOMAIN\n}", "SERVFAIL", False),
        ('template IN A {\n match "\\.svc\\."\n rcode NXDOMAIN\n fallthrough\n}', "NXDOMAIN", True),
        ("template IN AAAA {\n rcode NXDOMAIN\n}", "NXDOMAIN", False),
        ("acl {\n block\n}", "REFUSED", True),
        ("acl {\n filter\n}", "NOERROR", True),
        ("acl {\n block\n}", "SERVFAIL", False),
        ("acl a.test {\n block\n}", "REFUSED", False),
        ("rewrite name suffix .svc.cluster.local .a.test", "NXDOMAIN", True),
        ("rewrite stop {\n name regex (.*)\\.cluster\\.local {1}.a.test\n}", "NXDOMAIN", True),
        ("rewrite name suffix .a.test .svc.cluster.local", "NXDOMAIN", False),
        ("rewrite name a.test kubernetes.default.svc.cluster.local", "NXDOMAIN", False),
        ("rewrite ttl suffix .svc.cluster.local 30", "NXDOMAIN", False),
    ],
)  # fmt: skip
def test_a_name_of_the_cluster(lines: str, status: str, fires: bool) -> None:
    assert blamed(answered(with_plugins(lines), CLUSTER, status)) is fires


@pytest.mark.parametrize(
    ("acl", "fires"),
    [
        ("drop", True),
        ("drop net 10.244.0.0/16", True),
        ("drop net 192.0.2.0/24", False),
        ("allow net 10.244.0.0/16\n drop", False),
        ("drop type AAAA net *", False),
        ("block", False),
    ],
)
def test_an_acl_that_drops_is_silent(acl: str, fires: bool) -> None:
    evidence = with_plugins(f"acl {{\n {acl}\n}}")
    told = tuple(
        replace(each, out=";; no servers could be reached", exit_code=9)
        if each.argv[:1] == ("dig",) and not each.probe.startswith("up")
        else each
        for each in evidence.transcripts
    )
    assert blamed(replace(evidence, transcripts=told)) is fires
    assert not blamed(evidence)


def test_a_file_behind_kubernetes_takes_the_names_outside() -> None:
    evidence = answered(with_plugins("file /etc/db"), r"ext\.", "NXDOMAIN")
    known = answered(evidence, r"up\.", "NOERROR", "192.0.2.7")
    assert blamed(known)
    assert not blamed(answered(with_plugins("file /etc/db a.test"), r"ext\.", "NXDOMAIN"))


def test_a_template_for_one_namespace_is_not_taken_for_a_lost_api() -> None:
    lines = "template IN ANY shop.svc.cluster.local {\n rcode NXDOMAIN\n}"
    evidence = answered(with_plugins(lines), r"svc\.", "NXDOMAIN")
    assert blamed(evidence)
    assert not found("coredns-api-unreachable", evidence)


@pytest.mark.parametrize(
    ("only", "severity", "confidence"),
    [
        ("namespaces default kube-system", Severity.ERROR, Confidence.CERTAIN),
        ("namespaces default shop", None, None),
        ("namespace_labels served=yes", Severity.ERROR, Confidence.LIKELY),
    ],
)
def test_kubernetes_serves_only_some(
    only: str, severity: Severity | None, confidence: Confidence | None
) -> None:
    kubernetes = f" kubernetes cluster.local {{\n  {only}\n }}\n"
    evidence = answered(with_plugins("", kubernetes), r"svc\.", "NXDOMAIN")
    said = found("plugin-swallows-names", evidence)
    assert [f.severity for f in said] == [severity] * bool(severity)
    assert [f.confidence for f in said] == [confidence] * bool(confidence)
    assert not found("coredns-api-unreachable", evidence)


def test_a_tenants_view_that_serves_the_pod_is_no_more_than_a_warning() -> None:
    kubernetes = " kubernetes cluster.local {\n  namespaces shop\n }\n"
    evidence = answered(with_plugins("", kubernetes), r"reach\.|reach6\.", "NXDOMAIN")
    (finding,) = found("plugin-swallows-names", evidence)
    assert finding.severity is Severity.WARNING
