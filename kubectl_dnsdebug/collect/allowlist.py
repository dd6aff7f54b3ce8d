"""What is kept of each API object: nothing that is not named here ever reaches an evidence file.

No environment, no arguments, no Secrets, no annotations but the few that decide something, no
managedFields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Shape = Mapping[str, Any]  # a key to keep: True for its whole value, a Shape for some of it

_META: Shape = {"name": True, "namespace": True, "labels": True, "deletionTimestamp": True}
_STATE: Shape = {
    "running": {"startedAt": True},
    "waiting": {"reason": True, "message": True},
    "terminated": {"reason": True, "exitCode": True, "startedAt": True, "finishedAt": True},
}
_STATUS: Shape = {
    "name": True,
    "ready": True,
    "restartCount": True,
    "state": _STATE,
    "lastState": _STATE,
}
_CONTAINER: Shape = {
    "name": True,
    "image": True,
    "ports": True,
    "resources": True,
    "securityContext": True,
    "volumeMounts": {"name": True, "mountPath": True},
    "livenessProbe": {"httpGet": True},
}

POD: Shape = {
    "metadata": {
        **_META,
        "uid": True,
        "creationTimestamp": True,
        "ownerReferences": {"kind": True, "name": True, "controller": True},
        "annotations": {"kubernetes.io/config.mirror": True},
    },
    "spec": {
        "nodeName": True,
        "os": True,
        "hostNetwork": True,
        "hostAliases": True,
        "hostname": True,
        "subdomain": True,
        "dnsPolicy": True,
        "dnsConfig": True,
        "securityContext": True,
        "serviceAccountName": True,
        "shareProcessNamespace": True,
        "imagePullSecrets": True,
        "volumes": {"name": True, "configMap": {"name": True, "items": True}},
        "containers": _CONTAINER,
        "initContainers": {"name": True, "image": True, "restartPolicy": True},
    },
    "status": {
        "phase": True,
        "reason": True,
        "message": True,
        "startTime": True,
        "podIPs": True,
        "conditions": {"type": True, "status": True, "reason": True, "message": True},
        "containerStatuses": _STATUS,
    },
}
NODE: Shape = {
    "metadata": {"name": True, "labels": True},
    "spec": {"taints": True, "unschedulable": True, "podCIDRs": True},
    "status": {
        "addresses": True,
        "conditions": {"type": True, "status": True, "reason": True, "message": True},
        "nodeInfo": True,
    },
}
SERVICE: Shape = {
    "metadata": {**_META, "creationTimestamp": True},
    "spec": {
        "type": True,
        "clusterIP": True,
        "clusterIPs": True,
        "selector": True,
        "ports": True,
        "externalName": True,
        "internalTrafficPolicy": True,
        "publishNotReadyAddresses": True,
    },
}
ENDPOINT_SLICE: Shape = {
    "metadata": {"name": True},
    "addressType": True,
    "ports": True,
    "endpoints": {
        "addresses": True,
        "conditions": True,
        "nodeName": True,
        "hostname": True,
        "targetRef": {"kind": True, "name": True},
    },
}
EVENT: Shape = {
    "type": True,
    "reason": True,
    "message": True,
    "count": True,
    "lastTimestamp": True,
    "eventTime": True,
    "involvedObject": {"kind": True, "namespace": True, "name": True},
}
NETWORK_POLICY: Shape = {"metadata": {"name": True, "namespace": True}, "spec": True}

# Of other policies: who, to whom, on which ports; nothing that is matched within HTTP.
_PEERS = (
    *("Endpoints", "CIDR", "CIDRSet", "Entities", "Services", "FQDNs", "Groups", "Nodes"),
    "Requires",
)
_CILIUM_RULE: Shape = {
    **{f"{side}{peer}": True for side in ("to", "from") for peer in _PEERS},
    "icmps": True,
    "toPorts": {"ports": True, "rules": {"dns": True}},
}
_CILIUM_SPEC: Shape = {
    "endpointSelector": True,
    "nodeSelector": True,
    "enableDefaultDeny": True,
    **dict.fromkeys(("ingress", "egress", "ingressDeny", "egressDeny"), _CILIUM_RULE),
}
_CALICO_RULE: Shape = {
    **dict.fromkeys(("action", "protocol", "notProtocol", "ipVersion"), True),
    **dict.fromkeys(("source", "destination"), True),
    "http": {"methods": True},
}
_ADMIN_RULE: Shape = dict.fromkeys(("action", "to", "from", "ports", "protocols"), True)
_OTHER: dict[str, Any] = {"metadata": {"name": True, "namespace": True}}
POLICY_OF_FAMILY: Mapping[str, Shape] = {
    "cilium.io": _OTHER | {"spec": _CILIUM_SPEC, "specs": _CILIUM_SPEC},
    "projectcalico.org": _OTHER
    | {
        "spec": {
            **dict.fromkeys(("tier", "order", "selector", "namespaceSelector", "types"), True),
            "serviceAccountSelector": True,
            **dict.fromkeys(("ingress", "egress"), _CALICO_RULE),
        }
    },
    "policy.networking.k8s.io": _OTHER
    | {
        "spec": {
            **dict.fromkeys(("tier", "priority", "subject"), True),
            **dict.fromkeys(("ingress", "egress"), _ADMIN_RULE),
        }
    },
}
NAMESPACE: Shape = {
    "metadata": {
        "name": True,
        "labels": True,
        "annotations": {"openshift.io/sa.scc.uid-range": True},
    }
}
WORKLOAD: Shape = {
    "metadata": _META,
    "spec": {"replicas": True, "selector": True},
    "status": {
        "replicas": True,
        "readyReplicas": True,
        "desiredNumberScheduled": True,
        "numberReady": True,
    },
}
KUBELET: Shape = {"clusterDNS": True, "clusterDomain": True, "resolvConf": True}


def keep(data: Any, shape: Shape | bool) -> Any:
    """The part of `data` that `shape` names. A list keeps that part of each of its elements."""
    if shape is True:
        return data
    if isinstance(data, list):
        return [keep(each, shape) for each in data]
    if not isinstance(data, Mapping) or not isinstance(shape, Mapping):
        return None
    return {key: keep(data[key], part) for key, part in shape.items() if data.get(key) is not None}
