"""The DNS servers as their pods, logs and Deployments show them: what several rules on servers ask.

The API server stamps every log line, so that a line can be told from an old one.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_dnsdebug.model import Missing, Transport
from kubectl_dnsdebug.observe import discovery
from kubectl_dnsdebug.observe.objects import Pod, Service, at, items
from kubectl_dnsdebug.observe.observed import Observed

RECENT = 300  # seconds: long enough for what repeats by itself, short enough to be about now
DAY = 86_400.0
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")
_UPSTREAM = re.compile(
    r"plugin/errors: \d+ (?P<name>\S+) (?P<type>[A-Z0-9]+): "
    r".*->\[?(?P<upstream>[0-9A-Fa-f.:]+?)\]?:(?P<port>\d+): (?P<why>.+)"
)


def age(seen: Observed, stamp: str) -> float:
    """Seconds from an RFC 3339 stamp (or a line that begins with one) to the collection; infinite
    without one."""
    then, now = _STAMP.match(stamp), _STAMP.match(seen.evidence.collected_at)
    if not then or not now:
        return float("inf")
    first, last = (calendar.timegm(tuple(map(int, m.groups()))) for m in (then, now))
    return float(last - first)


def lines(seen: Observed, *words: str, pod: Pod | None = None) -> tuple[tuple[str, str], ...]:
    """(fact id, line) of the DNS servers' logs with all the words, of one pod if given. Never
    Missing."""
    of_pod = (
        {f"log/{pod.namespace}/{pod.name}", f"log-previous/{pod.namespace}/{pod.name}"}
        if pod
        else None
    )
    return tuple(
        (id, line) for id, line in seen.log_lines(*words) if of_pod is None or id in of_pod
    )


def recent_lines(
    seen: Observed, *words: str, pod: Pod | None = None, within: float = RECENT
) -> tuple[tuple[str, str], ...]:
    """Those of the lines that are not older than so many seconds."""
    found = lines(seen, *words, pod=pod)
    return tuple((id, line) for id, line in found if age(seen, line) <= within)


def message(line: str) -> str:
    """A log line without the API server's stamp, short enough for a sentence."""
    stamp, _, rest = line.partition(" ")
    return (rest if _STAMP.match(stamp) else line).strip()[:240]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamError:
    """A question that a DNS server forwarded in vain. `id` is the log's fact, `why` the system's
    words."""

    id: str
    name: str
    upstream: str
    why: str


def upstream_errors(seen: Observed, pod: Pod | None = None) -> tuple[UpstreamError, ...]:
    """What the servers logged of late about upstreams that gave no answer. Never Missing."""
    return tuple(
        UpstreamError(
            id=id,
            name=found["name"].lower(),
            upstream=found["upstream"],
            why=found["why"].strip(),
        )
        for id, line in recent_lines(seen, "plugin/errors:", "->", pod=pod)
        if (found := _UPSTREAM.search(line))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A Deployment that is, by name or labels, the cluster's DNS."""

    namespace: str
    name: str
    wanted: int
    ready: int
    labels: dict[str, str]  # that it selects its pods by


def deployments(seen: Observed) -> tuple[Deployment, ...]:
    """Deployments of DNS, in the namespaces where it is looked for. Raises Missing."""
    return tuple(
        Deployment(
            namespace=at(each, "metadata", "namespace", default=""),
            name=at(each, "metadata", "name", default=""),
            wanted=int(at(each, "spec", "replicas", default=1)),
            ready=int(at(each, "status", "readyReplicas", default=0)),
            labels=at(each, "spec", "selector", "matchLabels", default={}),
        )
        for fact in seen.facts("deployments/")
        for each in items(fact.data)
        if discovery.is_dns(at(each, "metadata", default={}))
    )


def failing(seen: Observed) -> tuple[Pod, ...]:
    """DNS pods that are not ready, the crashing ones first. Raises Missing when pods could not be
    listed."""
    ill = [pod for pod in seen.dns_pods if not pod.ready and not pod.terminating]
    return tuple(sorted(ill, key=lambda pod: (-pod.restarts, pod.name)))


def crashing(pod: Pod) -> bool:
    """Whether a container of the pod ended and is started over."""
    return any(
        c.waiting == "CrashLoopBackOff" or (not c.ready and c.last_exit) for c in pod.containers
    )


def dns_pod(seen: Observed, ip: str) -> Pod | None:
    """The DNS pod with that address. Never Missing: None where pods could not be listed."""
    try:
        return next((pod for pod in seen.dns_pods if ip in pod.ips), None)
    except Missing:
        return None


def lacking(service: Service) -> Iterator[Transport]:
    """Transports over which a DNS Service takes nothing."""
    yield from (each for each in Transport if each not in service.dns_ports)


def pod_of_log(seen: Observed, id: str) -> Pod | None:
    """The DNS pod whose log a fact is. Never Missing."""
    try:
        found = [p for p in seen.dns_pods if id.endswith(f"/{p.namespace}/{p.name}")]
    except Missing:
        found = []
    return next(iter(found), None)


def node_caches(seen: Observed, node: str) -> tuple[Pod, ...]:
    """The pods of a node's own DNS cache (NodeLocal DNSCache). Raises Missing."""
    return tuple(
        pod
        for pod in seen.system_pods(node)
        if pod.host_network
        and any(
            word in f"{pod.name} {pod.labels.get('k8s-app', '')}"
            for word in ("node-local-dns", "nodelocaldns")
        )
    )
