"""The records that flow through the program, with no behaviour but their invariants.

Collecting fills an `Evidence`; everything after it reads only that. DNS outcomes are data
(`Status`), never exceptions. Times are seconds unless a name says `ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Mapping[str, Any]


class DnsdebugError(Exception):
    """The tool failed as a user or a cluster can make it fail; the text says what to do next.

    With `usage` no cluster could make sense of the user's words, whatever there is in it.
    """

    def __init__(self, text: str, *, usage: bool = False) -> None:
        super().__init__(text)
        self.usage = usage


class Missing(Exception):
    """Evidence that a rule needs is not there: a gap, no error; the text says why.

    Never leaves `diagnose`.
    """


class Scope(StrEnum):
    """What a rule speaks of. A wider scope covers the narrower ones beneath it."""

    CLUSTER = "cluster"
    NODE = "node"
    POD = "pod"


class Severity(StrEnum):
    """ERROR names do not resolve now; WARNING they will fail or crawl under ordinary load or
    events; INFO worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """CERTAIN the evidence admits no other cause; LIKELY it fits best, and something settles it."""

    CERTAIN = "certain"
    LIKELY = "likely"


class State(StrEnum):
    """GOT the API gave it; ABSENT it says there is none (an answer); UNKNOWN unreadable (a gap)."""

    GOT = "got"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """From where commands run: what the place stands for."""

    TARGET = "target"  # an ephemeral container in the pod itself
    SIBLING = "sibling"  # a pod like the target, beside it
    CONTROL = "control"  # a ClusterFirst pod on the node without the target's labels
    DEFAULT = "default"  # a Default-policy pod on the node: shows the host's file as pods get it
    HOSTNET = "hostnet"  # a pod on the node's own network that asks the cluster's DNS
    HOSTNET_DEFAULT = "hostnet-default"  # the same with the host's file: needs no pod network
    HOST = "host"  # a privileged, read-only pod on the node's own network: what the node shows
    SERVER = "server"  # a DNS pod over a port-forward: what it says, never the way to it


class Transport(StrEnum):
    UDP = "udp"
    TCP = "tcp"


class Status(StrEnum):
    """The outcome of one DNS question. The first five are a server's words, the rest the path's."""

    NOERROR = "noerror"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    OTHER_RCODE = "other-rcode"
    TIMEOUT = "timeout"
    CONNECTION_REFUSED = "connection-refused"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    GARBLED = "garbled"
    NO_ADDRESS = "no-address"  # getent: none found, and it hides why
    NOT_RUN = "not-run"

    @property
    def is_answer(self) -> bool:
        """Whether a DNS server spoke at all, whatever it said."""
        return self in _ANSWERS

    @property
    def is_silence(self) -> bool:
        """Whether the question went out and no DNS answer came back."""
        return self in _SILENCES


_ANSWERS = frozenset(
    {Status.NOERROR, Status.NXDOMAIN, Status.SERVFAIL, Status.REFUSED, Status.OTHER_RCODE}
)
_SILENCES = frozenset({Status.TIMEOUT, Status.CONNECTION_REFUSED, Status.UNREACHABLE, Status.RESET})


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What a verdict speaks of: `cluster`, `node/NAME` or `pod/NAMESPACE/NAME`."""

    scope: Scope
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.scope.value, self.namespace, self.name) if part)

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Read the printed form back."""
        kind, *rest = text.split("/")
        match Scope(kind), rest:
            case Scope.CLUSTER, []:
                return CLUSTER
            case Scope.NODE, [name]:
                return node(name)
            case Scope.POD, [namespace, name]:
                return pod(namespace, name)
        raise ValueError(f"not a subject: {text!r}")


CLUSTER = Subject(Scope.CLUSTER)


def node(name: str) -> Subject:
    return Subject(Scope.NODE, name)


def pod(namespace: str, name: str) -> Subject:
    return Subject(Scope.POD, name, namespace)


class Purpose(StrEnum):
    """What a run was for: it decides what is asked, and how the evidence is told."""

    DIAGNOSE = "diagnose"
    RESOLVE = "resolve"  # walk one name as programs do
    DIFF = "diff"  # resolv.conf, three ways
    CLUSTER = "cluster"  # read the API, make nothing
    NODES = "nodes"  # how names resolve on nodes, whatever runs there


