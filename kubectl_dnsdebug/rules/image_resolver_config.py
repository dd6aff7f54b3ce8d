"""The pod's own files answer before DNS, or keep its programs from asking DNS at all.

An entry of /etc/hosts (from `hostAliases`, or baked into the image) goes before DNS and knows
nothing of a Service that was made anew. The `hosts:` line of glibc's /etc/nsswitch.conf may leave
DNS out, or give names below .local to multicast DNS and stop there. dig reads neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kubectl_dnsdebug.model import Answer, Confidence, Missing, Scope, Severity, Subject, Vantage
from kubectl_dnsdebug.observe import image, names, symptoms
from kubectl_dnsdebug.observe.objects import Pod, at
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "image-resolver-config",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {where} decides before DNS is asked: {what}.",
    remedy="Correct {where} or remove what it says of the name, and recreate the pod; the line in "
    "/etc/nsswitch.conf should be `hosts: files dns`.",
    verify="kubectl -n {namespace} exec {pod} -- getent ahosts {name}   # against: dig +search "
    "{name}",
    silent_when="the entries of the pod's hosts file agree with DNS, and the hosts line of "
    "glibc's nsswitch.conf asks DNS.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    pod = seen.target(subject)
    for entry in _entries(seen, pod, own):
        truth = _truth(seen, pod, own, entry.name)
        if truth and entry.address not in truth.addresses:
            yield _hidden(seen, pod, own, entry, truth)
            return
    line = image.setting(seen, subject, "/etc/nsswitch.conf", "hosts:")
    if line and symptoms.libc(seen, subject) is Libc.GLIBC and (told := _switch(seen, line)):
        what, severity, settles = told
        yield Found(
            evidence=(f"{own.id}#app",),
            args={
                "pod": pod.name,
                "namespace": pod.namespace,
                "where": "/etc/nsswitch.conf of its image",
                "what": f"by `hosts: {line}` {what}",
                "name": "kubernetes.default",
            },
            confidence=Confidence.LIKELY,
            settles=settles,
            severity=severity,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A name of the pod's /etc/hosts. `id` is the evidence."""

    address: str
    name: str
    where: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Truth:
    """What DNS or the API has for a name."""

    addresses: frozenset[str]
    says: str
    ids: tuple[str, ...]
    asked: bool  # by the user, by that very name


def _entries(seen: Observed, pod: Pod, own: Vantage) -> Iterator[_Entry]:
    """What is not the pod's own name: `hostAliases` by the API, the rest by the image's root."""
    aliases = at(pod.raw, "spec", "hostAliases", default=())
    for alias in aliases:
        for name in alias.get("hostnames") or ():
            yield _Entry(
                address=alias.get("ip", ""),
                name=name,
                where="hostAliases",
                id=f"pod/{pod.namespace}/{pod.name}",
            )
    known = {name for alias in aliases for name in alias.get("hostnames") or ()}
    for text in image.lines(seen, pod.subject, "/etc/hosts"):
        address, *rest = [*text.partition("#")[0].split(), ""]
        for name in filter(None, rest):
            if address not in pod.ips and name not in known:
                where = "/etc/hosts of its image"
                yield _Entry(address=address, name=name, where=where, id=f"{own.id}#app")


def _truth(seen: Observed, pod: Pod, own: Vantage, name: str) -> _Truth | None:
    """What the name would be without the entry; None where it is nothing, or not known."""
    asked = name in {each.rstrip(".") for each in seen.evidence.request.names}
    if asked and (answers := _answers(seen, pod, own, name)):
        return _Truth(
            addresses=frozenset(r.data for a in answers for r in a.records),
            says=f"DNS has {answers[0].records[-1].data}",
            ids=tuple(a.id for a in answers),
            asked=True,
        )
    with suppress(Missing):
        wanted = names.meant(seen, pod, name)
        for service in seen.services:
            if (service.name, service.namespace) == wanted and service.cluster_ips:
                return _Truth(
                    addresses=frozenset(service.cluster_ips),
                    says=f"Service {service.id} has {service.cluster_ips[0]}",
                    ids=("services",),
                    asked=asked,
                )
    return None


def _answers(seen: Observed, pod: Pod, own: Vantage, name: str) -> tuple[Answer, ...]:
    """The addresses that its C library would be given for the name, had it to ask DNS."""
    found = symptoms.walked(seen, pod.subject, name).found
    answers = seen.ask(own, name=found) if found else ()
    return tuple(filter(symptoms.gives_address, answers))[:2]


def _hidden(seen: Observed, pod: Pod, own: Vantage, entry: _Entry, truth: _Truth) -> Found:
    used = [
        a
        for a in seen.ask(own, tool="getent", probe=f"libc.{entry.name}")
        if any(r.data == entry.address for r in a.records)
    ]
    return Found(
        evidence=(entry.id, *(a.id for a in used), *truth.ids),
        args={
            "pod": pod.name,
            "namespace": pod.namespace,
            "where": entry.where,
            "what": f"its programs get {entry.address} for {entry.name}, while {truth.says}",
            "name": entry.name,
        },
        confidence=Confidence.CERTAIN if used else Confidence.LIKELY,
        settles="" if used else "getent, run in the container itself",
        # Meant, perhaps, unless someone complains of that very name.
        severity=None if truth.asked and used else Severity.WARNING,
    )


def _switch(seen: Observed, line: str) -> tuple[str, Severity | None, str] | None:
    """What is wrong with the line, how grave it is, and what settles it."""
    words = line.split()
    if not {"dns", "resolve"} & set(words):
        return "glibc never asks DNS", None, "getent, run in the container itself"
    before = words[: words.index("dns")] if "dns" in words else words
    multicast = [word for word in before if word.startswith("mdns")]
    try:
        local = seen.domain.endswith("local")
    except Missing:
        return None
    if not multicast or not local or "[NOTFOUND=return]" not in before:
        return None
    return (
        f"glibc gives names below .local to {multicast[0]}, and {seen.domain} is below it",
        Severity.WARNING,
        "getent, run in the container itself: newer nss-mdns leaves longer names alone",
    )
