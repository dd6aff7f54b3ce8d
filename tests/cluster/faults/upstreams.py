"""Faults beyond the cluster: what its upstream DNS server answers, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import wait_log
from tests.cluster.faults.fault import KUBERNETES, Fault, fresh
from tests.cluster.shell import wait_for
from tests.cluster.upstream import EXTERNAL, Rule, Zone


@contextmanager
def silent(cluster: Cluster) -> Iterator[None]:
    with cluster.upstream.telling(Zone(rules=(Rule(name=".", do="drop"),))):
        web = cluster.pod("web")
        web.expect({"SERVFAIL", "timeout"}, fresh(), seconds=8)
        web.expect("NOERROR", KUBERNETES)
        wait_log(cluster, f"->{cluster.layout.upstream}:53: i/o timeout")
        yield


@contextmanager
def answering(cluster: Cluster, *, action: str, status: str) -> Iterator[None]:
    """The upstream gives this rcode for one zone, and CoreDNS passes it on."""
    with cluster.upstream.telling(Zone(rules=(Rule(name="example.com", do=action),))):
        web = cluster.pod("web")
        web.expect(status, fresh(), server=cluster.layout.upstream)
        web.expect(status, fresh())
        web.expect("NOERROR", "kubernetes.io.")
        yield


@contextmanager
def no_aaaa(cluster: Cluster) -> Iterator[None]:
    """A answers at once, AAAA never: getaddrinfo waits for both."""
    rule = Rule(name="example.com", type="AAAA", do="drop")
    with cluster.upstream.telling(Zone(rules=(rule,))):
        web = cluster.pod("web")
        web.expect("NOERROR", f"{EXTERNAL}.")
        # The servers may remember for a few seconds that there is none.
        wait_for(
            "does not bite: AAAA gets no answer",
            lambda: web.dig(f"{EXTERNAL}.", kind="AAAA").status in ("timeout", "SERVFAIL"),
            timeout=10,
        )
        yield


FAULTS = (
    Fault(
        name="upstream-timeout",
        slug="upstream-timeout",
        title="The upstream does not answer",
        apply=silent,
    ),
    Fault(
        name="upstream-servfail",
        slug="upstream-servfail-refused",
        title="The upstream answers SERVFAIL for a zone",
        apply=partial(answering, action="servfail", status="SERVFAIL"),
        args=("--name", EXTERNAL),
    ),
    Fault(
        name="upstream-refused",
        slug="upstream-servfail-refused",
        title="The upstream answers REFUSED for a zone",
        apply=partial(answering, action="refused", status="REFUSED"),
        args=("--name", EXTERNAL),
    ),
    Fault(
        name="aaaa-delay",
        slug="aaaa-delay",
        title="The upstream drops AAAA queries",
        apply=no_aaaa,
        args=("--name", EXTERNAL),
    ),
)
