"""A pod on the host's network left at the default dnsPolicy, which there means the host's file."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.resolvconf import Policy, effective_policy
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "hostnetwork-clusterfirst",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod} is on the host's network with dnsPolicy ClusterFirst, which kubelet treats as "
    "Default there: it asks the host's {servers}, which know no Service.",
    remedy="Set dnsPolicy: ClusterFirstWithHostNet in the pod's template, and recreate the pod.",
    verify="kubectl get pod {name} -n {namespace} -o jsonpath='{{.spec.hostNetwork}} "
    "{{.spec.dnsPolicy}}'   # on the host's network only ClusterFirstWithHostNet is the cluster's",
    silent_when="short names resolve, the pod is not on the host's network, its policy is "
    "ClusterFirstWithHostNet or Default by choice, or it is a DNS pod.",
    explains=("wrong-name",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    if symptoms.short_names_work(seen, own):
        return
    pod = seen.target(subject)
    policy = effective_policy(pod.dns_policy, pod.host_network)
    if not pod.host_network or pod.dns_policy == "Default" or policy is not Policy.HOST:
        return
    if symptoms.is_dns_pod(seen, subject):
        return
    conf = seen.conf(own)
    if symptoms.cluster_domain(conf):
        return
    yield Found(
        evidence=(
            f"pod/{pod.namespace}/{pod.name}",
            seen.conf_id(own),
            *symptoms.short_ids(seen, own),
        ),
        args={
            "pod": subject,
            "name": pod.name,
            "namespace": pod.namespace,
            "servers": " ".join(conf.nameservers) or "file without a nameserver",
        },
    )
