"""Faults that are over: the logs are full of them, and nothing of it is so any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.cluster import dns_setup
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import (
    dns_logs,
    restart_dns,
    wait_dns_pods,
    wait_log,
)
from tests.cluster.faults import path
from tests.cluster.faults.fault import KUBERNETES, Fault, bites, fresh
from tests.cluster.upstream import EXTERNAL, Rule, Zone

TIMES = 12  # that an error must stand in the logs, to be more than a slip


@contextmanager
def upstream(cluster: Cluster) -> Iterator[None]:
    """The upstream was dead until a moment ago."""
    web = cluster.pod("web")
    with cluster.upstream.telling(Zone(rules=(Rule(name=".", do="drop"),))):
        for _ in range(TIMES):
            web.dig(fresh(), seconds=1)
        wait_log(cluster, f"->{cluster.layout.upstream}:53: i/o timeout")
    web.expect("NOERROR", f"{EXTERNAL}.")
    bites(dns_logs(cluster).count("i/o timeout") >= TIMES, "the logs tell of it")
    yield


@contextmanager
def loop(cluster: Cluster) -> Iterator[None]:
    """CoreDNS asked itself and stopped; it was given its upstream back, and started again."""
    setup = cluster.setup
    asking_itself = replace(setup, corefile_text=replace(setup, forward="127.0.0.1").corefile)
    try:
        cluster.kubectl.replace(dns_setup.config_map(asking_itself))
        restart_dns(cluster, ready=False)
        wait_log(cluster, "plugin/loop: Loop (127.0.0.1:")
    finally:
        cluster.kubectl.replace(dns_setup.config_map(setup))
    wait_dns_pods(cluster, timeout=180)
    cluster.pod("web").expect("NOERROR", KUBERNETES)
    bites("Loop (" in dns_logs(cluster, previous=True), "their last runs tell of it")
    try:
        yield
    finally:
        restart_dns(cluster)


@contextmanager
def loop_then_rules(cluster: Cluster) -> Iterator[None]:
    """After the loop something else is broken: a node has no rules for Services."""
    with loop(cluster), path.kube_proxy_rules_missing(cluster):
        yield


FAULTS = (
    Fault(
        name="upstream-was-silent",
        slug=None,
        title="The logs are full of an upstream that answers again",
        apply=upstream,
    ),
    Fault(
        name="loop-is-over",
        slug=None,
        title="CoreDNS was in a loop, was healed and started again by itself",
        apply=loop,
    ),
    Fault(
        name="rules-missing-after-loop",
        slug="kube-proxy-rules-missing",
        title="The loop is healed, and now a node has no rules for Services",
        apply=loop_then_rules,
    ),
)
