"""What a rule is: metadata above, straight-line logic about one subject below.

    @rule(
        "bridge-nf-off",
        scope=Scope.NODE,
        severity=Severity.ERROR,
        message="{node}: replies of {server} lose ...",
        remedy="Set net.bridge.bridge-nf-call-iptables to 1 on {node}, and keep it so.",
        verify="sysctl net.bridge.bridge-nf-call-iptables",
        silent_when="no DNS pod is on the client's node ...",
        explains=("tcp-fallback-broken",),
    )
    def check(seen: Observed, subject: Subject) -> Iterator[Found]: ...

The logic yields `Found`s, returns without one when the subject is clear, and lets `Missing` rise
when it cannot tell.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kubectl_dnsdebug.model import Confidence, Finding, Scope, Severity, Subject
from kubectl_dnsdebug.observe.observed import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a rule saw. `args` fill the rule's message, remedy and verify line.

    `settles` says what would make a likely finding certain. `severity` departs from the rule's own,
    which is the worst.
    """

    evidence: Iterable[str]
    args: Mapping[str, object] = field(default_factory=dict)
    confidence: Confidence = Confidence.CERTAIN
    settles: str = ""
    severity: Severity | None = None


Check = Callable[[Observed, Subject], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One cause.

    `silent_when` ends the sentence that begins so: what clears its subject, look-alikes above all.
    `explains` names rules whose findings this one accounts for, when its subject covers theirs.
    `on_nodes` says whether it can tell from the plain pods that are put on nodes, where those are
    the targets: a rule of pods then speaks of the node.
    """

    slug: str
    scope: Scope
    severity: Severity
    message: str
    remedy: str
    verify: str
    silent_when: str
    check: Check
    explains: tuple[str, ...] = ()
    on_nodes: bool = True

    def finding(self, subject: Subject, found: Found) -> Finding:
        return Finding(
            rule=self.slug,
            subject=subject,
            severity=found.severity or self.severity,
            confidence=found.confidence,
            message=self.message.format_map(found.args),
            remedy=self.remedy.format_map(found.args),
            verify=self.verify.format_map(_quoted(found.args)),
            evidence=tuple(dict.fromkeys(found.evidence)),
            settles=found.settles,
        )


def _quoted(args: Mapping[str, object]) -> dict[str, str]:
    """Arguments of a line that people paste into a shell: what the cluster says stays one word."""
    return {key: shlex.quote(str(value)) for key, value in args.items()}


def rule(
    slug: str,
    *,
    scope: Scope,
    severity: Severity,
    message: str,
    remedy: str,
    verify: str,
    silent_when: str,
    explains: tuple[str, ...] = (),
    on_nodes: bool | None = None,
) -> Callable[[Check], Rule]:
    """Make the function beneath into the rule of that slug.

    By default `on_nodes` is true of all rules but those of pods.
    """

    def made(check: Check) -> Rule:
        return Rule(
            slug=slug,
            scope=scope,
            severity=severity,
            message=message,
            remedy=remedy,
            verify=verify,
            silent_when=silent_when,
            check=check,
            explains=explains,
            on_nodes=scope is not Scope.POD if on_nodes is None else on_nodes,
        )

    return made
