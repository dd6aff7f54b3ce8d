"""Faults of single names: Services whose records cannot be what the client hopes for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

from tests.cluster import apps
from tests.cluster.change import applied
from tests.cluster.cluster import Cluster
from tests.cluster.dns_change import dns_pods
from tests.cluster.faults.fault import Fault, bites

SUFFIX = "shop.svc.cluster.local."


@contextmanager
def headless_without_endpoints(cluster: Cluster) -> Iterator[None]:
    """A headless name exists only while a ready pod stands behind it."""
    with applied(cluster, apps.service("ledger", selects="ledger", headless=True)):
        cluster.pod("web").expect("NXDOMAIN", f"ledger.{SUFFIX}")
        yield


@contextmanager
def external_name_is_address(cluster: Cluster) -> Iterator[None]:
    """An ExternalName is a CNAME, and no address can be the target of one."""
    bank = apps.service("bank", selects="bank", type="ExternalName", externalName="203.0.113.77")
    del bank["spec"]["selector"]
    with applied(cluster, bank):
        reply = cluster.pod("web").dig(f"bank.{SUFFIX}")
        bites(not reply.addresses, "it resolves")
        yield


@contextmanager
def service_without_endpoints(cluster: Cluster) -> Iterator[None]:
    """DNS is right and the connection fails all the same."""
    with applied(cluster, apps.service("mail", selects="mail")):
        sleep(2)  # for the DNS pods to hear of it: what they deny they deny for a while
        cluster.pod("web").expect("NOERROR", f"mail.{SUFFIX}")
        yield


@contextmanager
def remembered_as_absent(cluster: Cluster) -> Iterator[None]:
    """A client asks before the Service is there, and the DNS pods remember what they told it."""
    web, name = cluster.pod("web"), f"late.{SUFFIX}"
    for pod in dns_pods(cluster):
        web.expect("NXDOMAIN", name, server=pod["status"]["podIP"])
    with applied(cluster, apps.service("late", selects="api")):
        sleep(2)  # for the DNS pods to hear of it
        web.expect("NXDOMAIN", name)
        yield


FAULTS = (
    Fault(
        name="headless-without-endpoints",
        slug="headless-or-pod-record-missing",
        title="A headless Service without a ready pod",
        apply=headless_without_endpoints,
        args=("--name", "ledger"),
    ),
    Fault(
        name="externalname-address",
        slug="externalname-bad",
        title="An ExternalName Service that names an address",
        apply=external_name_is_address,
        args=("--name", "bank"),
    ),
    Fault(
        name="remembered-as-absent",
        slug="negative-or-client-cache",
        title="A Service that was asked for just before it was made",
        apply=remembered_as_absent,
        args=("--name", "late"),
    ),
    Fault(
        name="not-dns",
        slug="not-dns",
        title="A Service that resolves and has nothing behind it",
        apply=service_without_endpoints,
        args=("--name", "mail"),
    ),
)
