"""DNS pods that forward to themselves."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Missing, Role, Scope, Severity, Subject
from kubectl_dnsdebug.observe import logs, outside, symptoms
from kubectl_dnsdebug.observe.objects import DNS_PORT, Pod, is_loopback
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import Policy, effective_policy
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "coredns-loop",
    scope=Scope.CLUSTER,
    severity=Severity.ERROR,
    message="DNS pods forward queries to themselves: {how}.",
    remedy="Let the DNS pods forward to the real upstreams: correct the resolv.conf that kubelet "
    "gives them (their dnsPolicy must be Default) or name the addresses in the Corefile's forward "
    "line, then recreate them; removing `loop` only hides it.",
    verify="kubectl logs -n {namespace} {name} --tail=200 | grep -e Loop -e timeout -e concurrent",
    silent_when="the DNS pods are ready and none has stopped itself for a loop of late, or a name "
    "outside resolves.",
    explains=(
        "coredns-not-running",
        "coredns-oom",
        "dns-no-ready-endpoints",
        "forward-max-concurrent",
        "upstream-timeout",
        "upstream-servfail-refused",
    ),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    works = symptoms.dns_serves(seen)
    said = logs.recent(seen, "plugin/loop: Loop (", within=logs.CRASH)
    if said and not (works and all(pod.ready for pod in seen.dns_pods)):
        id, line = said[-1]
        loop = line[line.index("Loop (") :].partition(", see")[0]
        _, namespace, name = id.split("/")
        confidence, settles = logs.of_crash(seen, line)
        yield Found(
            evidence=dict.fromkeys(id for id, _ in said),
            args={
                "how": f"CoreDNS stops itself, saying {loop!r}",
                "namespace": namespace,
                "name": name,
            },
            confidence=confidence,
            settles=settles,
        )
        return
    if _outside_works(seen):
        return
    for pod, ip, why, proof in _to_itself(seen):
        itself = "that is the pod itself" if is_loopback(ip) else "that is their own Service"
        yield Found(
            evidence=(*proof, *(id for id, _ in logs.recent(seen, f"->{ip}:53")[:1])),
            args={
                "how": f"{why}, and {itself}",
                "namespace": pod.namespace,
                "name": pod.name,
            },
        )
        return


def _outside_works(seen: Observed) -> bool:
    """Whether a name outside got a true answer from the cluster's DNS anywhere. Raises Missing."""
    gaps = []
    for vantage in seen.evidence.vantages:
        if vantage.role is Role.DEFAULT:
            continue
        try:
            if any(map(symptoms.says_something, symptoms.outside(seen, vantage))):
                return True
        except Missing as gap:
            gaps.append(str(gap))
        else:
            return False
    raise Missing(gaps[0] if gaps else "no probe ran")


def _port(to: str) -> int:
    """That of a `forward` target over plain DNS, 0 over anything else."""
    scheme, _, bare = to.rpartition("://")
    last = bare.rpartition(":")[2] if bare.count(":") == 1 or "]:" in bare else ""
    return 0 if scheme not in ("", "dns") else int(last) if last.isdecimal() else DNS_PORT


def _ports(seen: Observed) -> set[int]:
    """On which the pods take questions at every address, by their Corefile if they have one."""
    try:
        blocks = seen.corefile.blocks
    except Missing:
        return set()
    return {b.port for b in blocks if b.scheme == "dns" and not b.named("bind")}


def _to_itself(seen: Observed) -> Iterator[tuple[Pod, str, str, tuple[str, ...]]]:
    """DNS pods whose forward line leads to the DNS Service, by a file or in so many words."""
    # A zone of its own that is sent in a circle is stubdomain-broken.
    targets = [to for each in seen.forwards if each.zone == "." for to in each.to]
    addresses = [outside.address(to) for to in targets if not to.startswith("tls:")]
    own_port = [outside.address(to) for to in targets if _port(to) in _ports(seen)]
    configs = tuple(fact.id for fact in seen.facts("configmap/"))
    by_file = any(to.startswith("/") for to in targets)
    for pod in seen.dns_pods:
        for ip in seen.cluster_ips:
            if ip in addresses:
                yield pod, ip, f"the Corefile forwards to {ip}", configs
        for ip in filter(is_loopback, own_port):
            if not pod.host_network:
                yield pod, ip, f"the Corefile forwards to {ip}", configs
        policy = effective_policy(pod.dns_policy, pod.host_network)
        if by_file and policy is Policy.CLUSTER and pod.dns_config is None and seen.cluster_ips:
            ids = tuple(fact.id for fact in seen.facts("dns-pods/"))
            why = f"{pod.namespace}/{pod.name} has dnsPolicy {pod.dns_policy} and forwards to its "
            yield pod, seen.cluster_ips[0], f"{why}resolv.conf", (*configs, *ids)
    if not by_file:
        return
    for vantage in seen.evidence.vantages:
        conf = seen.conf_or_none(vantage) if vantage.role is Role.DEFAULT else None
        for ip in conf.nameservers if conf else ():
            pods = [pod for pod in seen.dns_pods if pod.node == vantage.node]
            if ip in seen.cluster_ips and pods:
                why = f"the resolv.conf that DNS pods get on {vantage.node} names {ip}"
                yield pods[0], ip, why, (seen.conf_id(vantage), *configs)
