"""One telling line for each piece of evidence that a finding names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from kubectl_dnsdebug.model import Answer, Fact, State, Transcript
from kubectl_dnsdebug.observe.objects import Pod, at, items, read_node, read_pod
from kubectl_dnsdebug.observe.observed import Observed

LONGEST = 240  # characters of one line
TELLING = re.compile(r"\[(FATAL|ERROR|WARNING)\]|\b(fatal|error|fail|panic|denied|timeout)", re.I)
_WORD = re.compile(r"[\w.:-]*\w")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ")


def proofs(seen: Observed, wanted: Mapping[str, str]) -> dict[str, str]:
    """Evidence id to line, for the ids that the evidence has.

    `wanted` maps ids to what is to be proven by them: of long texts the lines that speak of the
    same addresses, ports and names come first.
    """
    found: dict[str, str] = {}
    for answer in seen.answers:
        if answer.id in wanted:
            found.setdefault(answer.id, _cut(describe(answer)))
    for transcript in seen.evidence.transcripts:
        if transcript.id in wanted and transcript.id not in found:
            words = _words(wanted[transcript.id])
            found[transcript.id] = _cut(_transcript(transcript, words))
    for fact in seen.evidence.facts:
        if fact.id in wanted:
            found[fact.id] = _cut(_fact(fact, _words(wanted[fact.id])))
    return found


def _words(text: str) -> set[str]:
    """Those that name one thing: with a digit or a dot in them, such as addresses and ports."""
    return {word for word in _WORD.findall(text) if any(c.isdigit() or c == "." for c in word)}


def _to_the_point(lines: Iterable[str], words: Collection[str]) -> list[str]:
    """Lines with the most of these words first."""
    return sorted(lines, key=lambda line: -len(_words(line) & set(words)))


def describe(answer: Answer) -> str:
    """`dig kubernetes.default.svc.cluster.local. A @10.96.0.10 over UDP: timeout`."""
    name = answer.name.rstrip(".") if answer.via_search else answer.name
    whom = f" @{answer.server} over {answer.transport.value.upper()}" if answer.server else ""
    data = ", ".join(r.data for r in answer.records[:4])
    said = answer.status.value + (f" {data}" if data else "")
    took = f" in {answer.ms:.0f} ms" if answer.ms is not None else ""
    # What a silence prints repeats server and status; a reply that was thrown away is news.
    stale = answer.status.is_silence and "unexpected" not in answer.detail
    detail = f" ({answer.detail.lstrip('; ')})" if answer.detail and not stale else ""
    return f"{answer.tool} {name} {answer.type}{whom}: {said}{took}{detail}"


def _transcript(transcript: Transcript, words: Collection[str]) -> str:
    lines = [*filter(None, transcript.out.splitlines())]
    if len(transcript.out) > LONGEST:
        lines = _to_the_point(lines, words)
    said = transcript.failure or "; ".join(lines)
    what = "/etc/resolv.conf" if transcript.probe == "conf" else transcript.probe
    return f"{what} at {transcript.vantage.partition('#')[0]}: {said or 'no output'}"


def _fact(fact: Fact, words: Collection[str]) -> str:
    if fact.state is not State.GOT:
        return f"{fact.id}: {fact.reason}"
    kind = fact.id.partition("/")[0]
    if kind in ("log", "log-previous"):
        return f"{fact.id}: {_log(at(fact.data, 'lines', default=()), words)}"
    if kind in ("events", "node-events"):
        return f"{fact.id}: {'; '.join(str(e.get('message', '')) for e in items(fact.data)[-2:])}"
    if kind == "pod":
        return _pod(read_pod(fact.data))
    if kind in ("dns-pods", "system-pods"):
        return "; ".join(_pod(read_pod(each)) for each in items(fact.data)) or f"{fact.id}: no pods"
    if kind == "node":
        node = read_node(fact.data)
        ready = {True: "Ready", False: "not Ready", None: "Ready unknown"}[node.ready]
        return ", ".join([f"node/{node.name}: {ready}", *node.taints])
    if kind == "endpointslices":
        return f"{fact.id}: {_endpoints(fact)}"
    if kind == "configz":
        told = {
            k: v for k, v in fact.data.items() if k in ("clusterDNS", "clusterDomain", "resolvConf")
        }
        return f"kubelet of {fact.id.partition('/')[2]}: " + ", ".join(
            f"{key} {_plain(value)}" for key, value in told.items()
        )
    if "items" in fact.data:
        names = [at(each, "metadata", "name", default="") for each in items(fact.data)]
        return f"{fact.id}: {', '.join(names) or 'none'}"
    return f"{fact.id}: {_plain(at(fact.data, 'data', default=fact.data))}"


def _log(lines: Iterable[str], words: Collection[str]) -> str:
    """The last line that complains of what is to be proven, else of anything, else the last one."""
    texts = [_STAMP.sub("", line) for line in lines][::-1]
    telling = [text for text in texts if TELLING.search(text)] or texts
    return next(iter(_to_the_point(telling, words)), "empty")


def _pod(pod: Pod) -> str:
    state = [pod.phase or "no phase", "ready" if pod.ready else "not ready"]
    state += [c.waiting for c in pod.containers if c.waiting]
    state += [f"last ended {c.last_exit}" for c in pod.containers if c.last_exit]
    state += [f"{pod.restarts} restarts"] if pod.restarts else []
    return f"pod/{pod.namespace}/{pod.name}: {', '.join(state)}"


def _endpoints(fact: Fact) -> str:
    states = [
        f"{ip} {'ready' if at(each, 'conditions', 'ready', default=True) else 'not ready'}"
        for piece in items(fact.data)
        for each in piece.get("endpoints") or ()
        for ip in each.get("addresses") or ()
    ]
    return ", ".join(states) or "no endpoints"


def _plain(value: object) -> str:
    """Nested data as words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(held)}" for key, held in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value))
    return str(value)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
