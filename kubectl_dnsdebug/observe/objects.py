"""Typed views of the API objects that facts hold: pods, nodes, DNS Services, the pods behind them.

Facts keep the API's own shape and field names (an allow-list of it); only here are they turned
into terms of DNS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubectl_dnsdebug.model import Json, Subject, Transport, pod

DNS_PORT = 53


def at(data: Any, *path: str, default: Any = None) -> Any:
    """The value at a path of keys, or `default` where a step is missing or null."""
    for key in path:
        if not isinstance(data, Mapping) or data.get(key) is None:
            return default
        data = data[key]
    return data


def items(data: Json) -> tuple[Json, ...]:
    return tuple(data.get("items") or ())


_SUFFIXES = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", start=1)
}


def quantity(text: str) -> float:
    """A Kubernetes quantity, such as 100m or 64Mi, as a number; infinite when it is none."""
    number = text.rstrip("mkMGTKi")
    try:
        return float(number) * _SUFFIXES.get(text.removeprefix(number), 1.0)
    except ValueError:
        return float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container of a pod as it is now. `waiting`, `last_exit`: reasons, empty without one."""

    name: str
    image: str = ""
    ready: bool = False
    running: bool = False
    restarts: int = 0
    waiting: str = ""
    waiting_message: str = ""
    last_exit: str = ""
    last_exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod. `raw` is the fact's data, for what has no attribute here."""

    namespace: str
    name: str
    node: str
    phase: str
    ips: tuple[str, ...]
    labels: Mapping[str, str]
    dns_policy: str
    host_network: bool
    containers: tuple[Container, ...]
    conditions: Mapping[str, str]
    terminating: bool
    raw: Json

    @property
    def subject(self) -> Subject:
        return pod(self.namespace, self.name)

    @property
    def ready(self) -> bool:
        return self.conditions.get("Ready") == "True"

    @property
    def is_static(self) -> bool:
        return "kubernetes.io/config.mirror" in at(self.raw, "metadata", "annotations", default={})

    @property
    def is_windows(self) -> bool:
        return bool(at(self.raw, "spec", "os", "name", default="") == "windows")

    @property
    def dns_config(self) -> Json | None:
        found: Json | None = at(self.raw, "spec", "dnsConfig")
        return found

    @property
    def memory_limit(self) -> float | None:
        """Bytes that all containers may take together; None when one of them is not limited."""
        return self._limit("memory")

    @property
    def cpu_limit(self) -> float | None:
        """Processors that all containers may take together; None when one is not limited."""
        return self._limit("cpu")

    def _limit(self, resource: str) -> float | None:
        containers = at(self.raw, "spec", "containers", default=())
        limits = [at(each, "resources", "limits", resource) for each in containers]
        return sum(map(quantity, limits)) if limits and None not in limits else None

    @property
    def restarts(self) -> int:
        return sum(container.restarts for container in self.containers)


def read_pod(data: Json) -> Pod:
    spec, status = at(data, "spec", default={}), at(data, "status", default={})
    images = {c["name"]: c.get("image", "") for c in spec.get("containers", ())}
    states = {c["name"]: c for c in status.get("containerStatuses") or ()}
    return Pod(
        namespace=at(data, "metadata", "namespace", default=""),
        name=at(data, "metadata", "name", default=""),
        node=spec.get("nodeName") or "",
        phase=status.get("phase") or "",
        ips=tuple(ip["ip"] for ip in status.get("podIPs") or () if ip.get("ip")),
        labels=at(data, "metadata", "labels", default={}),
        dns_policy=spec.get("dnsPolicy") or "ClusterFirst",
        host_network=bool(spec.get("hostNetwork")),
        containers=tuple(
            _container(name, image, states.get(name, {})) for name, image in images.items()
        ),
        conditions={c["type"]: c.get("status", "") for c in status.get("conditions") or ()},
        terminating=bool(at(data, "metadata", "deletionTimestamp")),
        raw=data,
    )


def plain_pod(namespace: str, node: str) -> Pod:
    """Any ClusterFirst pod of that namespace on that node: no labels, nothing of its own."""
    return read_pod({"metadata": {"namespace": namespace}, "spec": {"nodeName": node}})


