"""CoreDNS cannot read its Corefile: pods that start crash, pods that run keep the old one.

The second is a trap: an edit has no effect until the next restart, which then breaks DNS.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, symptoms
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

# What CoreDNS says when it will not start with a file, by the part that refuses.
_FATAL = ("Error during parsing:", "cannot serve ", "Unknown directive", "no nameservers found")
_RELOAD = (
    "plugin/reload: Corefile changed but reload failed",
    "plugin/reload: Corefile parse failed",
)
_GOOD = ("plugin/reload: Running configuration", "Reloading complete")


@rule(
    "corefile-invalid",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="CoreDNS refuses its Corefile, says {pod}: {line}. {effect}",
    remedy="Correct the Corefile in the ConfigMap of namespace {namespace}, then watch for "
    "'Running configuration' in the log or restart the DNS pods.",
    verify="kubectl -n {namespace} logs {pod} | grep -iE 'corefile|parsing|directive|reload'",
    explains=("dns-no-ready-endpoints", "coredns-not-running"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    serving = symptoms.dns_serves(seen)
    if not serving:
        for pod in dns_servers.failing(seen):
            # Either log may hold the end of the last run.
            for words in _FATAL:
                for id, line in dns_servers.lines(seen, words, pod=pod):
                    yield _found(id, pod, line, "The pod does not start with it.", None)
                    return
            if dns_servers.crashing(pod):
                seen.log(pod)  # raises Missing: the reason of the crash stands there
    refused = _refused_reload(seen)
    if refused:
        id, pod, line = refused
        effect = "It goes on with the old one, and the next restart will not start."
        yield _found(id, pod, line, effect, Severity.WARNING)


def _found(id: str, pod: Pod, line: str, effect: str, severity: Severity | None) -> Found:
    args = {
        "pod": pod.name,
        "namespace": pod.namespace,
        "line": dns_servers.message(line).rstrip("."),
        "effect": effect,
    }
    return Found(evidence=(id,), args=args, severity=severity)


def _refused_reload(seen: Observed) -> tuple[str, Pod, str] | None:
    """A refusal after which no configuration was taken."""
    for id, line in dns_servers.lines(seen, "plugin/reload: "):
        if not any(words in line for words in _RELOAD):
            continue
        later = [
            text
            for other, text in dns_servers.lines(seen)
            if other == id and text > line and any(words in text for words in _GOOD)
        ]
        pod = dns_servers.pod_of_log(seen, id)
        if pod and not later:
            return id, pod, line
    return None
