"""A Windows pod looks for a name with a dot as it is, and appends one suffix to all others.

There is no search list and no ndots: NAME and the full name resolve, NAME.NAMESPACE does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "windows-pod-suffix",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod} is a Windows pod: {what}",
    remedy="Use the full name, such as {absolute}.",
    verify="kubectl -n {namespace} exec {pod} -- powershell Resolve-DnsName {absolute}",
    silent_when="the pod does not run on Windows.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    pod = seen.target(subject)
    if not _is_windows(seen, pod):
        return
    short = [(name, full) for name in seen.evidence.request.names if (full := _full(seen, name))]
    name, absolute = next(iter(short), ("", f"kubernetes.default.svc.{_domain(seen)}"))
    yield Found(
        evidence=(f"pod/{pod.namespace}/{pod.name}",),
        args={
            "pod": pod.name,
            "namespace": pod.namespace,
            "what": f"{name} has a dot, so Windows looks for it as it is, and nobody has it."
            if name
            else "names of Services in other namespaces resolve in full only.",
            "absolute": absolute,
        },
        severity=None if name else Severity.INFO,
    )


def _is_windows(seen: Observed, pod: Pod) -> bool:
    """Raises Missing where neither the pod nor its node says."""
    if pod.is_windows:
        return True
    with suppress(Missing):
        seen.own(pod.subject)
        return False  # a Linux program ran there
    return seen.node(pod.node).os == "windows" if pod.node else False


def _full(seen: Observed, name: str) -> str:
    """The whole name of a Service that is named by a part of it with a dot; else empty."""
    with suppress(Missing):
        for service in seen.services:
            if name in (f"{service.name}.{service.namespace}{tail}" for tail in ("", ".svc")):
                return f"{service.name}.{service.namespace}.svc.{seen.domain}"
    return ""


def _domain(seen: Observed) -> str:
    try:
        return seen.domain
    except Missing:
        return "CLUSTER-DOMAIN"
