"""A search list that was cut, or that the image's resolver cannot read."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.model import Confidence, Scope, Severity, Subject
from kubectl_dnsdebug.observe import image, symptoms
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse import search
from kubectl_dnsdebug.parse.search import Libc
from kubectl_dnsdebug.reason.rule import Found, rule

_STUMBLES = (1, 2, 3)  # the last musl that fails at a lone dot in the search list


@rule(
    "search-line-bad",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="{pod}: {what}.",
    remedy="Shorten the search list: remove what the pod's dnsConfig or the host's file adds "
    "({added}), restart the kubelet if the host's file changed, and recreate the pod.",
    verify="kubectl exec -n {namespace} {name} -- grep search /etc/resolv.conf",
    silent_when="musl would read the whole list, it holds no lone dot or the image's musl passes "
    "over it, and kubelet cut nothing off.",
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    conf = seen.conf(own)
    pod = seen.target(subject)
    libc = symptoms.libc(seen, subject)
    args = {
        "pod": subject,
        "namespace": pod.namespace,
        "name": pod.name,
        "added": " ".join(symptoms.inherited(conf)) or "nothing is inherited",
    }
    relative = "kubernetes.default"
    skipped = not set(search.candidates(relative, conf, Libc.MUSL)) - {f"{relative}."}
    if skipped and symptoms.cluster_domain(conf) and conf.ndots > 1 and libc is not Libc.GLIBC:
        what = "its search line is so long that musl skips it whole: no short name resolves"
        yield Found(
            evidence=(seen.conf_id(own),),
            args={**args, "what": what},
            confidence=Confidence.CERTAIN if libc else Confidence.LIKELY,
            settles="" if libc else "the C library of the pod's image",
            severity=None if libc else Severity.WARNING,
        )
    release = _musl(seen, subject)
    if "." in conf.search and libc is not Libc.GLIBC and (not release or release <= _STUMBLES):
        what = 'its search list holds ".", where musl up to 1.2.3 gives up a name'
        yield Found(
            evidence=(seen.conf_id(own),),
            args={**args, "what": what},
            confidence=Confidence.CERTAIN if release else Confidence.LIKELY,
            settles="" if release else "the musl release of the pod's image",
            severity=None if release else Severity.WARNING,
        )
    cut = [
        (id, text)
        for id, text in seen.events("DNSConfigForming", about=pod.name)
        if text.startswith("Search Line limits")
    ]
    if cut:
        yield Found(
            evidence=(cut[-1][0], seen.conf_id(own)),
            args={**args, "what": f"kubelet left suffixes out of its search list: {cut[-1][1]}"},
            severity=Severity.WARNING,
        )


def _musl(seen: Observed, subject: Subject) -> tuple[int, ...]:
    """The release of the image's musl, such as 1.2.5; empty where that is not seen."""
    name, _, release = image.libc(seen, subject).partition(" ")
    numbers = release.partition("-")[0].split(".")
    known = name == "musl" and all(number.isdecimal() for number in numbers)
    return tuple(map(int, numbers)) if known else ()
