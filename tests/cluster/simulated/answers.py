"""What pods of simulated nodes say: summaries and logs of pods that real nodes ran."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from kubectl_dnsdebug.model import Evidence, Transcript
from tests.cluster.simulated.nodes import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one probing container leaves: its termination message and its log."""

    summary: str
    log: str


# Of each kind of node what the pod of each role says.
Answers = Mapping[Kind, Mapping[str, Said]]


def of_node(evidence: Evidence, node: str) -> dict[str, Said]:
    """What the pods of this node said in a run, by their role."""
    swept = next(fact for fact in evidence.facts if fact.id == f"swept/{node}")
    found = {}
    for role, summary in swept.data["summaries"].items():
        vantage = next(v for v in evidence.vantages if v.node == node and v.role.value == role)
        transcripts = (t for t in evidence.transcripts if t.vantage == vantage.id)
        found[role] = Said(summary=summary, log=log(transcripts))
    return found


def answers(healthy: Mapping[str, Said], ill: Mapping[str, Said]) -> Answers:
    """Of every kind of node. A torn summary makes the tool ask what it asks of an ill node."""
    torn = {
        role: Said(summary=tear(said.summary), log=said.log)
        for role, said in {**ill, **healthy}.items()
    }
    return {Kind.PLAIN: healthy, Kind.ILL: ill, Kind.TORN: torn}


def tear(summary: str) -> str:
    """The summary with one character lost: its checksum does not hold any more."""
    return summary[:-1]


def log(transcripts: Iterable[Transcript]) -> str:
    """The runner's log of these, as `frames` reads it."""
    lines = ["= begin dnsdebug-runner/1"]
    all_of_them = tuple(transcripts)
    for each in all_of_them:
        lines.append(f"{each.probe} $ {' '.join(each.argv)}")
        if each.exit_code is None:
            lines.append(f"{each.probe} ! {each.failure}")
        else:
            text = each.out.splitlines()
            lines += [f"{each.probe} > {line}" for line in text]
            lines.append(f"{each.probe} . {each.exit_code} {len(text)}")
    return "\n".join([*lines, f"= end {len(all_of_them)}"]) + "\n"


def dump(found: Answers, path: Path) -> None:
    data = {kind: {role: asdict(said) for role, said in of.items()} for kind, of in found.items()}
    path.write_text(json.dumps(data))


def load(path: Path) -> Answers:
    data = json.loads(path.read_text())
    return {
        Kind(kind): {role: Said(**said) for role, said in of.items()} for kind, of in data.items()
    }
