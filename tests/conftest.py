"""What every test gets: no way out of the machine, no kubeconfig of the developer's."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import confusion
from tests.cluster.faults import FAULTS
from tests.cluster.fixtures import of_worker
from tests.confusion import Asked
from tests.fake_api import FakeApi, make_certificate


def pytest_addoption(parser: pytest.Parser) -> None:
    says = "bring docs/confusion.md up to date by the scenarios that are run"
    parser.addoption("--confusion", action="store_true", help=says)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What the scenarios of this run expected and what the tool named."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    asked = [
        Asked(scenario=value[0], expected=value[1], named=value[2])
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for key, value in report.user_properties
        if key == "asked" and isinstance(value, list)
    ]
    if not asked:
        return
    terminalreporter.section("causes named first")
    for line in (*confusion.mistaken(asked), confusion.total(asked)):
        terminalreporter.write_line(line)
    if config.getoption("--confusion"):
        confusion.update(asked, {name: fault.slug for name, fault in FAULTS.items()})


def pytest_configure() -> None:
    """Give each worker of a run in parallel a cluster of its own."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        own = int(os.environ.get("DNSDEBUG_CLUSTER_INDEX") or 0)
        os.environ["DNSDEBUG_CLUSTER_INDEX"] = str(of_worker(own, worker))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the real cluster, and run it last: what is fast fails first."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")
    items.sort(key=lambda item: item.get_closest_marker("cluster") is not None)


@pytest.fixture(autouse=True)
def sealed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a unit test from the network and from the settings of whoever runs it.

    Loopback stays open for the test's own servers; cluster tests have their own world.
    """
    if request.node.get_closest_marker("cluster"):
        return
    for name in list(os.environ):
        if name.startswith(("KUBE", "DNSDEBUG_")) or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    connect, sendto = socket.socket.connect, socket.socket.sendto

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse_outside(self, address)
        connect(self, address)

    def guarded_sendto(self: socket.socket, data: Any, *where: Any) -> int:
        refuse_outside(self, where[-1])
        return sendto(self, data, *where)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "sendto", guarded_sendto)


def refuse_outside(sock: socket.socket, address: Any) -> None:
    """Fail the test that talks to anything but this machine."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        host = str(address[0]).partition("%")[0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"a unit test tried to reach {host}")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """An API server that a test tells what to say."""
    with FakeApi() as server:
        yield server


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of certificates: NAME.pem and NAME.key."""
    folder = tmp_path_factory.mktemp("pki")
    make_certificate(folder, "ca")
    make_certificate(folder, "other-ca")
    make_certificate(folder, "server", issuer="ca")
    make_certificate(folder, "expired", issuer="ca", days=-1)
    make_certificate(folder, "misnamed", issuer="ca", host="api.test")
    make_certificate(folder, "client", issuer="ca")
    return folder


@pytest.fixture
def secure(pki: Path) -> Iterator[FakeApi]:
    """One with TLS: without it nobody sends credentials."""
    with FakeApi(pki / "server.pem", pki / "server.key", ca=pki / "ca.pem") as server:
        yield server
