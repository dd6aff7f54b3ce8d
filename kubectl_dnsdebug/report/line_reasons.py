"""Why a line of a resolv.conf stands in one file and not in the next, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubectl_dnsdebug.observe.objects import is_loopback
from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.resolvconf import Kind, ResolvConf


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One file. `path` is where the node has it, `leads_to` where its links end; both empty for
    what a pod got. `conf` is None where it could not be read."""

    key: str
    what: str
    conf: ResolvConf | None
    path: str = ""
    leads_to: str = ""
    is_kubelets: bool = False


def given_otherwise(kind: Kind, value: str, columns: Sequence[Column]) -> str:
    """What is wrong where a Default pod did not get what kubelet's file says; empty if it did, or
    one of the two is not known."""
    default = next((each for each in columns if each.key == "default"), None)
    kubelets = next((each for each in columns if each.is_kubelets), None)
    if not default or not default.conf or not kubelets or not kubelets.conf:
        return ""
    due = resolvconf.expected(
        dns_policy="Default",
        host_network=False,
        namespace="",
        cluster_dns=(),
        cluster_domain="",
        host=kubelets.conf,
        dns_config=None,
    )
    gets, should = (value in resolvconf.lines(conf)[kind] for conf in (default.conf, due))
    if gets and not should:
        return (
            f"A Default pod gets it, yet {kubelets.path}, which kubelet reads, has it not: the "
            "runtime put it there, or kubelet was started before its configuration changed."
        )
    if should and not gets:
        return f"{kubelets.path}, which kubelet reads, has it, yet a Default pod does not get it."
    return ""


def reason(
    kind: Kind, value: str, has: Mapping[str, bool | None], columns: Sequence[Column]
) -> str:
    """Why the files differ in a line though each is as it should be; empty where they do not.

    A loopback needs its word wherever it stands.
    """
    if kind is Kind.NAMESERVER and is_loopback(value):
        return _loopback(has, columns)
    if len(set(has.values())) == 1:
        return ""
    paths = {each.key: each for each in columns if each.path}
    holders = [each.path for each in paths.values() if has[each.key]]
    if has["pod"] and not has["default"]:
        return "Kubelet's own, for this policy." if has["default"] is False else ""
    if has["default"] and has["pod"] is False:
        return "The node's own: kubelet does not give it to a pod of this policy."
    if holders and not has["default"]:
        kubelets = next((each.path for each in columns if each.is_kubelets), "another file")
        return f"Only in {' and '.join(holders)}; kubelet reads {kubelets}."
    return ""


def _loopback(has: Mapping[str, bool | None], columns: Sequence[Column]) -> str:
    better = next(
        (
            each.path
            for each in columns
            if each.path
            and each.conf
            and each.conf.nameservers
            and not any(map(is_loopback, each.conf.nameservers))
        ),
        "",
    )
    real = f" {better} names the real servers." if better else ""
    if has["pod"] or has["default"]:
        return f"The node's local resolver: in a pod nothing listens there.{real}"
    return "The node's local resolver, which its own programs ask; pods do not get it."
