"""What the API knows, as facts.

Read once before anything is made (`survey`), once more when the probes have run (`aftermath`). The
second reading comes late on purpose: logs and events then tell of our own questions too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect import allowlist, configs, plugin_policies
from kubectl_dnsdebug.collect.facts import PAGE, failed, read, together
from kubectl_dnsdebug.hygiene import clean
from kubectl_dnsdebug.model import Fact, Json, State
from kubectl_dnsdebug.observe import configuration, discovery
from kubectl_dnsdebug.observe.objects import Pod, Service, at, items, read_pod, read_service
from kubectl_dnsdebug.parse import selectors

Job = Callable[[], Fact | Iterable[Fact]]
MOST_LOGS = 4  # that are read, of the DNS pods that look worst
LOG_TAIL = 200  # lines of a DNS pod's log
LOG_BYTES = 256_000
_MODE = re.compile(r"^ *mode: *[\"']?(\w*)", re.MULTILINE)


def survey(
    session: Session, targets: Iterable[Pod], home: str = "", kubelets: Iterable[str] = ()
) -> tuple[Fact, ...]:
    """What decides what to probe: targets, nodes, DNS Services, their pods and configuration.

    Where nodes are the targets: the namespace `home` of the pods that probe them, and nodes whose
    `kubelets` tell their configuration.
    """
    pods = tuple(targets)
    namespaces = sorted({*(pod.namespace for pod in pods), *filter(None, (home,))})
    nodes = sorted({pod.node for pod in pods if pod.node})
    facts = [
        Fact(id=f"pod/{pod.namespace}/{pod.name}", state=State.GOT, data=pod.raw) for pod in pods
    ]
    facts += together(
        [
            partial(_services, session, namespaces),
            *(partial(_namespace, session, each) for each in namespaces),
            *(partial(_node, session, each) for each in nodes),
            *(partial(kubelet, session, each) for each in (*nodes, *kubelets)),
        ]
    )
    addresses = [
        ip
        for fact in facts
        if fact.id.startswith("configz/")
        for ip in at(fact.data, "clusterDNS", default=())
    ]
    known = [
        read_service(each) for fact in facts if fact.id == "services" for each in items(fact.data)
    ]
    services = discovery.rank(known, addresses)
    wanted = _selectors(services)
    dns_namespaces = {namespace for namespace, _ in wanted}
    facts += together(
        [
            *(partial(_slices, session, each) for each in services),
            *(partial(_dns_pods, session, *each) for each in wanted),
            *(partial(_policies, session, ns) for ns in sorted({*namespaces, *dns_namespaces})),
        ]
    )
    # A policy may admit the DNS pods by the labels of their namespace.
    selecting = any(f.id.startswith("networkpolicies/") and items(f.data) for f in facts)
    others = sorted(dns_namespaces - {*namespaces}) if selecting else ()
    facts += together(
        [
            *(partial(configs.read, session, *key) for key in _config_maps(facts)),
            *(partial(_namespace, session, each) for each in others),
        ]
    )
    return tuple(facts)


def aftermath(
    session: Session, facts: tuple[Fact, ...], targets: Iterable[Pod], *, ill: bool, stale: bool
) -> tuple[Fact, ...]:
    """Logs and events: what explains, but does not decide what to probe. More where `ill`.

    `stale`: a flow is lost where others pass, and what becomes of flows is for kube-proxy's mode.
    """
    pods = tuple(targets)
    dns_pods = _dns_pods_in(facts)
    namespaces = {pod.namespace for pod in pods}
    jobs: list[Job] = []
    if not dns_pods or not all(pod.ready and not pod.restarts for pod in dns_pods):
        namespaces |= set(_dns_namespaces(facts))
    if ill:
        jobs += [
            partial(_system_pods, session, name)
            for name in sorted({p.node for p in pods if p.node})
        ]
        if pods:
            around = {*namespaces, *_dns_namespaces(facts)}
            jobs.append(partial(_other_policies, session, around, {fact.id for fact in facts}))
        if not any(each.ready for each in dns_pods):
            jobs += [partial(_workloads, session, ns) for ns in _dns_namespaces(facts)]
    if stale:
        jobs.append(partial(_proxy_mode, session))
    jobs += [partial(_events, session, namespace) for namespace in sorted(namespaces)]
    logs = [
        partial(_log, session, pod, previous=previous)
        for pod in sorted(dns_pods, key=lambda p: (p.ready, -p.restarts, p.name))
        for previous in ((True, False) if pod.restarts else (False,))
    ]
    return tuple(together(jobs + list(logs[:MOST_LOGS])))


def _services(session: Session, namespaces: Iterable[str]) -> Iterable[Fact]:
    """All Services where one may list them, else those of the namespaces that matter."""

    def everywhere(service: Json) -> bool:
        return True

    whole = read(
        session,
        "services",
        "/api/v1/services",
        allowlist.SERVICE,
        need="list services in all namespaces",
        keep=everywhere,
        query={"limit": str(PAGE)},
    )
    if whole.state is State.GOT:
        return [whole]
    found: list[Json] = []
    gaps = [whole.reason]
    for namespace in sorted({*namespaces, *(ns for ns, _ in discovery.NAMES)}):
        part = read(
            session,
            "services",
            f"/api/v1/namespaces/{namespace}/services",
            allowlist.SERVICE,
            need=f"list services in {namespace}",
        )
        found += items(part.data)
        gaps += [part.reason] if part.state is State.UNKNOWN else []
    if not found:
        return [Fact(id="services", state=State.UNKNOWN, reason="; ".join(gaps))]
    return [
        Fact(id="services", state=State.GOT, data={"items": found, "unread": True}, reason=gaps[0])
    ]


def _namespace(session: Session, name: str) -> Fact:
    path = f"/api/v1/namespaces/{name}"
    return read(
        session, f"namespace/{name}", path, allowlist.NAMESPACE, need=f"get namespace {name}"
    )


def _node(session: Session, name: str) -> Fact:
    return read(
        session, f"node/{name}", f"/api/v1/nodes/{name}", allowlist.NODE, need=f"get node {name}"
    )


def kubelet(session: Session, name: str) -> Fact:
    """The kubelet's own configuration. Few may read it, so nothing may depend on it."""
    id, need = f"configz/{name}", f"get nodes/proxy (kubelet configuration of {name})"
    try:
        reply = session.request("GET", f"/api/v1/nodes/{name}/proxy/configz", timeout=3)
    except ClusterError as wrong:
        return Fact(id=id, state=State.UNKNOWN, reason=str(wrong))
    config = at(reply.body, "kubeletconfig") if reply.ok else None
    if config is None:
        gap = failed(id, reply, need)
        return Fact(id=id, state=State.UNKNOWN, reason=gap.reason or f"could not {need}")
    return Fact(id=id, state=State.GOT, data=allowlist.keep(config, allowlist.KUBELET))


