"""The user's words, resolved to pods: `foo`, `pod/foo`, `deploy/x`, `svc/x`, `-l app=x`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.api.cluster import Reply, Session
from kubectl_dnsdebug.collect import allowlist
from kubectl_dnsdebug.model import DnsdebugError
from kubectl_dnsdebug.observe.objects import Pod, at, read_pod
from kubectl_dnsdebug.parse import selectors


class TargetError(DnsdebugError):
    """What the user named is not there, or has no pod to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pod and how it was chosen: empty when the user named it."""

    pod: Pod
    picked_by: str = ""


NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_APPS, _BATCH = "/apis/apps/v1", "/apis/batch/v1"
_POD = ("po", "pod", "pods")
# Each kind that leads to pods: its aliases, and where the API keeps it.
_KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("deploy", "deployment", "deployments"), _APPS, "deployments"),
    (("sts", "statefulset", "statefulsets"), _APPS, "statefulsets"),
    (("ds", "daemonset", "daemonsets"), _APPS, "daemonsets"),
    (("rs", "replicaset", "replicasets"), _APPS, "replicasets"),
    (("job", "jobs"), _BATCH, "jobs"),
    (("svc", "service", "services"), "/api/v1", "services"),
)
KINDS = (*_POD, *(alias for aliases, _, _ in _KINDS for alias in aliases))


def resolve(
    session: Session, namespace: str, words: Sequence[str], selector: str = ""
) -> tuple[Target, ...]:
    """One pod for each word, one for the selector. Raises TargetError with what to do instead."""
    found = [_word(session, namespace, word) for word in words]
    if selector:
        found.append(_pick(session, namespace, selector, f"-l {selector}"))
    unique = {target.pod.subject: target for target in reversed(found)}
    return tuple(reversed(unique.values()))


def _word(session: Session, namespace: str, word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not slash:
        kind, name = "pod", word
    if not NAME.fullmatch(name):
        raise TargetError(f"{word!r} is no target: {name!r} is no name of an object", usage=True)
    kind = kind.lower().split(".")[0]
    if kind in _POD:
        return Target(pod=_pod(session, namespace, name))
    for aliases, group, plural in _KINDS:
        if kind in aliases:
            return _workload(session, namespace, group, plural, name)
    raise TargetError(
        f"{word}: no kind that has pods; use one of {', '.join(sorted(KINDS))}", usage=True
    )


def _pod(session: Session, namespace: str, name: str) -> Pod:
    reply = session.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
    if reply.reason == "NotFound":
        raise TargetError(
            f"pod {name} does not exist in namespace {namespace}; {_elsewhere(namespace)}"
        )
    must(reply, f"get pod {name} in {namespace}")
    pod = read_pod(allowlist.keep(reply.body, allowlist.POD))
    if (pod.namespace, pod.name) != (namespace, name):
        raise TargetError(f"the API server sent no pod {name} of {namespace}, but something else")
    return pod


def _elsewhere(namespace: str) -> str:
    return f"`kubectl get pods -n {namespace}` lists those there are, -n chooses another namespace"


def must(reply: Reply, need: str) -> None:
    """Raise TargetError, with what helps, for a reply without what is needed."""
    if reply.status == 403:
        raise TargetError(
            f"not allowed to {need}: {reply.message}. "
            "`kubectl dnsdebug rbac` prints the role needed"
        )
    if not reply.ok or not isinstance(reply.body, dict):
        # What is not there the API says in its own form; here something else answered.
        foreign = reply.status == 404 and not reply.reason
        hint = "; is the server of the kubeconfig an API server?" if foreign else ""
        raise TargetError(f"could not {need}: {reply.message}{hint}")


def _workload(session: Session, namespace: str, group: str, plural: str, name: str) -> Target:
    path = f"{group}/namespaces/{namespace}/{plural}/{name}"
    reply = session.get(path)
    word = f"{plural.removesuffix('s')}/{name}"
    if reply.reason == "NotFound":
        raise TargetError(f"{word} does not exist in namespace {namespace}")
    must(reply, f"get {word} in {namespace}")
    spec = at(reply.body, "spec", default={})
    wanted = spec.get("selector") or {}
    selector = (
        _selector(wanted)
        if "matchLabels" in wanted or "matchExpressions" in wanted
        else selectors.as_text(wanted)
    )
    if not selector:
        raise TargetError(f"{word} selects no pods by label, name one of its pods instead")
    return _pick(session, namespace, selector, word)


def _selector(wanted: dict[str, Any]) -> str:
    """A LabelSelector in the form that the API takes as a query."""
    parts = [selectors.as_text(wanted.get("matchLabels") or {})]
    for each in wanted.get("matchExpressions") or ():
        key, values = each.get("key", ""), ",".join(each.get("values") or ())
        match each.get("operator"):
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(filter(None, parts))


def _pick(session: Session, namespace: str, selector: str, word: str) -> Target:
    """The pod to stand for many: one that runs, of those one that is not ready: it tells more."""
    reply = session.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector, limit="500")
    if reply.status == 400:
        raise TargetError(f"{word}: {reply.message}")
    must(reply, f"list pods in {namespace}")
    pods = [
        read_pod(allowlist.keep(each, allowlist.POD))
        for each in at(reply.body, "items", default=())
    ]
    if not pods:
        raise TargetError(f"{word} has no pods in namespace {namespace}; {_elsewhere(namespace)}")
    best = min(pods, key=lambda p: (p.terminating, p.phase != "Running", p.ready, p.name))
    return Target(pod=best, picked_by=f"1 of {len(pods)} pods of {word}")
