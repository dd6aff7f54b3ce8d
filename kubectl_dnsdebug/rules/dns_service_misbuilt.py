"""The DNS Service itself is wrong: its selector, its ports, its traffic policy, or it is gone."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import (
    Confidence,
    Missing,
    Scope,
    Severity,
    Status,
    Subject,
    Transport,
    Vantage,
)
from kubectl_dnsdebug.observe import dns_servers, symptoms
from kubectl_dnsdebug.observe.discovery import takes_dns
from kubectl_dnsdebug.observe.objects import Service, at
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.parse import selectors
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "dns-service-misbuilt",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="The DNS Service {service} is wrong: {what}",
    remedy="{cure}",
    verify="kubectl -n {namespace} get service {name} -o yaml",
    silent_when="the Service answers by UDP and TCP everywhere, or its selector, ports and "
    "traffic policy lead to a DNS pod that is ready.",
    explains=("dns-no-ready-endpoints", "tcp-fallback-broken", "coredns-not-running"),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    places = [v for v in seen.evidence.vantages if not v.failure]
    failed = [v for v in places if not _works(seen, v)]
    if not failed:
        if not places:
            symptoms.dns_serves(seen)  # raises what kept us from looking
        return
    services = seen.dns_services
    if not services:
        yield from _gone(seen, failed)
        return
    for service in services:
        for check_one in (_selector, _transport, _no_port, _local_policy, _target_port):
            found = check_one(seen, service, failed)
            if found:
                yield found
                return


def _works(seen: Observed, vantage: Vantage) -> bool:
    """Also where nothing was asked: then it shows nothing."""
    try:
        return symptoms.cluster_names_work(seen, vantage)
    except Missing:
        return True


def _gone(seen: Observed, failed: list[Vantage]) -> Iterator[Found]:
    """All Services could be listed and none is the cluster's DNS."""
    fact = seen.fact("services")
    if fact is None or at(fact.data, "unread"):
        raise Missing("not all Services could be listed")
    for vantage in failed:
        for reach in symptoms.service_reach(seen, vantage):
            holder = next((s for s in seen.services if reach.server in s.cluster_ips), None)
            if holder and (not takes_dns(holder) or holder.selector):
                continue  # another Service has the address that pods ask: kubelet's word is wrong
            if reach.dead:
                yield Found(
                    evidence=("services", *symptoms.ids(reach)), args=_of_gone(holder, reach.server)
                )
                return


def _of_gone(holder: Service | None, address: str) -> dict[str, str]:
    if holder:
        cure = f"Set the selector of Service {holder.id} to the labels of the DNS pods."
        return _args(holder, "it has no selector, so that no DNS pod is behind it.", cure)
    return {
        "service": "of the cluster",
        "namespace": "kube-system",
        "name": "kube-dns",
        "what": f"it does not exist, and pods ask {address}.",
        "cure": f"Make the DNS Service again, with the ClusterIP {address}.",
    }


def _selector(seen: Observed, service: Service, failed: list[Vantage]) -> Found | None:
    """DNS pods are ready, and the Service selects none of them."""
    if seen.endpoints(service):
        return None
    try:
        workloads = dns_servers.workloads(seen)
    except Missing:
        return None
    wanted = selectors.as_text(service.selector)
    for each in workloads:
        fits = all(each.labels.get(key) == value for key, value in service.selector.items())
        if each.ready and not fits and each.namespace == service.namespace:
            labels = selectors.as_text(each.labels)
            return Found(
                evidence=(
                    "services",
                    f"endpointslices/{service.id}",
                    each.fact,
                ),
                args=_args(
                    service,
                    f"it selects {wanted}, which no pod has; the {each.ready} ready pods of "
                    f"{each.kind} {each.name} have {labels}.",
                    f"Set the selector of Service {service.id} to {labels}.",
                ),
            )
    return None


def _transport(seen: Observed, service: Service, failed: list[Vantage]) -> Found | None:
    """A port is missing, and questions over that transport get lost."""
    for transport in dns_servers.lacking(service):
        if reach := _dead(seen, service, failed, transport):
            word = transport.value.upper()
            return Found(
                evidence=("services", *symptoms.ids(reach)),
                args=_args(
                    service,
                    f"it has no port 53 over {word}, and {word} questions to {reach.server} fail "
                    f"({reach.summary}).",
                    f"Add port 53/{word} to Service {service.id}, with a name of its own.",
                ),
            )
    return None