def _slices(session: Session, service: Service) -> Fact:
    return read(
        session,
        f"endpointslices/{service.id}",
        f"/apis/discovery.k8s.io/v1/namespaces/{service.namespace}/endpointslices",
        allowlist.ENDPOINT_SLICE,
        need=f"list endpointslices in {service.namespace}",
        query={"labelSelector": f"kubernetes.io/service-name={service.name}"},
    )


def _dns_pods(session: Session, namespace: str, selector: str) -> Fact:
    """The pods that a DNS Service selects, ready or not."""
    return read(
        session,
        f"dns-pods/{namespace}/{selector}",
        f"/api/v1/namespaces/{namespace}/pods",
        allowlist.POD,
        need=f"list pods in {namespace}",
        query={"labelSelector": selector, "limit": str(PAGE)},
    )


def _selectors(services: Iterable[Service]) -> list[tuple[str, str]]:
    """Namespace and selector of the DNS pods; by reputation where no Service leads to them."""
    found = {(each.namespace, selectors.as_text(each.selector)): None for each in services}
    return list(found) or [("kube-system", "k8s-app=kube-dns")]


def _policies(session: Session, namespace: str) -> Fact:
    return read(
        session,
        f"networkpolicies/{namespace}",
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
        allowlist.NETWORK_POLICY,
        need=f"list networkpolicies in {namespace}",
    )


