"""How the cluster's DNS is set up, which a fault or an odd cluster changes; and its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.distributions import SHAPES
from tests.cluster.images import COREDNS
from tests.cluster.layout import WORKERS

COREFILE = """\
.:{port} {{
    errors
    health {{
       lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    forward . {forward} {{
       max_concurrent 1000
    }}
    cache 30
    loop
    reload 2s 1s
    loadbalance
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSetup:
    """The kubeadm way by default."""

    domain: str = "cluster.local"
    service_cidr: str = "10.96.0.0/16"
    address: str = "10.96.0.10"
    service: str = "kube-dns"
    namespace: str = "kube-system"
    labels: Mapping[str, str] = field(default_factory=lambda: {"k8s-app": "kube-dns"})
    pod_port: int = 53
    replicas: int = 2
    forward: str = "/etc/resolv.conf"
    corefile_text: str | None = None
    memory_limit: str = "170Mi"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    distribution: str = "kubeadm"  # whose manifests; one of distributions.SHAPES
    stub_server: str = ""  # of the stub zone that some of them have

    @property
    def first_service_ip(self) -> str:
        """Address of the API server's own Service."""
        network = self.service_cidr.partition("/")[0]
        return network.rpartition(".")[0] + ".1"

    @property
    def corefile(self) -> str:
        if self.corefile_text is not None:
            return self.corefile_text
        return COREFILE.format(port=self.pod_port, domain=self.domain, forward=self.forward)


def listed(*items: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def cluster_role() -> dict[str, Any]:
    core = ["endpoints", "services", "pods", "namespaces"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": core, "verbs": ["list", "watch"]},
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["list", "watch"],
            },
        ],
    }


def service(setup: DnsSetup) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": setup.service,
            "namespace": setup.namespace,
            "labels": dict(setup.labels),
        },
        "spec": {
            "clusterIP": setup.address,
            "selector": dict(setup.labels),
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": setup.pod_port},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": setup.pod_port},
                {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
            ],
        },
    }


def config_map(setup: DnsSetup) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": setup.namespace},
        "data": {"Corefile": setup.corefile},
    }


def objects(setup: DnsSetup) -> dict[str, Any]:
    """All objects of the cluster's DNS, the namespace among them."""
    where = {"name": "coredns", "namespace": setup.namespace}
    role = cluster_role()
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role["metadata"]["name"],
        },
        "subjects": [{"kind": "ServiceAccount", **where}],
    }
    plain = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": setup.namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where},
        role,
        binding,
        config_map(setup),
        service(setup),
        deployment(setup),
    ]
    return listed(*SHAPES[setup.distribution](setup, plain))


def deployment(setup: DnsSetup) -> dict[str, Any]:
    labels = dict(setup.labels)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": setup.namespace, "labels": labels},
        "spec": {
            "replicas": setup.replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(setup)},
        },
    }


def _pod_spec(setup: DnsSetup) -> dict[str, Any]:
    taint = "node-role.kubernetes.io/control-plane"
    on_worker = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(WORKERS)}
    workers = {"nodeSelectorTerms": [{"matchExpressions": [on_worker]}]}
    return {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "nodeSelector": dict(setup.node_selector),
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": taint, "effect": "NoSchedule"},
        ],
        # One on each worker, so that every fault of a node or between nodes finds its replica.
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": workers}},
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": dict(setup.labels)},
            }
        ],
        "containers": [_container(setup)],
        "volumes": [{"name": "config-volume", "configMap": {"name": "coredns"}}],
    }


def _container(setup: DnsSetup) -> dict[str, Any]:
    return {
        "name": "coredns",
        "image": COREDNS,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {
            "limits": {"memory": setup.memory_limit},
            "requests": {"cpu": "100m", "memory": min(setup.memory_limit, "70Mi", key=_mebibytes)},
        },
        "ports": [
            {"containerPort": setup.pod_port, "name": "dns", "protocol": "UDP"},
            {"containerPort": setup.pod_port, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": 9153, "name": "metrics", "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": 8080},
            "initialDelaySeconds": 60,
            "timeoutSeconds": 5,
            "failureThreshold": 5,
        },
        # kubeadm asks every 10 s; a test has better things to do than wait.
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
    }


def _mebibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi"))
