"""How distributions shape the cluster's DNS: each turns the objects of kubeadm into its own.

Their names, labels, ports, containers and ConfigMaps are as their manifests have them; images are
those of the test cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.cluster.images import PAUSE

if TYPE_CHECKING:
    from tests.cluster.dns_setup import DnsSetup

Object = dict[str, Any]
STUB_ZONE = "corp.example"
CONFIG = "/etc/coredns"


def _one(objects: list[Object], kind: str) -> Object:
    return next(each for each in objects if each["kind"] == kind)


def _spec(objects: list[Object]) -> Object:
    """The pods' spec."""
    found: Object = _one(objects, "Deployment")["spec"]["template"]["spec"]
    return found


def _config_map(name: str, namespace: str, data: Mapping[str, str]) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def _mount(spec: Object, volume: Object, path: str) -> None:
    spec["volumes"].append(volume)
    mount = {"name": volume["name"], "mountPath": path, "readOnly": True}
    spec["containers"][0]["volumeMounts"].append(mount)


def k3s(setup: DnsSetup, objects: list[Object]) -> list[Object]:
    """Hosts in a file of their own, and imports of a ConfigMap that nobody has to make."""
    corefile = _one(objects, "ConfigMap")
    hosts = f"hosts {CONFIG}/NodeHosts {{\n  ttl 60\n  reload 15s\n  fallthrough\n}}\n"
    head, rest = corefile["data"]["Corefile"].split("    prometheus", 1)
    tail = f"import {CONFIG}/custom/*.server\n"
    override = f"    import {CONFIG}/custom/*.override\n"
    corefile["data"] = {
        "Corefile": f"{head}    {hosts}    prometheus{rest}".replace(
            "    loadbalance\n", f"    loadbalance\n{override}"
        )
        + tail,
        "NodeHosts": "192.0.2.11 w1\n192.0.2.12 w2\n",
    }
    volume = {
        "name": "custom-config-volume",
        "configMap": {"name": "coredns-custom", "optional": True},
    }
    _mount(_spec(objects), volume, f"{CONFIG}/custom")
    return objects


def aks(setup: DnsSetup, objects: list[Object]) -> list[Object]:
    """A zone of its own in a ConfigMap that the Corefile imports."""
    corefile = _one(objects, "ConfigMap")
    text = corefile["data"]["Corefile"]
    text = text.replace("    loadbalance\n", "    loadbalance\n    import custom/*.override\n")
    corefile["data"]["Corefile"] = text + "import custom/*.server\n"
    server = f"{STUB_ZONE}:53 {{\n    errors\n    cache 30\n    forward . {setup.stub_server}\n}}\n"
    custom = _config_map("coredns-custom", setup.namespace, {"corp.server": server})
    volume = {"name": "custom", "configMap": {"name": "coredns-custom", "optional": True}}
    _mount(_spec(objects), volume, f"{CONFIG}/custom")
    return [*objects[:-1], custom, objects[-1]]


def rke2(setup: DnsSetup, objects: list[Object]) -> list[Object]:
    """Everything bears the name of the Helm release."""
    name = setup.service
    _one(objects, "ConfigMap")["metadata"]["name"] = name
    _spec(objects)["volumes"][0]["configMap"]["name"] = name
    ports = _one(objects, "Service")["spec"]["ports"]
    ports[0]["name"], ports[1]["name"] = "udp-53", "tcp-53"
    return objects


def openshift(setup: DnsSetup, objects: list[Object]) -> list[Object]:
    """A DaemonSet on every node, on a port of its own that the Service knows by name."""
    deployment = _one(objects, "Deployment")
    spec = _spec(objects)
    del spec["affinity"], spec["topologySpreadConstraints"]
    container = spec["containers"][0]
    container["name"] = "dns"
    proxy = {"name": "kube-rbac-proxy", "image": PAUSE}
    spec["containers"].append(proxy)
    spec["tolerations"] = [{"operator": "Exists"}]
    _one(objects, "ConfigMap")["metadata"]["name"] = setup.service
    spec["volumes"][0]["configMap"]["name"] = setup.service
    service = _one(objects, "Service")
    ports = service["spec"]["ports"]
    ports[0]["targetPort"], ports[1]["targetPort"] = "dns", "dns-tcp"
    service["metadata"]["labels"] = {"dns.operator.openshift.io/owning-dns": "default"}
    text = _one(objects, "ConfigMap")["data"]
    text["Corefile"] = text["Corefile"].replace("    errors\n", "    bufsize 1232\n    errors\n")
    text["Corefile"] += f"hostname.bind:{setup.pod_port} {{\n    chaos\n}}\n"
    deployment["spec"].pop("replicas")
    deployment["spec"].pop("strategy")
    deployment |= {"kind": "DaemonSet"}
    deployment["metadata"]["name"] = setup.service
    return objects


def gke(setup: DnsSetup, objects: list[Object]) -> list[Object]:
    """kube-dns: three containers, and a ConfigMap of JSON where others have a Corefile.

    What stands for its programs gets its own configuration where nobody looks for one.
    """
    corefile = _one(objects, "ConfigMap")
    text = corefile["data"]["Corefile"]
    text += f"{STUB_ZONE}:{setup.pod_port} {{\n    forward . {setup.stub_server}\n}}\n"
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "stand-in", "namespace": setup.namespace},
        "stringData": {"Corefile": text},
    }
    stubs = {STUB_ZONE: [setup.stub_server]}
    config = _config_map("kube-dns", setup.namespace, {"stubDomains": json.dumps(stubs)})
    spec = _spec(objects)
    dnsmasq = spec["containers"][0]
    dnsmasq["name"] = "dnsmasq"
    kubedns: Object = {"name": "kubedns", "image": PAUSE, "args": ["--config-dir=/kube-dns-config"]}
    kubedns["volumeMounts"] = [{"name": "kube-dns-config", "mountPath": "/kube-dns-config"}]
    spec["containers"] = [kubedns, dnsmasq, {"name": "sidecar", "image": PAUSE}]
    spec["volumes"] = [
        {"name": "config-volume", "secret": {"secretName": "stand-in"}},
        {"name": "kube-dns-config", "configMap": {"name": "kube-dns", "optional": True}},
    ]
    rest = [each for each in objects if each is not corefile]
    return [*rest[:-1], secret, config, rest[-1]]


SHAPES: Mapping[str, Callable[[DnsSetup, list[Object]], list[Object]]] = {
    "kubeadm": lambda _, objects: objects,
    "k3s": k3s,
    "aks": aks,
    "rke2": rke2,
    "openshift": openshift,
    "gke": gke,
}
