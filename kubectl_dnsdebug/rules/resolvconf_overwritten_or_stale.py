"""A resolv.conf that is not what kubelet gives today: from before a change, or written over."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Scope, Severity, Subject, Vantage
from kubectl_dnsdebug.observe import symptoms
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.resolvconf import Policy, ResolvConf, effective_policy
from kubectl_dnsdebug.reason.rule import Found, rule

_FILE = "/etc/resolv.conf"


@rule(
    "resolvconf-overwritten-or-stale",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: its resolv.conf ({has}) is not what kubelet gives a pod now ({wanted}): {why}.",
    remedy="{cure}.",
    verify="kubectl exec -n {namespace} {name} -- cat /etc/resolv.conf   # compare with that "
    "of a new pod",
    silent_when="the container's file is the pod's, and a new pod would be given the same file or "
    "fare no better; when short names resolve.",
    explains=("wrong-name",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    pod = seen.target(subject)
    if (theirs := _container(seen, own)) and _core(theirs) != _core(conf):
        mounted = _mounts(pod)
        yield Found(
            evidence=(f"{own.id}#app", seen.conf_id(own)),
            args={
                "pod": subject,
                "namespace": pod.namespace,
                "name": pod.name,
                "has": _core(theirs),
                "wanted": _core(conf),
                "why": "a volume covers the file"
                if mounted
                else "something in the container wrote over the file",
                "cure": "Remove the volume from the pod's template"
                if mounted
                else "Keep the image's entrypoint from writing the file, and recreate the pod",
            },
            severity=None if set(theirs.nameservers) - set(conf.nameservers) else Severity.WARNING,
        )
        return
    if symptoms.short_names_work(seen, own):
        return
    fresh = _fresh(seen, subject, pod)
    if fresh is None or _given(conf, pod) == _given(seen.conf(fresh), pod):
        return
    wanted = seen.conf(fresh)
    if not all(seen.reach(fresh, ip).answered for ip in wanted.nameservers[:1]):
        return  # a new pod would fare no better
    yield Found(
        evidence=(seen.conf_id(own), seen.conf_id(fresh), *symptoms.short_ids(seen, own)),
        args={
            "pod": subject,
            "namespace": pod.namespace,
            "name": pod.name,
            "has": _core(conf),
            "wanted": _core(wanted),
            "why": "a pod keeps the file that it was started with",
            "cure": "Recreate the pod; restarting its containers does not renew the file",
        },
    )


def _core(conf: ResolvConf) -> str:
    """What decides who is asked, in words."""
    servers = " ".join(conf.nameservers) or "no nameserver"
    return f"{servers}, search {' '.join(conf.search)}" if conf.search else servers


def _container(seen: Observed, own: Vantage) -> ResolvConf | None:
    """The file as the target's own container has it, where it could be read."""
    for each in seen.evidence.transcripts:
        if each.vantage == own.id and each.probe == "app":
            lines = [line for line in each.out.splitlines() if line.startswith(f"{_FILE} ")]
            text = "\n".join(line.removeprefix(f"{_FILE} ") for line in lines)
            return resolvconf.read(text) if lines else None
    return None


def _mounts(pod: Pod) -> bool:
    containers = at(pod.raw, "spec", "containers", default=())
    mounts = [mount for each in containers for mount in each.get("volumeMounts") or ()]
    return any(mount.get("mountPath", "").rstrip("/") in (_FILE, "/etc") for mount in mounts)


def _fresh(seen: Observed, subject: Subject, pod: Pod) -> Vantage | None:
    """A new pod of the node with the same policy; None when its policy is dnsConfig alone."""
    match effective_policy(pod.dns_policy, pod.host_network):
        case Policy.CLUSTER:
            return seen.control(subject)
        case Policy.HOST:
            return seen.default(subject)
    return None


def _given(conf: ResolvConf, pod: Pod) -> tuple[frozenset[str], str]:
    """Nameservers and cluster domain, without what the pod's dnsConfig adds."""
    added = (pod.dns_config or {}).get("nameservers") or ()
    return frozenset(conf.nameservers) - set(added), symptoms.cluster_domain(conf)
