"""resolv.conf: read it, build the one that kubelet should have made, compare the two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address

from kubectl_dnsdebug.model import Json, Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvConf:
    """What a resolver reads out of one file, whole: the limits of any one libc are not applied.

    `options` maps a name to its value, None for an option without one. `text` is the file, empty
    if built. `partial` marks an expectation made without the host's file: host suffixes may follow.
    """

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: Mapping[str, str | None] = field(default_factory=dict)
    text: str = ""
    partial: bool = False

    @property
    def ndots(self) -> int:
        """Dots that a name needs to be tried as it is first: 1 unless said, never above 15."""
        value = self.options.get("ndots") or ""
        return min(int(value), 15) if value.isdecimal() else 1


def read(text: str) -> ResolvConf:
    """As resolv.conf(5) says: the last search or domain line wins, options accumulate.

    A keyword must start its line. Junk is skipped, never an error.
    """
    nameservers: list[str] = []
    search: list[str] = []
    options: dict[str, str | None] = {}
    for line in text.split("\n"):
        if line[:1].isspace():
            continue
        match line.split():
            case ["nameserver", address, *_]:
                nameservers.append(_address(address))
            case ["search", *domains] if domains:
                search = domains
            case ["domain", domain, *_]:
                search = [domain]
            case ["options", *words]:
                options |= dict(_option(word) for word in words)
    return ResolvConf(
        nameservers=tuple(nameservers),
        search=tuple(_suffix(domain) for domain in search),
        options=options,
        text=text,
    )


def read_as_kubelet(text: str) -> ResolvConf:
    """As kubelet reads the host's file: `domain` is nothing to it, a lone `.` is dropped.

    Options accumulate, as in current releases; up to about 1.30 the last options line won.
    """
    nameservers: list[str] = []
    search: list[str] = []
    options: dict[str, str | None] = {}
    for line in text.split("\n"):
        match line.split():
            case ["nameserver", address, *_]:
                nameservers.append(_address(address))
            case ["search", *domains]:
                search = [_suffix(domain) for domain in domains if domain != "."]
            case ["options", *words]:
                options |= dict(_option(word) for word in words)
    return ResolvConf(
        nameservers=tuple(nameservers), search=tuple(search), options=options, text=text
    )


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _suffix(domain: str) -> str:
    return domain.lower().removesuffix(".") or "."


def _option(word: str) -> tuple[str, str | None]:
    name, _, value = word.partition(":")
    return name, value or None


class Policy(StrEnum):
    """What kubelet builds a pod's file upon, before dnsConfig."""

    CLUSTER = "cluster"
    HOST = "host"
    NONE = "none"


def effective_policy(dns_policy: str, host_network: bool) -> Policy:
    """ClusterFirst, which is also the default, means the host's file on the host's network."""
    match dns_policy:
        case "None":
            return Policy.NONE
        case "Default":
            return Policy.HOST
        case "ClusterFirst" | "" if host_network:
            return Policy.HOST
    return Policy.CLUSTER


# Kubelet's limits since 1.28; what does not fit is cut from the end.
_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
_MAX_SEARCH_CHARS = 2048
_MAX_DOMAIN_CHARS = 253


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
    """The file that kubelet would build now.

    `host` is what kubelet reads on that node (`read_as_kubelet`), None when unknown: a cluster
    policy then gives the certain part, marked `partial`; one that rests on the host raises Missing.
    Empty `cluster_dns` means that kubelet has none, and falls back to the host's file.
    """
    policy = effective_policy(dns_policy, host_network)
    partial = False
    nameservers: list[str] = []
    search: list[str] = []
    options: dict[str, str | None] = {}
    if policy is Policy.CLUSTER and cluster_dns:
        partial = host is None
        nameservers = [_address(address) for address in cluster_dns]
        search = list(host.search) if host else []
        if domain := cluster_domain.lower().removesuffix("."):
            own = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
            search = list(dict.fromkeys(own + search))
        options = {"ndots": "5"}
    elif policy is not Policy.NONE:
        if host is None:
            raise Missing("the resolv.conf that kubelet reads on the node is not known")
        nameservers, search, options = list(host.nameservers), list(host.search), {**host.options}
    if dns_config is not None:
        own_servers = [_address(address) for address in dns_config.get("nameservers") or ()]
        own_search = [_suffix(domain) for domain in dns_config.get("searches") or ()]
        nameservers = list(dict.fromkeys(nameservers + own_servers))
        search = list(dict.fromkeys(search + own_search))
        for option in dns_config.get("options") or ():
            options[str(option.get("name", ""))] = option.get("value") or None
    return ResolvConf(
        nameservers=tuple(nameservers[:_MAX_NAMESERVERS]),
        search=_within_limits(search),
        options=options,
        partial=partial,
    )


