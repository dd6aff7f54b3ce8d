"""CoreDNS cannot read its Corefile: pods that start crash, pods that run keep the old one.

The second is a trap: an edit has no effect until the next restart, which then breaks DNS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import dns_servers, logs, symptoms
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule

# What CoreDNS says when it will not start with a file, by the part that refuses. A plugin that
# refuses its own lines says so without a level, which all other lines of plugins have; one that
# finds its port taken or no token for the API has nothing against the Corefile.
_FATAL = re.compile(
    r"Error during parsing:|cannot serve \S+ - it is already defined|Unknown directive"
    r"|no nameservers found|^plugin/\w+: (?!.*(?:\bbind: |serviceaccount|in-cluster))"
    r"|^loading Caddyfile via "
)
_RELOAD = {
    "plugin/reload: Corefile changed but reload failed": float("inf"),
    "plugin/reload: Corefile parse failed": float(logs.RECENT),
}
_GOOD = ("plugin/reload: Running configuration", "Reloading complete")


@rule(
    "corefile-invalid",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="CoreDNS refuses its Corefile, says {pod}: {line}. {effect}",
    remedy="Correct the Corefile in the ConfigMap of namespace {namespace}, then watch for "
    "'Running configuration' in the log or restart the DNS pods.",
    verify="kubectl -n {namespace} logs {pod} | grep -iE 'corefile|parsing|directive|reload'",
    silent_when="no DNS pod stopped at the Corefile of late, and a reload that was refused was "
    "followed by an edit or by one that was not.",
    explains=("dns-no-ready-endpoints", "coredns-not-running"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    serving = symptoms.dns_serves(seen)
    for pod in _failing(seen, serving):
        # Either log may hold the end of the last run.
        ended = logs.recent(seen, pod=pod, within=logs.CRASH)
        said = [(id, line) for id, line in ended if _FATAL.search(logs.message(line))]
        for id, line in said[-1:]:
            yield _of_crash(seen, id, pod, line, serving)
            return
        if dns_servers.crashing(pod) and not serving:
            seen.log(pod)  # raises Missing: the reason of the crash stands there
    refused = _refused_reload(seen)
    if refused:
        id, pod, line = refused
        effect = "It goes on with the old one, and the next restart will not start."
        yield _found(seen, id, pod, line, effect, Severity.WARNING)


def _failing(seen: Observed, serving: bool) -> tuple[Pod, ...]:
    try:
        return dns_servers.failing(seen)
    except Missing:
        if not serving:
            raise
        return ()  # no trouble now, and nobody is kept up by one to come


def _of_crash(seen: Observed, id: str, pod: Pod, line: str, serving: bool) -> Found:
    effect = "The pod does not start with it"
    if not serving:
        return _found(seen, id, pod, line, f"{effect}.", None)
    effect += "; those that serve have the old one, until they restart."
    return _found(seen, id, pod, line, effect, Severity.WARNING)


def _found(
    seen: Observed, id: str, pod: Pod, line: str, effect: str, severity: Severity | None
) -> Found:
    confidence, settles = logs.of_crash(seen, line)
    args = {
        "pod": pod.name,
        "namespace": pod.namespace,
        "line": logs.message(line).rstrip("."),
        "effect": effect,
    }
    return Found(
        evidence=(id,), args=args, severity=severity, confidence=confidence, settles=settles
    )


def _refused_reload(seen: Observed) -> tuple[str, Pod, str] | None:
    """A refusal after which no configuration was taken, of the file as it is still.

    A file that cannot be read is tried again and again, one that cannot be served only once.
    """
    refused = [
        found
        for words, within in _RELOAD.items()
        for found in logs.recent(seen, words, within=within)
    ]
    for id, line in refused:
        if logs.edited_after(seen, line):
            continue
        later = [
            text
            for other, text in logs.lines(seen)
            if other == id and text > line and any(words in text for words in _GOOD)
        ]
        pod = logs.pod_of(seen, id)
        if pod and not later:
            return id, pod, line
    return None