# Seconds for a whole run, unless the user says: what pulls an image for the first time needs them.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for, resolved, and the options that shape probing.

    `targets` are pods as `pod/NAMESPACE/NAME`, or nodes as `node/NAME`; `names` are names to test
    besides the standard forms; `timeout` bounds the whole run; `deep` is the namespace of the
    privileged pods that look at the nodes, empty without them; `home` is the namespace of the pods
    that probe nodes; `watch` is how many seconds were to be watched before, 0 for none.
    """

    targets: tuple[str, ...]
    picked_by: tuple[str, ...] = ()  # how each target was chosen, e.g. "deploy/front"
    names: tuple[str, ...] = ()
    image: str = ""
    mode: str = "ephemeral"
    timeout: float = PATIENCE
    deep: str = ""
    home: str = ""
    watch: float = 0.0
    purpose: Purpose = Purpose.DIAGNOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing the API was asked. `id` is like `KIND/NAMESPACE/NAME`, `data` allowed fields."""

    id: str
    state: State
    data: Json = field(default_factory=dict)
    reason: str = ""  # why it is absent or unknown, fit to be read by the user


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """A place where commands ran (or could not: then `failure` says why).

    `id` is `ROLE:NAMESPACE/POD` for a target or its sibling, `ROLE:NAMESPACE@NODE` for others.
    `pod` is the pod that hosted the commands, `stands_for` the subject whose eyes these are.
    """

    id: str
    role: Role
    node: str
    stands_for: Subject
    pod: str = ""
    container: str = ""
    tools: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One command as it ran, in raw words: what was asked stands in `argv`, to be read by `dig.py`.

    `exit_code` is None when the command never ran; then `failure` says why. `out` holds stdout and
    stderr together.
    """

    id: str  # unique within the evidence: VANTAGE#PROBE
    vantage: str
    probe: str
    argv: tuple[str, ...]
    out: str = ""
    exit_code: int | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One object the tool made. `fate` is `removed`, `ended` (ephemeral container) or why not."""

    what: str  # "pod/NS/NAME" or "ephemeral container NAME in pod/NS/POD"
    fate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything learned from the cluster: the only door to the reasoning."""

    tool: str
    collected_at: str  # RFC 3339, UTC
    context: str
    request: Request
    facts: tuple[Fact, ...] = ()
    vantages: tuple[Vantage, ...] = ()
    transcripts: tuple[Transcript, ...] = ()
    made: tuple[Made, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict)  # phase -> seconds
    counts: Mapping[str, int] = field(default_factory=dict)  # "api requests", "dns queries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One resource record. `data` is the presentation form, names absolute and in lower case."""

    name: str
    ttl: int
    type: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one question: who was asked (`server`, `port`, `transport`), what, the outcome.

    `name` is absolute with its trailing dot, in lower case. `ms` is the tool's own measure, None
    without an answer. `source_port` is set when the question was bound to one. `via_search` marks a
    tool that walked the search list by itself (then `name` is what was typed). `clock` is the time
    by the node's clock, in seconds of Unix, None where the tool does not tell it. `id` is the
    transcript's.
    """

    id: str
    vantage: str
    tool: str  # dig, nslookup, getent
    server: str
    port: int
    transport: Transport
    name: str
    type: str
    status: Status
    records: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    flags: frozenset[str] = frozenset()
    ms: float | None = None
    clock: float | None = None
    source_port: int | None = None
    via_search: bool = False
    detail: str = ""  # the line of the tool that decided the status, when it is no rcode


class Outcome(StrEnum):
    """What one rule says of one subject."""

    FOUND = "found"
    CLEAR = "clear"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A cause that a rule saw, its texts filled in. `evidence` are ids of transcripts and facts."""

    rule: str
    subject: Subject
    severity: Severity
    confidence: Confidence
    message: str
    remedy: str
    verify: str
    evidence: tuple[str, ...] = ()
    settles: str = ""  # what would make a likely finding certain


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule on one subject. `reason` is set when unknown."""

    rule: str
    subject: Subject
    outcome: Outcome
    severity: Severity  # of the rule: an unknown matters as much as what it could have found
    reason: str = ""
    crashed: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A finding with the findings it explains beneath it. `others` have the same as its subject."""

    finding: Finding
    explains: tuple[Cause, ...] = ()
    others: tuple[Subject, ...] = ()
