"""What the tool may do: asked before anything is made, and written as roles for those who grant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect.facts import together
from kubectl_dnsdebug.model import Fact, Json, State
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.plugin_policies import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """A verb on a resource of the core group, `resource/subresource` where there is one."""

    verb: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


LOG = Permission(verb="get", resource="pods/log")
WATCH = Permission(verb="watch", resource="pods")
EPHEMERAL = Permission(verb="patch", resource="pods/ephemeralcontainers")
CREATE = Permission(verb="create", resource="pods")
DELETE = Permission(verb="delete", resource="pods")
FORWARD = Permission(verb="create", resource="pods/portforward")
# What each way of standing somewhere needs. A pod that could not be removed is never made.
IN_TARGET = (EPHEMERAL, WATCH, LOG)
IN_POD = (CREATE, DELETE, WATCH, LOG)
IN_SWEEP = (CREATE, DELETE, WATCH)  # without logs the summaries still tell which nodes are ill


def ask(session: Session, namespaces: Iterable[str], mode: str, deep: str = "") -> tuple[Fact, ...]:
    """What may be done, by namespace: facts `may/NAMESPACE/VERB RESOURCE`.

    `deep` is the namespace of privileged pods, empty without them.
    """
    wanted = (*(IN_TARGET if mode == "ephemeral" else ()), *IN_POD)
    reviews = [(ns, each) for ns in namespaces for each in wanted]
    reviews += [(deep, each) for each in IN_POD if deep]
    asked: dict[str, list[Permission]] = {}
    for namespace, each in dict.fromkeys(reviews):
        asked.setdefault(namespace, []).append(each)
    return tuple(together(partial(_in_namespace, session, *each) for each in asked.items()))


def _in_namespace(session: Session, namespace: str, wanted: Iterable[Permission]) -> list[Fact]:
    """One request for all that some rule grants, and one more for each that none does: of rules not
    every authorizer tells."""
    rules = _rules(session, namespace)
    granted = {each for each in wanted if any(_allows(rule, each) for rule in rules)}
    found = [
        Fact(id=f"may/{namespace}/{each}", state=State.GOT, data={"allowed": True})
        for each in wanted
        if each in granted
    ]
    rest = (each for each in wanted if each not in granted)
    return found + together(partial(review, session, namespace, each) for each in rest)


def _rules(session: Session, namespace: str) -> tuple[Json, ...]:
    """The rules that hold for the user there; none where they are not told."""
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    try:
        reply = session.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)
    except ClusterError:
        return ()
    return tuple(at(reply.body, "status", "resourceRules", default=())) if reply.ok else ()


def _allows(rule: Json, wanted: Permission) -> bool:
    """As RBAC reads a rule: `*` is everything, `*/log` that part of everything."""
    _, _, part = wanted.resource.partition("/")

    def has(field: str, *words: str) -> bool:
        return not {"*", *words}.isdisjoint(rule.get(field) or ())

    return (
        has("verbs", wanted.verb)
        and has("apiGroups", "")
        and has("resources", wanted.resource, *([f"*/{part}"] if part else []))
        and not rule.get("resourceNames")
    )


def review(session: Session, namespace: str, wanted: Permission) -> Fact:
    """Whether the user may, as a fact."""
    resource, _, subresource = wanted.resource.partition("/")
    attributes = {"namespace": namespace, "verb": wanted.verb, "resource": resource}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": attributes | ({"subresource": subresource} if subresource else {})
        },
    }
    id = f"may/{namespace}/{wanted}"
    try:
        reply = session.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    except ClusterError as wrong:
        return Fact(id=id, state=State.UNKNOWN, reason=str(wrong))
    if not reply.ok:
        return Fact(id=id, state=State.UNKNOWN, reason=reply.message)
    allowed = bool(at(reply.body, "status", "allowed"))
    return Fact(id=id, state=State.GOT, data={"allowed": allowed})


def lacking(facts: Iterable[Fact], namespace: str, wanted: Iterable[Permission]) -> str:
    """The permissions that are refused, in words; empty when all are there or unknown."""
    refused = {
        fact.id for fact in facts if fact.state is State.GOT and fact.data.get("allowed") is False
    }
    missing = [str(each) for each in wanted if f"may/{namespace}/{each}" in refused]
    return f"not allowed to {', '.join(missing)} in {namespace}" if missing else ""


def _role(name: str, says: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "annotations": {"dnsdebug.dev/for": says}},
        "rules": rules,
    }


def _rule(group: str, resources: Iterable[str], *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def _other_policies(*, namespaced: bool) -> list[dict[str, Any]]:
    """Of network plugins and administrators; a group that the cluster lacks grants nothing."""
    kinds = [kind for kind in KINDS if kind.namespaced is namespaced]
    return [
        _rule(group, [kind.resource for kind in kinds if kind.group == group], "list")
        for group in dict.fromkeys(kind.group for kind in kinds)
    ]


def roles() -> list[dict[str, Any]]:
    """The smallest ClusterRole for each level of use.

    Bind the first two in a namespace, the third cluster-wide, the one of nodes where their pods are
    to be made, that of --deep where privileged pods are admitted.
    """
    return [
        _role(
            "dnsdebug-pod",
            "probe from inside the pod (an ephemeral container)",
            [
                _rule("", ["pods"], "get", "list", "watch"),
                _rule("", ["pods/log"], "get"),
                _rule("", ["pods/ephemeralcontainers"], "patch"),
                _rule("apps", ["deployments", "statefulsets", "daemonsets", "replicasets"], "get"),
                _rule("batch", ["jobs"], "get"),
                _rule("", ["services", "events"], "get", "list"),
                _rule("networking.k8s.io", ["networkpolicies"], "list"),
                *_other_policies(namespaced=True),
            ],
        ),
        _role(
            "dnsdebug-companions",
            "two short-lived pods beside it, that tell pod from node",
            [_rule("", ["pods"], "create", "delete")],
        ),
        _role(
            "dnsdebug-cluster",
            "read the cluster's DNS: Services, pods, logs, configuration",
            [
                _rule("", ["services", "nodes", "namespaces", "events"], "get", "list"),
                _rule("", ["pods", "pods/log", "configmaps"], "get", "list"),
                _rule("apps", ["deployments", "daemonsets"], "list"),
                _rule("discovery.k8s.io", ["endpointslices"], "list"),
                _rule("networking.k8s.io", ["networkpolicies"], "list"),
                *_other_policies(namespaced=True),
                *_other_policies(namespaced=False),
            ],
        ),
        _role(
            "dnsdebug-nodes",
            "node/x and nodes: short-lived pods on nodes; in the namespace of -n",
            [
                _rule("", ["pods"], "create", "delete", "watch"),
                _rule("", ["pods/log"], "get"),
                _rule("", ["events"], "list"),
            ],
        ),
        _role(
            "dnsdebug-watch",
            "watch: what changes in the cluster meanwhile; bind it where dnsdebug-cluster is",
            [
                _rule("", ["pods", "events", "configmaps"], "list", "watch"),
                _rule("discovery.k8s.io", ["endpointslices"], "list", "watch"),
            ],
        ),
        _role(
            "dnsdebug-deep",
            "--deep: a privileged pod on the node; bind it in the namespace of --deep-namespace",
            [
                _rule("", ["pods"], "create", "delete", "watch"),
                _rule("", ["pods/log"], "get"),
            ],
        ),
        _role(
            "dnsdebug-ask",
            "cluster --ask: talk to the DNS pods; bind it in their namespace",
            [_rule("", ["pods/portforward"], "create")],
        ),
        _role(
            "dnsdebug-kubelet",
            "optional: read the kubelet's configuration; nodes/proxy opens far more than that",
            [_rule("", ["nodes/proxy"], "get")],
        ),
    ]
