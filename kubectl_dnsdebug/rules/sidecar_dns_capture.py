"""A service mesh takes the pod's DNS questions for itself, and does not answer them.

A sidecar may redirect port 53, to whatever address, into its own DNS proxy. While that is not up,
or mishandles a name or TCP, every lookup fails: even one that asks a DNS pod directly. Init
containers that run before the sidecar fail in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Status, Subject, Transport
from kubectl_dnsdebug.observe import dns_policies, symptoms
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.reason.rule import Found, rule

_MESHES = ("istio-proxy", "kuma-sidecar", "consul-dataplane")  # those that can capture DNS


@rule(
    "sidecar-dns-capture",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: its {kind} questions fail at {server} ({summary}) and at every DNS pod asked "
    "directly, while a plain pod on the same node gets answers: its sidecar {sidecar} captures "
    "them.",
    remedy="See why the DNS proxy of {sidecar} does not answer (its log, its start order: native "
    "sidecars come before init containers), exclude port 53 from its redirection, or switch its "
    "DNS capture off.",
    verify="kubectl -n {namespace} logs {pod} -c {sidecar} | grep -i dns",
    silent_when="the pod has no sidecar of a mesh, a server answers, or a plain pod beside it "
    "fails too.",
    explains=("tcp-fallback-broken",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    pod = seen.target(subject)
    sidecar = next((name for name in _containers(pod) if name in _MESHES), "")
    if not sidecar:
        return
    for transport in Transport:
        for reach in symptoms.service_reach(seen, own, transport):
            direct = [r for _, r in symptoms.replicas_seen(seen, own, transport)]
            if not _fails(reach) or not all(map(_fails, direct)):
                continue
            plain = seen.reach(seen.control(subject), reach.server, transport)
            if _fails(plain) or _forbidden(seen, pod, transport):
                return  # not for the pod itself, or for another reason
            yield Found(
                evidence=(
                    *symptoms.ids(reach),
                    *(r.ids[0] for r in direct),
                    *symptoms.ids(plain, most=1),
                    f"pod/{pod.namespace}/{pod.name}",
                ),
                args={
                    "pod": pod.name,
                    "namespace": pod.namespace,
                    "kind": transport.value.upper(),
                    "server": reach.server,
                    "summary": _summary(reach),
                    "sidecar": sidecar,
                },
                confidence=Confidence.LIKELY,
                settles="the NAT rules in the pod's network namespace",
            )
            return


def _containers(pod: Pod) -> tuple[str, ...]:
    """Native sidecars are init containers that go on."""
    inits = at(pod.raw, "spec", "initContainers", default=())
    return (*(c.name for c in pod.containers), *(c.get("name", "") for c in inits))


def _fails(reach: Reach) -> bool:
    """No address for a name that every cluster has. REFUSED is a policy's word, not a proxy's."""
    return bool(reach.answers) and not reach.saw(Status.NOERROR, Status.REFUSED)


def _summary(reach: Reach) -> str:
    return reach.summary if reach.dead else reach.answers[0].status.value.upper()


def _forbidden(seen: Observed, pod: Pod, transport: Transport) -> bool:
    try:
        return dns_policies.egress(seen, pod, seen.dns_endpoints, transport).blocked
    except Missing:
        return False
