"""A pod whose own dnsPolicy keeps it from the cluster's DNS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import Missing, Scope, Severity, Subject, Vantage
from kubectl_dnsdebug.observe import names, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Stop
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "dnspolicy-not-cluster",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod} has dnsPolicy {policy}: {lack}, so names of Services do not resolve in it.",
    remedy="Remove dnsPolicy from the pod's template to get ClusterFirst, or with None list the "
    "cluster's DNS in dnsConfig: {wanted}.",
    verify="kubectl get pod {name} -n {namespace} -o jsonpath='{{.spec.dnsPolicy}} "
    "{{.spec.dnsConfig}}'",
    silent_when="short names resolve, those that the user asked for among them, the policy is "
    "ClusterFirst, the host's own servers are dead, or the cluster's DNS is no better.",
    explains=("wrong-name",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    if symptoms.short_names_work(seen, own):
        with suppress(Missing):
            yield from _without_own(seen, subject)
        return
    pod = seen.target(subject)
    if pod.dns_policy not in ("Default", "None") or symptoms.is_dns_pod(seen, subject):
        return
    conf = seen.conf(own)
    heard = [ip for ip in conf.nameservers if not seen.reach(own, ip).dead]
    knowing = [ip for ip in heard if _knows(seen, own, ip)]
    servers = " ".join(conf.nameservers) or "no nameserver"
    if pod.dns_policy == "Default":
        if not heard:
            return  # the host's servers are dead: with another policy they would still be
        lack = f"its file is the host's, with {servers}"
    elif not knowing:
        lack = f"its dnsConfig names {servers}, and none of them gives a cluster name"
    elif not symptoms.cluster_domain(conf):
        lack = f"its dnsConfig has no search suffix of the cluster ({' '.join(conf.search)})"
    else:
        return
    serving = [r for r in symptoms.service_reach(seen, own) if not r.dead]
    if pod.dns_policy == "None" and not serving:
        return  # the cluster's DNS is no better: the way or the server, not the policy
    full = pod.dns_policy == "None" and bool(knowing)
    yield Found(
        evidence=(
            f"pod/{pod.namespace}/{pod.name}",
            seen.conf_id(own),
            *(r.ids[-1] for r in serving[:1]),
            *symptoms.short_ids(seen, own),
        ),
        args={
            "pod": subject,
            "name": pod.name,
            "namespace": pod.namespace,
            "policy": pod.dns_policy,
            "lack": lack,
            "wanted": _wanted(seen, pod.namespace),
        },
        # Full names do resolve: whoever wrote the file may have meant it so.
        severity=Severity.INFO if full else None,
    )


def _without_own(seen: Observed, subject: Subject) -> Iterator[Found]:
    """A search list by hand that leads to some Services, not to one that the user asked for."""
    own, pod = seen.own(subject), seen.target(subject)
    conf, suffix = seen.conf(own), f"{pod.namespace}.svc.{seen.domain}"
    if pod.dns_policy != "None" or suffix in conf.search:
        return
    there = {(s.name, s.namespace) for s in seen.services if s.cluster_ips}
    for name in seen.evidence.request.names:
        walk = symptoms.walked(seen, subject, name)
        denied = walk.stop in (Stop.EXHAUSTED, Stop.GAVE_UP)
        if "." in name or not denied or names.meant(seen, pod, name) not in there:
            continue
        tried = [a.id for step in walk.steps for a in seen.ask(own, name=step.name)]
        yield Found(
            evidence=(f"pod/{pod.namespace}/{pod.name}", seen.conf_id(own), *tried[:2]),
            args={
                "pod": subject,
                "name": pod.name,
                "namespace": pod.namespace,
                "policy": pod.dns_policy,
                "lack": f"its dnsConfig has no search suffix {suffix}, where {name} is",
                "wanted": _wanted(seen, pod.namespace),
            },
        )
        return


def _knows(seen: Observed, own: Vantage, server: str) -> bool:
    return any(map(symptoms.gives_address, seen.reach(own, server).answers))


def _wanted(seen: Observed, namespace: str) -> str:
    try:
        domain, servers = seen.domain, " ".join(seen.dns_service().cluster_ips)
    except Missing:
        return "its address, the search list and ndots:5"
    return (
        f"nameservers {servers}, searches {namespace}.svc.{domain} svc.{domain} {domain}, ndots:5"
    )
