"""Ask the DNS pods themselves, each over a port-forward: nothing is made for it.

The way leads through the API server and the kubelet, not through the network of pods: an answer
shows what the server says, and nothing of whether a pod would have got it.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.api.forward import Forward, ForwardError
from kubectl_dnsdebug.collect import permissions
from kubectl_dnsdebug.collect.facts import AT_ONCE, together
from kubectl_dnsdebug.model import Evidence, Fact, Missing, Role, Transcript, Transport, Vantage
from kubectl_dnsdebug.observe import names
from kubectl_dnsdebug.observe.objects import DNS_PORT, Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.dig import FORWARDED

MOST = 10  # DNS pods that are asked: where each node has one, they are all alike
TIMEOUT = 6.0  # seconds: a server that waits for its upstream gives up after that
Results = tuple[tuple[Fact, ...], tuple[Vantage, ...], tuple[Transcript, ...]]


def ask(session: Session, evidence: Evidence) -> Results:
    """The permissions, one vantage for each DNS pod, and what each said."""
    seen = Observed(evidence)
    try:
        pods = sorted(seen.dns_pods, key=lambda pod: (pod.ready, pod.name))
    except Missing:
        return (), (), ()
    running = [pod for pod in pods if pod.phase == "Running" and pod.ips][:MOST]
    namespaces = dict.fromkeys(pod.namespace for pod in running)
    rights = tuple(
        together(
            partial(permissions.review, session, each, permissions.FORWARD) for each in namespaces
        )
    )
    questions = _questions(seen, running)

    def of(pod: Pod) -> tuple[Vantage, tuple[Transcript, ...]]:
        refused = permissions.lacking(rights, pod.namespace, [permissions.FORWARD])
        if refused:
            return _vantage(pod, refused), ()
        return _asked(session, pod, _port(seen, pod), questions)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        results = list(pool.map(of, running))
    return (
        rights,
        tuple(vantage for vantage, _ in results),
        tuple(transcript for _, transcripts in results for transcript in transcripts),
    )


def _questions(seen: Observed, pods: Sequence[Pod]) -> list[tuple[str, str]]:
    """Probe and name: one that every cluster has, and one outside that this one relies on."""
    found = []
    with suppress(Missing):
        found.append(("reach.tcp", f"kubernetes.default.svc.{seen.domain}."))
    outside = next((name for pod in pods if (name := names.pick(seen, pod).external)), "")
    return found + ([("ext.tcp", f"{outside}.")] if outside else [])


def _port(seen: Observed, pod: Pod) -> int:
    try:
        known = [e.ports for e in seen.dns_endpoints if e.ip in pod.ips]
    except Missing:
        known = []
    return next((ports[Transport.TCP] for ports in known if Transport.TCP in ports), DNS_PORT)


def _vantage(pod: Pod, failure: str = "") -> Vantage:
    # It stands on no node: nothing may be learned from it about the way there.
    return Vantage(
        id=f"{Role.SERVER.value}:{pod.namespace}/{pod.name}",
        role=Role.SERVER,
        node="",
        stands_for=pod.subject,
        pod=pod.name,
        failure=failure,
    )


def _asked(
    session: Session, pod: Pod, port: int, questions: Iterable[tuple[str, str]]
) -> tuple[Vantage, tuple[Transcript, ...]]:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/portforward"
    place, transcripts = _vantage(pod), []
    try:
        for probe, name in questions:
            # One connection each: what one question ends must not cost the next.
            with session.forwarded(path, port, TIMEOUT) as forward:
                if not forward.is_open:
                    return _vantage(
                        pod, f"no port-forward to {pod.name}: {forward.reply.message}"
                    ), ()
                server = pod.ips[0]
                transcripts.append(
                    Transcript(
                        id=f"{place.id}#{probe}",
                        vantage=place.id,
                        probe=probe,
                        argv=(FORWARDED, "+tcp", "-p", str(port), f"@{server}", name, "A"),
                        out=_exchange(forward, name, f"{server}#{port}"),
                        exit_code=0,
                    )
                )
    except ClusterError as wrong:
        return _vantage(pod, f"no port-forward to {pod.name}: {wrong}"), ()
    return place, tuple(transcripts)


def _exchange(forward: Forward, name: str, server: str) -> str:
    """One question over TCP, told in dig's words."""
    query = dns.message.make_query(name, "A").to_wire()
    started = time.monotonic()
    try:
        forward.send(struct.pack("!H", len(query)) + query)
        (size,) = struct.unpack("!H", forward.receive(2, TIMEOUT))
        reply = dns.message.from_wire(forward.receive(size, TIMEOUT))
    except TimeoutError:
        return f";; communications error to {server}: timed out"
    except ForwardError as wrong:
        why = "connection refused" if "connection refused" in str(wrong) else "connection reset"
        return f";; {wrong}\n;; communications error to {server}: {why}"
    except dns.exception.DNSException as wrong:
        return f";; Got bad packet: {wrong}"
    return _as_dig(reply, server, (time.monotonic() - started) * 1000)


def _as_dig(reply: dns.message.Message, server: str, ms: float) -> str:
    status, flags = dns.rcode.to_text(reply.rcode()), dns.flags.to_text(reply.flags).lower()
    sections = [("ANSWER", reply.answer), ("AUTHORITY", reply.authority)]
    lines = [
        f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: {reply.id}",
        f";; flags: {flags}; QUERY: 1, ANSWER: {sum(len(r) for r in reply.answer)}, "
        f"AUTHORITY: {sum(len(r) for r in reply.authority)}, ADDITIONAL: 0",
    ]
    for title, sets in sections:
        if sets:
            lines += ["", f";; {title} SECTION:", *(each.to_text() for each in sets)]
    return "\n".join(
        [
            *lines,
            "",
            f";; Query time: {ms:.0f} msec",
            f";; SERVER: {server}({server.partition('#')[0]}) (TCP)",
            f";; MSG SIZE  rcvd: {len(reply.to_wire())}",
        ]
    )
