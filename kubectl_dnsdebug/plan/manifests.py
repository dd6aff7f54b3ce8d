"""The objects that the tool makes, as plain dicts: ephemeral container, sibling, companions.

Built to pass the *restricted* Pod Security level, to end by themselves and to be found again by
their labels. Only the witness of a node, made when asked for, is privileged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubectl_dnsdebug.model import Role
from kubectl_dnsdebug.observe.objects import Pod, at

Manifest = dict[str, Any]

MANAGER = "kubectl-dnsdebug"
MANAGED_BY = "app.kubernetes.io/managed-by"
RUN = "dnsdebug.dev/run"  # label: the id of the run that made it
ROLE = "dnsdebug.dev/role"
# Annotation: says so a second time, so that a stray label is not enough.
MADE_BY = "dnsdebug.dev/made-by"
OUR_LABELS = f"{MANAGED_BY}={MANAGER}"
NOBODY = 65532  # the user of images without one of their own to fall back on
CONTAINER = "dnsdebug"
UID_RANGE = "openshift.io/sa.scc.uid-range"


def uid_for(pod: Pod, namespace: Mapping[str, Any]) -> int:
    """The numeric user to run as in this pod: its own, else of the namespace's range, else nobody.

    The target's own user may also look at its root file system, and OpenShift admits no other.
    """
    spec = at(pod.raw, "spec", default={})
    first = (spec.get("containers") or [{}])[0]
    for found in (
        at(first, "securityContext", "runAsUser"),
        at(spec, "securityContext", "runAsUser"),
    ):
        if isinstance(found, int) and found > 0:
            return found
    start, _, _ = str(at(namespace, "metadata", "annotations", UID_RANGE, default="")).partition(
        "/"
    )
    return int(start) if start.isdigit() else NOBODY


def security_context(uid: int) -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": uid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def command(
    runner: str, limit: int, many: int, known: Sequence[str], items: Sequence[str]
) -> list[str]:
    """The runner with its arguments; no probe is ever part of the shell text."""
    return ["sh", "-c", runner, MANAGER, f"{limit}/{many}", " ".join(known), *items]


def ephemeral_container(
    *, name: str, image: str, argv: Sequence[str], uid: int, target: str = ""
) -> Manifest:
    """A container to add to a running pod; it shares the processes of the container `target`."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(argv),
        "securityContext": security_context(uid),
        "terminationMessagePolicy": "File",
        **({"targetContainerName": target} if target else {}),
    }


def probe_pod(
    *,
    name: str,
    namespace: str,
    node: str,
    run: str,
    role: Role,
    image: str,
    argv: Sequence[str],
    uid: int,
    deadline: int,
    made_by: str,
    dns: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Manifest:
    """A bare pod pinned to a node.

    `dns` holds dnsPolicy (and dnsConfig), `extra` further fields of the spec. nodeName passes the
    scheduler by, so cordoned and tainted nodes are no obstacle; the toleration is for NoExecute
    taints, that would evict it.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**(labels or {}), MANAGED_BY: MANAGER, RUN: run, ROLE: role.value},
            "annotations": {MADE_BY: made_by},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            **dns,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": uid,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(argv),
                    "securityContext": security_context(uid),
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "1", "memory": "128Mi"},
                    },
                }
            ],
            **(extra or {}),
        },
    }


def host_pod(companion: Manifest) -> None:
    """Make a companion into the witness of its node: root on the node's network, that sees the
    node's files and can write none of them."""
    spec = companion["spec"]
    spec["hostNetwork"] = True
    del spec["securityContext"]
    spec["volumes"] = [{"name": "host", "hostPath": {"path": "/", "type": "Directory"}}]
    spec["containers"][0] |= {
        "securityContext": {
            "privileged": True,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": False,
            "runAsUser": 0,
        },
        "volumeMounts": [
            {
                "name": "host",
                "mountPath": "/host",
                "readOnly": True,
                "mountPropagation": "HostToContainer",
            }
        ],
    }


def companion_dns(role: Role) -> Manifest:
    """How each companion resolves, and on whose network it stands."""
    policy = _POLICIES.get(role, "ClusterFirst")
    on_host = {"hostNetwork": True} if role in (Role.HOSTNET, Role.HOSTNET_DEFAULT) else {}
    return {"dnsPolicy": policy, **on_host}


_POLICIES = {
    Role.DEFAULT: "Default",
    Role.HOST: "Default",
    Role.HOSTNET: "ClusterFirstWithHostNet",
    Role.HOSTNET_DEFAULT: "Default",
}


def sibling_dns(pod: Pod) -> Manifest:
    config = pod.dns_config
    return {"dnsPolicy": pod.dns_policy, **({"dnsConfig": config} if config else {})}


def sibling_extra(pod: Pod, pull_secrets: Sequence[str] = ()) -> Manifest:
    """What else decides how the target resolves and starts: network, host names, pull secrets."""
    spec = at(pod.raw, "spec", default={})
    secrets = [*(spec.get("imagePullSecrets") or ()), *({"name": s} for s in pull_secrets)]
    return {
        **({"hostNetwork": True} if pod.host_network else {}),
        **({"hostAliases": spec["hostAliases"]} if spec.get("hostAliases") else {}),
        **({"imagePullSecrets": secrets} if secrets else {}),
    }


def keep_out_of_services(sibling: Manifest, pod: Pod) -> None:
    """Keep a pod that bears the target's labels out of traffic and out of controllers' hands.

    A readiness gate that nobody ever sets keeps it out of Services. An owner keeps ReplicaSets and
    DaemonSets from adopting it (and deleting another pod for it), and has it removed should the
    target go first.
    """
    sibling["spec"]["readinessGates"] = [{"conditionType": "dnsdebug.dev/never-ready"}]
    uid = at(pod.raw, "metadata", "uid")
    if uid:
        sibling["metadata"]["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": uid, "controller": True}
        ]
