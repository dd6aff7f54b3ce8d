"""What DNS pods said that were asked themselves, where no rule accounts for it, and what they could
not be asked."""

from __future__ import annotations

from collections.abc import Collection

from kubectl_dnsdebug.model import CLUSTER, Role, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.report.pictures.proofs import describe
from kubectl_dnsdebug.report.unknowns import ASKED, Unknown


def failures(seen: Observed, explained: Collection[str]) -> list[tuple[Subject, str]]:
    """Answers that are of no use, but for those that a finding names, by DNS pod."""
    return [
        (vantage.stands_for, describe(answer))
        for vantage in seen.evidence.vantages
        if vantage.role is Role.SERVER
        for answer in seen.ask(vantage)
        if not symptoms.says_something(answer) and answer.id not in explained
    ]


def unknowns(seen: Observed) -> list[Unknown]:
    """The DNS pods that could not be asked, and what they could not be asked for."""
    found = [
        Unknown(rule=ASKED, subject=v.stands_for, reason=v.failure, matters=True)
        for v in seen.evidence.vantages
        if v.role is Role.SERVER and v.failure
    ]
    if asked(seen) and not any("#reach." in a.id for a in seen.answers):
        why = "the cluster domain is nowhere to be read, so no name of the cluster was asked for"
        found.append(Unknown(rule=ASKED, subject=CLUSTER, reason=why, matters=True))
    return found


def asked(seen: Observed) -> bool:
    """Whether any of them was."""
    return any(v.role is Role.SERVER and not v.failure for v in seen.evidence.vantages)


def summary(seen: Observed) -> str:
    """Such as `2 of 2 answered for example.com.`; empty where none was asked."""
    said: dict[str, list[bool]] = {}
    for vantage in seen.evidence.vantages:
        for answer in seen.ask(vantage) if vantage.role is Role.SERVER else ():
            said.setdefault(answer.name, []).append(symptoms.says_something(answer))
    return ", ".join(f"{sum(good)} of {len(good)} answered for {n}" for n, good in said.items())
