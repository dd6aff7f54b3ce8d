"""The applications of the cluster: what `up` starts, and builders for the pods of a fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.cluster.dns_setup import listed
from tests.cluster.images import DNSUTILS, MUSL

NAMESPACE = "shop"

# What the restricted level of Pod Security asks of every container.
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def namespace(name: str, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    metadata = {"name": name, "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def pod(
    name: str,
    *,
    node: str | None = None,
    image: str = DNSUTILS,
    namespace: str = NAMESPACE,
    command: tuple[str, ...] = ("sleep", "infinity"),
    labels: Mapping[str, str] | None = None,
    security: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod of one container; `spec` adds to or replaces fields of its spec."""
    container: dict[str, Any] = {"name": "app", "image": image, "command": list(command)}
    if security:
        container["securityContext"] = dict(security)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name, **(labels or {})},
        },
        "spec": {
            **({"nodeName": node} if node else {}),
            # `sleep` as process 1 ignores SIGTERM: waiting for it would be for nothing.
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            **spec,
        },
    }


def service(name: str, *, selects: str, headless: bool = False, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"app": selects},
            "ports": [{"port": 80}],
            **({"clusterIP": "None"} if headless else {}),
            **spec,
        },
    }


def deployment(name: str, *, replicas: int = 1) -> dict[str, Any]:
    template = pod(name)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": template["metadata"]["labels"]},
                "spec": template["spec"],
            },
        },
    }


def baseline() -> dict[str, Any]:
    """The healthy shop: pods on both workers, in both C libraries, and their Services."""
    return listed(
        namespace(NAMESPACE),
        pod("web", node="w1"),
        pod("api", node="w2"),
        pod("alpine", node="w1", image=MUSL),
        deployment("front"),
        service("api", selects="api"),
        service("peers", selects="api", headless=True),
    )


BASELINE_PODS = ("web", "api", "alpine")
