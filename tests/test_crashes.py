"""The last words of DNS pods that do not start, and which cause they are of."""

from __future__ import annotations

import pytest

from tests.dns_cases import case, found, logged

COREFILE = (
    "/etc/coredns/Corefile:13 - Error during parsing: Unknown directive 'proxy'",
    "/etc/coredns/Corefile:3 - Error during parsing: File to import not found: common",
    "cannot serve dns://.:53 - it is already defined",
    'plugin/forward: not an IP address or file: "dns.corp.example"',
    "plugin/acl: illegal CIDR notation '10.0.0.0/33'",
    "plugin/cache: cache TTL can not be zero or negative: 0",
    "plugin/file: open /etc/coredns/db.corp: no such file or directory",
    "loading Caddyfile via flag: open /etc/coredns/Corefile: no such file or directory",
)
TOKEN = (
    "plugin/kubernetes: open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or "
    "directory",
    "plugin/kubernetes: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and "
    "KUBERNETES_SERVICE_PORT must be defined",
)
OTHERS = (
    "[ERROR] plugin/errors: 2 a.test. A: read udp 10.244.1.2:4->192.0.2.1:53: i/o timeout",
    "[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server",
    "Listen: listen tcp :53: bind: permission denied",
    "plugin/health: listen tcp :8080: bind: address already in use",
)


@pytest.mark.parametrize("line", COREFILE)
def test_the_corefile_is_refused(line: str) -> None:
    (finding,) = found("corefile-invalid", logged(case("corefile-invalid/corefile-invalid"), line))
    assert line in finding.message


@pytest.mark.parametrize("line", [*TOKEN, *OTHERS])
def test_the_corefile_is_not_to_blame(line: str) -> None:
    assert not found("corefile-invalid", logged(case("corefile-invalid/corefile-invalid"), line))


@pytest.mark.parametrize("line", TOKEN)
def test_without_a_token_it_does_not_reach_the_api(line: str) -> None:
    crashing = logged(case("corefile-invalid/corefile-invalid"), line)
    (finding,) = found("coredns-api-unreachable", crashing)
    assert "It ends." in finding.message


@pytest.mark.parametrize("line", [*COREFILE, *OTHERS])
def test_other_crashes_say_nothing_of_the_api(line: str) -> None:
    crashing = logged(case("corefile-invalid/corefile-invalid"), line)
    assert not found("coredns-api-unreachable", crashing)