def _dead(
    seen: Observed, service: Service, failed: list[Vantage], transport: Transport
) -> Reach | None:
    """How an address of the Service never answered over that transport, where it did not."""
    asked = (seen.reach(place, ip, transport) for place in failed for ip in service.cluster_ips)
    return next((reach for reach in asked if reach.dead), None)


def _no_port(seen: Observed, service: Service, failed: list[Vantage]) -> Found | None:
    """DNS pods are ready, and none has a port of the name that the Service gives."""
    ready = [e for e in seen.endpoints(service) if e.ready]
    for transport in service.dns_ports if ready else ():
        if any(transport in e.ports for e in ready):
            continue
        if reach := _dead(seen, service, failed, transport):
            word = transport.value.upper()
            return Found(
                evidence=("services", f"endpointslices/{service.id}", *symptoms.ids(reach)),
                args=_args(
                    service,
                    f"the targetPort of its port 53/{word} is a name that no port of the DNS pods "
                    f"has, so it leads nowhere ({reach.summary}).",
                    f"Set that targetPort of Service {service.id} to the number or the name of the "
                    "port on which the DNS pods listen.",
                ),
            )
    return None


def _local_policy(seen: Observed, service: Service, failed: list[Vantage]) -> Found | None:
    """internalTrafficPolicy Local drops in silence where the node has no DNS pod."""
    if not service.local_only:
        return None
    ready = {e.node for e in seen.endpoints(service) if e.ready}
    for vantage in failed:
        for ip in service.cluster_ips:
            reach = seen.reach(vantage, ip)
            if reach.dead and ready and vantage.node not in ready:
                return Found(
                    evidence=("services", f"endpointslices/{service.id}", *symptoms.ids(reach)),
                    args=_args(
                        service,
                        f"internalTrafficPolicy is Local and {vantage.node} has no DNS pod, so its "
                        f"questions to {ip} are dropped ({reach.summary}).",
                        f"Set internalTrafficPolicy of Service {service.id} to Cluster, or run a "
                        "DNS pod on every node.",
                    ),
                )
    return None


def _target_port(seen: Observed, service: Service, failed: list[Vantage]) -> Found | None:
    """It leads to a port on which the DNS pods do not take questions."""
    for endpoint in seen.endpoints(service):
        pod = dns_servers.dns_pod(seen, endpoint.ip)
        port = endpoint.ports.get(Transport.UDP)
        if pod is None or port is None or not endpoint.ready:
            continue
        declared = {
            int(p["containerPort"])
            for c in at(pod.raw, "spec", "containers", default=())
            for p in c.get("ports") or ()
            if (p.get("protocol") or "TCP") == "UDP"
        }
        listens = _listens(seen) or declared
        if not listens or port in listens:
            continue
        for vantage in failed:
            reach = seen.reach(vantage, endpoint.ip)
            if reach.dead:
                sure = reach.saw(Status.CONNECTION_REFUSED) and port not in declared
                right = ", ".join(map(str, sorted(listens)))
                either = f", or the port in the Corefile to {port}" if port in declared else ""
                return Found(
                    evidence=("services", f"endpointslices/{service.id}", *symptoms.ids(reach)),
                    args=_args(
                        service,
                        f"its targetPort leads to {port}/UDP of the DNS pods, which take DNS on "
                        f"{right} ({reach.summary}).",
                        f"Set the targetPort of Service {service.id} to {right}{either}.",
                    ),
                    confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
                    settles="" if sure else f"a question to port {right} of a DNS pod",
                )
    return None


def _listens(seen: Observed) -> set[int]:
    """The ports that the Corefile names, whatever the containers declare; none if not known."""
    try:
        found = seen.corefile
    except Missing:
        return set()
    if found.imports or any("{" in zone for block in found.blocks for zone in block.zones):
        return set()
    return {block.port for block in found.blocks if block.scheme == "dns"}


def _args(service: Service, what: str, cure: str) -> dict[str, str]:
    return {
        "service": service.id,
        "namespace": service.namespace,
        "name": service.name,
        "what": what,
        "cure": cure,
    }
