"""A run against a cluster: the session, the one request, signals turned into an orderly end.

The client library is loaded when it is used.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.model import Purpose, Request
from kubectl_dnsdebug.terminal.settings import DEFAULT_IMAGE
from kubectl_dnsdebug.terminal.signals import signals_raise

if TYPE_CHECKING:
    from kubectl_dnsdebug.api.cluster import Session
    from kubectl_dnsdebug.collect.targets import Target
    from kubectl_dnsdebug.model import Evidence

NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")


def must_be_name(name: str, what: str) -> None:
    """Raise UsageError for what no tool should be told to ask."""
    if _is_address(name):
        raise click.UsageError(f"{what} {name} is an address: there is nothing to resolve")
    if len(name) > 253 or not NAME.fullmatch(name) or max(map(len, name.split("."))) > 63:
        hint = ""
        with suppress(UnicodeError):  # "b\u00fccher.example" is one to people only
            ascii_form = name.encode("idna").decode()
            if ascii_form != name and NAME.fullmatch(ascii_form):
                hint = f"; DNS has it as {ascii_form}"
        raise click.UsageError(f"{what} {name!r} is no DNS name{hint}")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def request(
    given: dict[str, Any], found: Sequence[Target], purpose: Purpose = Purpose.DIAGNOSE
) -> Request:
    """What the flags ask for, of these targets."""
    return Request(
        targets=tuple(str(target.pod.subject) for target in found),
        picked_by=tuple(target.picked_by for target in found),
        names=given.get("names", ()),
        image=given["image"] or DEFAULT_IMAGE,
        mode=given["mode"],
        timeout=given["timeout"],
        deep=given["deep_namespace"] if given.get("deep") else "",
        watch=given.get("watch", 0.0),
        purpose=purpose,
    )


def api_only(session: Session, *, ask: bool = False) -> Evidence:
    """What the API alone tells, and, if the DNS pods are to be asked, what they say."""
    from kubectl_dnsdebug import evidence
    from kubectl_dnsdebug.collect import api_only as collect
    from kubectl_dnsdebug.terminal.progress import progress

    with progress() as say:
        return evidence.load(evidence.dump(collect.read(session, say, ask=ask)))


def session(given: dict[str, Any]) -> Session:
    """The cluster of the flags and the kubeconfig. Raises DnsdebugError."""
    from kubectl_dnsdebug.api import kubeconfig
    from kubectl_dnsdebug.api.cluster import open_session
    from kubectl_dnsdebug.terminal.progress import overdue

    fields = kubeconfig.Flags.__dataclass_fields__
    flags = kubeconfig.Flags(**{name: given[name] for name in fields if name in given})
    if given.get("deep"):
        kubeconfig.must_be_namespace(given["deep_namespace"], usage=True)
    access = kubeconfig.load(flags, os.environ)
    # A credential plugin may wait for ever, and outlive a program that ends without a word to it.
    with signals_raise(), overdue("waiting for the credentials of the kubeconfig"):
        return open_session(access)


def targets(session: Session, words: Sequence[str], selector: str = "") -> tuple[Target, ...]:
    """The pods that the words mean. Raises DnsdebugError."""
    from kubectl_dnsdebug.collect import targets as collect
    from kubectl_dnsdebug.terminal.progress import overdue

    with overdue("waiting for the API server"):
        return collect.resolve(session, session.namespace, words, selector)


def made_by() -> str:
    """What the pods we make are labelled with."""
    return f"kubectl-dnsdebug {__version__}"


def watched_run(
    session: Session, found: Sequence[Target], request: Request, given: dict[str, Any]
) -> Evidence:
    """The run, with signals turned into an orderly end."""
    from kubectl_dnsdebug import evidence
    from kubectl_dnsdebug.collect import cleanup
    from kubectl_dnsdebug.collect import run as collect
    from kubectl_dnsdebug.collect.ledger import Ledger
    from kubectl_dnsdebug.terminal.progress import progress

    ledger = Ledger()
    with signals_raise(ledger.by_hand), progress() as say:
        try:
            got = collect.run(
                session, found, request, made_by(), ledger, say, tuple(given["pull_secrets"])
            )
        except BaseException:
            cleanup.settle(session, ledger)  # the signal may have come while it was doing this
            for entry in ledger.entries():
                if entry.fate not in ("", cleanup.REMOVED):
                    click.echo(f"{entry.what}: {entry.fate}", err=True)
            raise
    return evidence.load(evidence.dump(got))
