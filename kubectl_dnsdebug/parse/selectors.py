"""Label selectors and address blocks, with three answers: yes, no, and None where it hangs on
something unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from kubectl_dnsdebug.model import Json

# The API server puts it on every namespace, so it is known even when the labels cannot be read.
NAMESPACE_NAME = "kubernetes.io/metadata.name"


def as_text(labels: Mapping[str, Any]) -> str:
    """Labels as the selector that kubectl and the API take: `app=web,tier=front`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def any_of(answers: Iterable[bool | None]) -> bool | None:
    told = list(answers)
    return True if True in told else None if None in told else False


def all_of(answers: Iterable[bool | None]) -> bool | None:
    told = list(answers)
    return False if False in told else None if None in told else True


def negated(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def within(block: Any, ip: str, excepted: Iterable[Any] = ()) -> bool | None:
    """Whether an address lies in a block and in none of the excepted ones."""
    try:
        address = ip_address(ip)
        inside = address in ip_network(str(block), strict=False)
        cut = any(address in ip_network(str(each), strict=False) for each in excepted)
    except ValueError:
        return None
    return inside and not cut


def selects(selector: Json | None, labels: Mapping[str, str], complete: bool = True) -> bool | None:
    """Whether a label selector matches. One that is empty or missing selects everything.

    With `complete` false, labels other than those given may exist.
    """
    selector = selector or {}
    wanted = [
        {"key": key, "operator": "In", "values": [value]}
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    return all_of(
        _fulfils(each, labels, complete)
        for each in [*wanted, *(selector.get("matchExpressions") or ())]
    )


def _fulfils(wanted: Mapping[str, Any], labels: Mapping[str, str], complete: bool) -> bool | None:
    key, values = str(wanted.get("key")), wanted.get("values") or ()
    if key not in labels and not complete:
        return None
    match wanted.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return None


def selects_namespace(
    selector: Json | None, name: str, labels: Mapping[str, str] | None
) -> bool | None:
    """Whether a selector matches a namespace, whose labels are None where they are unread."""
    return selects(selector, {NAMESPACE_NAME: name, **(labels or {})}, labels is not None)