def _within_limits(search: Sequence[str]) -> tuple[str, ...]:
    kept = [domain for domain in search[:_MAX_SEARCHES] if len(domain) <= _MAX_DOMAIN_CHARS]
    while len(" ".join(kept)) > _MAX_SEARCH_CHARS:
        kept.pop()
    return tuple(kept)


class Kind(StrEnum):
    """A line of the file."""

    NAMESERVER = "nameserver"
    SEARCH = "search"
    OPTION = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that the pod's file and the expected file do not share, and why, in a sentence.

    `in_host` is None when the host's file is unknown. Both other flags are set when only the order
    differs; `value` is then the pod's whole list.
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
    """Only what differs: nameservers, then search, then options (compared as sets).

    What a `partial` expectation cannot know, a suffix the host may have, is no difference.
    """
    ours, theirs, hosts = lines(pod), lines(expected), lines(host) if host else None
    found: list[Difference] = []
    for kind in Kind:
        mine, wanted = ours[kind], theirs[kind]
        extra = [value for value in mine if value not in wanted]
        lacking = [value for value in wanted if value not in mine]
        if kind is Kind.SEARCH and expected.partial:
            extra = [value for value in extra if _is_cluster_suffix(value)]
        for value in extra + lacking:
            in_host = value in hosts[kind] if hosts else None
            in_pod = value in mine
            why = _surplus(kind, value, wanted, in_host) if in_pod else _lack(kind, value, mine)
            found.append(
                Difference(
                    kind=kind,
                    value=value,
                    in_pod=in_pod,
                    in_expected=not in_pod,
                    in_host=in_host,
                    why=why,
                )
            )
        shared = [value for value in mine if value in wanted]
        if kind is not Kind.OPTION and shared != [value for value in wanted if value in mine]:
            found.append(
                Difference(
                    kind=kind,
                    value=" ".join(mine),
                    in_pod=True,
                    in_expected=True,
                    in_host=None,
                    why="Kubelet would write them in another order, and the first is tried first.",
                )
            )
    return tuple(found)


def lines(conf: ResolvConf) -> Mapping[Kind, Sequence[str]]:
    """The values of a file, each once, as differences name them."""
    return {
        Kind.NAMESERVER: tuple(dict.fromkeys(conf.nameservers)),
        Kind.SEARCH: tuple(dict.fromkeys(conf.search)),
        Kind.OPTION: sorted(f"{k}:{v}" if v else k for k, v in conf.options.items()),
    }


def _is_cluster_suffix(value: str) -> bool:
    return ".svc." in f".{value}"


def _same_option(value: str, others: Iterable[str]) -> str | None:
    name = value.partition(":")[0]
    return next((other for other in others if other.partition(":")[0] == name), None)


def _surplus(kind: Kind, value: str, wanted: Sequence[str], in_host: bool | None) -> str:
    if kind is Kind.OPTION and (instead := _same_option(value, wanted)):
        return f"Kubelet would write {instead} today."
    if in_host and kind is Kind.NAMESERVER:
        return "It is the host's nameserver, which kubelet does not give to a pod of this policy."
    if in_host:
        return "It comes from the host's file, and kubelet leaves it out for a pod of this policy."
    if kind is Kind.SEARCH and _is_cluster_suffix(value):
        return "It belongs to another cluster domain or namespace than kubelet would write today."
    known = "Neither kubelet nor the host's file has it" if in_host is False else "Kubelet has not"
    return f"{known}: it was set when the pod started, or written into the file since."


def _lack(kind: Kind, value: str, mine: Sequence[str]) -> str:
    if kind is Kind.OPTION and (instead := _same_option(value, mine)):
        return f"Kubelet would write it today; the file has {instead}."
    effect = ""
    if kind is Kind.OPTION and value.startswith("ndots:"):
        effect = ", so a name with a dot is tried as it is first"
    return f"Kubelet would add it today; the file lacks it{effect}."
