"""resolv.conf: read it, build the one kubelet should have made, compare the two, walk the search list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from kubectl_dnsdebug.model import Answer, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvConf:
    """What a resolver reads out of one file, whole: limits of any one libc are not applied.

    `options` maps a name to its value, None for an option without one. `text` is the file, empty if built.
    `partial` marks an expectation made without the host's file: it may lack search suffixes at the end.
    """

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: Mapping[str, str | None] = field(default_factory=dict)
    text: str = ""
    partial: bool = False

    @property
    def ndots(self) -> int:
        """Dots a name needs to be tried as it is first: 1 unless said, never above 15."""
        raise NotImplementedError


def read(text: str) -> ResolvConf:
    """As resolv.conf(5) says: the last search or domain line wins, options accumulate. Junk is skipped."""
    raise NotImplementedError


def read_as_kubelet(text: str) -> ResolvConf:
    """As kubelet reads the host's file: `domain` is nothing to it, trailing dots and a lone `.` are dropped."""
    raise NotImplementedError


class Policy(StrEnum):
    """The base kubelet builds a pod's file upon, before dnsConfig."""

    CLUSTER = "cluster"
    HOST = "host"
    NONE = "none"


def effective_policy(dns_policy: str, host_network: bool) -> Policy:
    """ClusterFirst, also when empty, means the host's file on the host's network."""
    raise NotImplementedError


def expected(
    *,
    dns_policy: str,
    host_network: bool,
    namespace: str,
    cluster_dns: Sequence[str],
    cluster_domain: str,
    host: ResolvConf | None,
    dns_config: Json | None,
) -> ResolvConf:
    """The file kubelet would build now.

    `host` is what kubelet reads on that node (`read_as_kubelet`), None when unknown: cluster policy then gives the
    certain part, marked `partial`; a policy that rests on the host raises Missing. Empty `cluster_dns` means that
    kubelet has none and falls back to the host's file.
    """
    raise NotImplementedError


class Kind(StrEnum):
    NAMESERVER = "nameserver"
    SEARCH = "search"
    OPTION = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that the pod's file and the expected file do not share. `why` is one plain sentence.

    `in_host` is None when the host's file is unknown.
    """

    kind: Kind
    value: str
    in_pod: bool
    in_expected: bool
    in_host: bool | None
    why: str


def compare(
    pod: ResolvConf, expected: ResolvConf, host: ResolvConf | None
) -> tuple[Difference, ...]:
    """Only what differs, nameservers first, then search, then options (compared as sets).

    Values in another order are told as one Difference with both flags set. What a `partial` expectation cannot
    know is not called a difference.
    """
    raise NotImplementedError


class Libc(StrEnum):
    """Who walks the search list: the C libraries, Go's own resolver, and the tools that walk by themselves."""

    GLIBC = "glibc"
    MUSL = "musl"
    GO = "go"
    DIG = "dig"  # with +search
    NSLOOKUP = "nslookup"  # of BIND
    BUSYBOX = "busybox"  # its nslookup, 1.29 and newer


class Reply(StrEnum):
    """What a stub resolver sees of one question: NODATA is told from ANSWER, all silences are one."""

    ANSWER = "answer"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    OTHER = "other"
    SILENCE = "silence"

    @classmethod
    def of(cls, answer: Answer) -> Reply | None:
        """None when the answer tells nothing (not run, garbled)."""
        raise NotImplementedError


class Stop(StrEnum):
    """Why a walk ended. UNKNOWN: a candidate's reply is not known, and what follows hangs on it."""

    ANSWERED = "answered"
    GAVE_UP = "gave-up"
    EXHAUSTED = "exhausted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One candidate as tried: its absolute name, and what A and AAAA together meant to this libc."""

    name: str
    reply: Reply | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How one name was looked for. The last step is the one that decided. `skipped` was never asked."""

    name: str
    libc: Libc
    steps: tuple[Step, ...]
    skipped: tuple[str, ...]
    stop: Stop
    why: str

    @property
    def found(self) -> str | None:
        """The absolute name that answered."""
        raise NotImplementedError


def candidates(name: str, conf: ResolvConf, libc: Libc) -> tuple[str, ...]:
    """The absolute names that `libc` would ask for, in its order, if each failed in the mildest way."""
    raise NotImplementedError


def combine(libc: Libc, replies: Sequence[Reply]) -> Reply:
    """What the replies of the families (A first) mean together. At least one is needed."""
    raise NotImplementedError


def goes_on_after(libc: Libc, reply: Reply) -> bool:
    """Whether the next candidate is tried."""
    raise NotImplementedError


def walk(name: str, conf: ResolvConf, libc: Libc, ask: Callable[[str], Sequence[Reply]]) -> Walk:
    """Follow `libc` through the list. `ask(absolute name)` gives the replies for A and AAAA, none if not known."""
    raise NotImplementedError
