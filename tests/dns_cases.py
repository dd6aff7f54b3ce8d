"""Recorded evidence made into that of another cluster: its Corefile, its objects, its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kubectl_dnsdebug.model import Evidence, Fact, Finding, State, Transcript
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason import diagnose
from kubectl_dnsdebug.rules import RULES
from tests.rule_cases import CASES, load

BY_SLUG = {rule.slug: rule for rule in RULES}


def case(name: str) -> Evidence:
    return load(CASES / name / "evidence.json")


def found(slug: str, evidence: Evidence) -> list[Finding]:
    verdicts = diagnose.diagnose(Observed(evidence), [BY_SLUG[slug]])
    assert not [v.reason for v in verdicts if v.crashed]
    return [finding for verdict in verdicts for finding in verdict.findings]


def fact(id: str, data: Mapping[str, Any]) -> Fact:
    return Fact(id=id, state=State.GOT, data=data)


def with_facts(evidence: Evidence, *more: Fact) -> Evidence:
    """With these in front, as facts that were read first, in the place of any of their names."""
    ids = {each.id for each in more}
    return replace(evidence, facts=(*more, *(f for f in evidence.facts if f.id not in ids)))


def changed(evidence: Evidence, kind: str, change: Callable[[Any], Any]) -> Evidence:
    """With `change` made to the data of every fact of a kind."""
    facts = [
        replace(f, data=change(f.data)) if f.id.partition("/")[0] == kind else f
        for f in evidence.facts
    ]
    return replace(evidence, facts=tuple(facts))


def with_corefile(evidence: Evidence, text: str) -> Evidence:
    return changed(evidence, "configmap", lambda data: {**data, "data": {"Corefile": text}})


def logged(evidence: Evidence, *messages: str) -> Evidence:
    """With these alone in the logs of the DNS pods, said just now."""
    stamp = evidence.collected_at.replace("+00:00", "Z")
    lines = [f"{stamp} {message}" for message in messages]
    both = changed(evidence, "log", lambda data: {"lines": lines})
    return changed(both, "log-previous", lambda data: {"lines": lines})


def answered(
    evidence: Evidence, probe: str, status: str, record: str = "", server: str = "", at: str = ""
) -> Evidence:
    """With this answer to every dig of probes that match, of one server and place if given."""

    def other(each: Transcript) -> Transcript:
        asked = each.argv[1] if each.argv[:1] == ("dig",) else ""
        if not asked.startswith("@") or not re.match(probe, each.probe):
            return each
        if (server and asked != f"@{server}") or not each.vantage.startswith(at):
            return each
        return replace(each, out=_reply(each, status, record), exit_code=0, failure="")

    return replace(evidence, transcripts=tuple(map(other, evidence.transcripts)))


def _reply(asked: Transcript, status: str, record: str) -> str:
    server, name, kind = asked.argv[1][1:], asked.argv[5], asked.argv[7]
    header = (
        "; <<>> DiG 9.18.49 <<>>",
        ";; Got answer:",
        f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: 7",
        f";; flags: qr rd; QUERY: 1, ANSWER: {int(bool(record))}, AUTHORITY: 0, ADDITIONAL: 0",
        ";; QUESTION SECTION:",
        f";{name} IN {kind}",
        "",
    )
    section = (";; ANSWER SECTION:", f"{name} 5 IN {kind} {record}", "") if record else ()
    end = (";; Query time: 1 msec", f";; SERVER: {server}#53({server}) (UDP)")
    return "\n".join((*header, *section, *end))