def _other_policies(session: Session, namespaces: set[str], known: set[str]) -> list[Fact]:
    """Policies of network plugins, and the labels of namespaces that they may speak of."""
    found = plugin_policies.look(session, namespaces)
    if any(items(fact.data) for fact in found):
        more = sorted(ns for ns in namespaces if f"namespace/{ns}" not in known)
        found += [_namespace(session, each) for each in more]
    return found


def _dns_pods_in(facts: Iterable[Fact]) -> list[Pod]:
    return [read_pod(each) for f in facts if f.id.startswith("dns-pods/") for each in items(f.data)]


def _dns_namespaces(facts: Iterable[Fact]) -> list[str]:
    return sorted({f.id.split("/")[1] for f in facts if f.id.startswith("dns-pods/")})


def _config_maps(facts: Iterable[Fact]) -> list[tuple[str, str]]:
    # Without pods nothing mounts it; the name that most distributions use is worth one read.
    mounted = configuration.mounted(_dns_pods_in(facts))
    return mounted or [(namespace, "coredns") for namespace in _dns_namespaces(facts)]


def _events(session: Session, namespace: str) -> Fact:
    return read(
        session,
        f"events/{namespace}",
        f"/api/v1/namespaces/{namespace}/events",
        allowlist.EVENT,
        need=f"list events in {namespace}",
        query={"fieldSelector": "type=Warning", "limit": "200"},
    )


def _system_pods(session: Session, name: str) -> Fact:
    """kube-proxy, the CNI agent and the node cache of a node."""
    return read(
        session,
        f"system-pods/{name}",
        "/api/v1/namespaces/kube-system/pods",
        allowlist.POD,
        need="list pods in kube-system",
        query={"fieldSelector": f"spec.nodeName={name}", "limit": "100"},
    )


def _proxy_mode(session: Session) -> Fact:
    """How kube-proxy translates, by the configuration that kubeadm and others give it."""
    id, need = "kube-proxy-mode", "get configmap kube-proxy in kube-system"
    try:
        reply = session.get("/api/v1/namespaces/kube-system/configmaps/kube-proxy")
    except ClusterError as wrong:
        return Fact(id=id, state=State.UNKNOWN, reason=str(wrong))
    if not reply.ok:
        return failed(id, reply, need)
    texts = at(reply.body, "data", default={}).values()
    modes = [found[1] for text in texts if (found := _MODE.search(text))]
    return Fact(id=id, state=State.GOT, data={"mode": clean(next(iter(modes), ""))})


def _workloads(session: Session, namespace: str) -> list[Fact]:
    """What makes DNS pods and how many it wants, asked only when none is ready."""
    return [
        read(
            session,
            f"{plural}/{namespace}",
            f"/apis/apps/v1/namespaces/{namespace}/{plural}",
            allowlist.WORKLOAD,
            need=f"list {plural} in {namespace}",
        )
        for plural in ("deployments", "daemonsets")
    ]


def _log(session: Session, pod: Pod, *, previous: bool) -> Fact:
    """The end of a DNS pod's log, with the API server's time stamps."""
    main = pod.containers[0].name if pod.containers else ""
    id = f"log{'-previous' if previous else ''}/{pod.namespace}/{pod.name}"
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
    query = {"tailLines": str(LOG_TAIL), "limitBytes": str(LOG_BYTES), "timestamps": "true"}
    query |= {"container": main} | ({"previous": "true"} if previous else {})
    try:
        reply = session.request("GET", path, query=query, timeout=5)
    except ClusterError as wrong:
        return Fact(id=id, state=State.UNKNOWN, reason=str(wrong))
    if not reply.ok:
        return failed(id, reply, f"get the log of pod {pod.name} in {pod.namespace}")
    return Fact(id=id, state=State.GOT, data={"lines": reply.text.splitlines()})