def _container(name: str, image: str, status: Json) -> Container:
    last = at(status, "lastState", "terminated", default={})
    return Container(
        name=name,
        image=image,
        ready=bool(status.get("ready")),
        running=at(status, "state", "running") is not None,
        restarts=int(status.get("restartCount") or 0),
        waiting=at(status, "state", "waiting", "reason", default=""),
        waiting_message=at(status, "state", "waiting", "message", default=""),
        last_exit=last.get("reason") or "",
        last_exit_code=last.get("exitCode"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node. `silent`: its kubelet reports no more, so that nothing can be started there."""

    name: str
    ready: bool
    silent: bool
    trouble: str  # what the kubelet says of it when it is not ready
    os: str
    labels: Mapping[str, str]
    taints: tuple[str, ...]
    unschedulable: bool
    addresses: tuple[str, ...]
    kubelet: str
    runtime: str
    kernel: str
    image: str  # of the operating system
    architecture: str


def read_node(data: Json) -> Node:
    conditions = {
        c["type"]: c.get("status", "") for c in at(data, "status", "conditions", default=())
    }
    info = at(data, "status", "nodeInfo", default={})
    return Node(
        name=at(data, "metadata", "name", default=""),
        ready=conditions.get("Ready") == "True",
        silent=conditions.get("Ready") == "Unknown",
        trouble=next(
            (
                " ".join((c.get("message") or c.get("reason") or "").split())
                for c in at(data, "status", "conditions", default=())
                if c.get("type") == "Ready" and c.get("status") != "True"
            ),
            "",
        ),
        os=info.get("operatingSystem", ""),
        labels=at(data, "metadata", "labels", default={}),
        taints=tuple(
            f"{t.get('key', '')}:{t.get('effect', '')}"
            for t in at(data, "spec", "taints", default=())
        ),
        unschedulable=bool(at(data, "spec", "unschedulable")),
        addresses=tuple(a["address"] for a in at(data, "status", "addresses", default=())),
        kubelet=info.get("kubeletVersion", ""),
        runtime=info.get("containerRuntimeVersion", ""),
        kernel=info.get("kernelVersion", ""),
        image=info.get("osImage", ""),
        architecture=info.get("architecture", ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address behind a DNS Service. `ports` maps transports it takes DNS over to numbers."""

    ip: str
    ready: bool
    node: str
    pod: str
    ports: Mapping[Transport, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service. `dns_ports` maps each transport to the port on which it takes DNS, usually 53."""

    namespace: str
    name: str
    type: str
    cluster_ips: tuple[str, ...]
    selector: Mapping[str, str]
    labels: Mapping[str, str]
    dns_ports: Mapping[Transport, int]
    headless: bool
    local_only: bool
    external_name: str
    raw: Json

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"


def read_service(data: Json) -> Service:
    spec = at(data, "spec", default={})
    ips = tuple(spec.get("clusterIPs") or filter(None, (spec.get("clusterIP"),)))
    return Service(
        namespace=at(data, "metadata", "namespace", default=""),
        name=at(data, "metadata", "name", default=""),
        type=spec.get("type", "ClusterIP"),
        cluster_ips=tuple(ip for ip in ips if ip != "None"),
        selector=spec.get("selector") or {},
        labels=at(data, "metadata", "labels", default={}),
        dns_ports=_dns_ports(spec.get("ports") or (), wanted=DNS_PORT),
        headless="None" in ips,
        local_only=spec.get("internalTrafficPolicy") == "Local",
        external_name=spec.get("externalName") or "",
        raw=data,
    )


def _dns_ports(ports: Iterable[Json], wanted: int) -> dict[Transport, int]:
    return {
        Transport(protocol): int(port["port"])
        for port in ports
        if (protocol := (port.get("protocol") or "TCP").lower()) in set(Transport)
        and port.get("port") == wanted
    }


def read_endpoints(slices: Json, service: Service) -> Iterator[Endpoint]:
    """The endpoints of a DNS Service.

    Ports of slices are matched to the Service's DNS ports by name, as kube-proxy does.
    """
    names = {
        (port.get("name") or "", (port.get("protocol") or "TCP").lower())
        for port in at(service.raw, "spec", "ports", default=())
        if port.get("port") in service.dns_ports.values()
    }
    for each in items(slices):
        ports = {
            Transport(protocol): int(port["port"])
            for port in each.get("ports") or ()
            if port.get("port")
            and (protocol := (port.get("protocol") or "TCP").lower()) in set(Transport)
            and ((port.get("name") or ""), protocol) in names
        }
        for endpoint in each.get("endpoints") or ():
            for ip in endpoint.get("addresses") or ():
                yield Endpoint(
                    ip=ip,
                    ready=at(endpoint, "conditions", "ready", default=True) is not False,
                    node=endpoint.get("nodeName") or "",
                    pod=at(endpoint, "targetRef", "name", default=""),
                    ports=ports,
                )


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_link_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_link_local
    except ValueError:
        return False
