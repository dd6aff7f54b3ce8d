"""Small hand-made evidence, and the reports that rules of the test's own make of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kubectl_dnsdebug.model import (
    Confidence,
    Evidence,
    Fact,
    Json,
    Made,
    Missing,
    Request,
    Role,
    Scope,
    Severity,
    State,
    Subject,
    Transcript,
    Vantage,
    node,
    pod,
)
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.reason.rule import Check, Found, Rule, rule
from kubectl_dnsdebug.report import report

SERVICE, COREDNS_A, COREDNS_B, UPSTREAM = "10.96.0.10", "10.244.1.3", "10.244.0.7", "192.0.2.53"
API = "kubernetes.default.svc.cluster.local."
SHOP = "web.shop.svc.cluster.local."
OUTSIDE = "registry.example.com."
CONF = f"""\
search shop.svc.cluster.local svc.cluster.local cluster.local lan
nameserver {SERVICE}
options ndots:5
"""
HOST_CONF = f"nameserver {UPSTREAM}\nsearch lan\n"
DEAD = "dead"


def pod_data(namespace: str, name: str, node: str, ip: str, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "dnsPolicy": "ClusterFirst",
            "containers": [{"name": "main", "image": "registry.example.com/shop:1"}],
        },
        "status": {
            "phase": "Running",
            "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": more.get("ready", "True")}],
            "containerStatuses": [
                {"name": "main", "ready": True, "state": more.get("state", {"running": {}})}
            ],
        },
    }


def service_data(namespace: str, name: str, ip: str, port: int) -> Json:
    ports = [{"name": f"p{p}", "port": port, "protocol": p} for p in ("UDP", "TCP")]
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "selector": {"app": name}, "ports": ports},
    }


def cluster(*targets: str) -> tuple[Fact, ...]:
    """Two DNS pods on two nodes behind one Service; target pods of namespace shop on w1."""
    dns = [
        pod_data("kube-system", "coredns-a", "w1", COREDNS_A),
        pod_data("kube-system", "coredns-b", "cp", COREDNS_B),
    ]
    addresses = {COREDNS_A: ("w1", "coredns-a"), COREDNS_B: ("cp", "coredns-b")}
    slices = {
        "ports": [{"name": f"p{p}", "port": 53, "protocol": p} for p in ("UDP", "TCP")],
        "endpoints": [
            {"addresses": [ip], "nodeName": where, "targetRef": {"name": name}}
            for ip, (where, name) in addresses.items()
        ],
    }
    services = [
        service_data("kube-system", "kube-dns", SERVICE, 53),
        service_data("shop", "web", "10.96.7.7", 80),
    ]
    return (
        *(
            got(f"pod/shop/{name}", pod_data("shop", name, "w1", f"10.244.1.{place}"))
            for place, name in enumerate(targets, 20)
        ),
        got("services", {"items": services}),
        got("endpointslices/kube-system/kube-dns", {"items": [slices]}),
        got("dns-pods/kube-system/app=kube-dns", {"items": dns}),
    )


def got(id: str, data: Json) -> Fact:
    return Fact(id=id, state=State.GOT, data=data)


class Place:
    """A vantage and what ran there: `ask` adds a dig, `file` and `say` other commands."""

    def __init__(self, role: Role, target: str = "web-1", failure: str = "") -> None:
        beside = role in (Role.CONTROL, Role.DEFAULT)
        self.vantage = Vantage(
            id=f"{role.value}:shop{'@w1' if beside else f'/{target}'}",
            role=role,
            node="w1",
            stands_for=node("w1") if beside else pod("shop", target),
            failure=failure,
        )
        self.transcripts: list[Transcript] = []

    def say(self, probe: str, argv: Iterable[str], out: str, code: int = 0) -> str:
        id = f"{self.vantage.id}#{probe}"
        self.transcripts.append(
            Transcript(
                id=id,
                vantage=self.vantage.id,
                probe=probe,
                argv=tuple(argv),
                out=out,
                exit_code=code,
            )
        )
        return id

    def file(self, text: str) -> Place:
        self.say("conf", ("file", "/etc/resolv.conf"), text)
        return self

    def ask(
        self,
        probe: str,
        server: str,
        name: str,
        said: str,
        type: str = "A",
        tcp: bool = False,
        ms: int = 1,
    ) -> str:
        """`said` is the address to answer with, a code of a server, or DEAD."""
        argv = ["dig", f"@{server}", "-q", name, "-t", type, *(["+tcp"] if tcp else [])]
        way = "TCP" if tcp else "UDP"
        code = said if said.isalpha() else "NOERROR"
        records = f"{name} 5 IN {type} {said}\n" if code != said else ""
        counts = f"QUERY: 1, ANSWER: {bool(records):d}, AUTHORITY: 0, ADDITIONAL: 0"
        text = (
            f";; ->>HEADER<<- opcode: QUERY, status: {code}, id: 7\n"
            f";; flags: qr aa rd; {counts}\n"
            f";; QUESTION SECTION:\n;{name} IN {type}\n\n;; ANSWER SECTION:\n{records}\n"
            f";; Query time: {ms} msec\n;; SERVER: {server}#53({server}) ({way})\n"
            ";; MSG SIZE  rcvd: 50\n"
        )
        if said == DEAD:
            text = (
                f";; communications error to {server}#53: timed out\n;; no servers could be reached"
            )
        return self.say(f"{probe}.{server}", argv, text, 9 if said == DEAD else 0)

    def battery(self, said: Mapping[str, str] | None = None) -> Place:
        """What a target asks, in small. `said` maps a server to its one answer."""
        say = said or {}
        for server in (SERVICE, COREDNS_A, COREDNS_B):
            for n in (1, 2, 3, 4):
                self.ask(f"reach.udp{n}", server, API, say.get(server, "10.96.0.1"))
            self.ask("reach.tcp1", server, API, say.get(server, "10.96.0.1"), tcp=True, ms=2)
            if say.get(server) == DEAD:
                continue  # the runner asks a dead server nothing more
            self.ask("reach6", server, API, say.get(server, "NOERROR"), "AAAA")
            self.ask("svc.web", server, SHOP, say.get(server, "10.96.7.7"))
            self.ask("ext", server, OUTSIDE, say.get(server, "198.51.100.1"), ms=14)
        return self


def evidence(
    *places: Place,
    targets: Iterable[str] = ("web-1",),
    picked_by: tuple[str, ...] = (),
    facts: tuple[Fact, ...] = (),
    made: tuple[Made, ...] = (
        Made(what="ephemeral container dnsdebug-a1 in pod/shop/web-1", fate="ended"),
        Made(what="pod/shop/dnsdebug-a1-control", fate="removed"),
        Made(what="pod/shop/dnsdebug-a1-default", fate="removed"),
    ),
) -> Evidence:
    return Evidence(
        tool="test",
        collected_at="2025-01-01T00:00:00+00:00",
        context="lab",
        request=Request(targets=tuple(f"pod/shop/{t}" for t in targets), picked_by=picked_by),
        facts=facts or cluster(*targets),
        vantages=tuple(place.vantage for place in places),
        transcripts=tuple(t for place in places for t in place.transcripts),
        made=made,
        timing={"survey": 0.4, "probes": 1.9, "total": 2.3},
        counts={"api requests": 21, "dns queries (planned)": 96},
    )


def surroundings() -> tuple[Place, Place]:
    """The two companions of a healthy node."""
    default = Place(Role.DEFAULT).file(HOST_CONF)
    default.ask("up.udp1", UPSTREAM, OUTSIDE, "198.51.100.1", ms=13)
    default.ask("up.tcp", UPSTREAM, OUTSIDE, "198.51.100.1", tcp=True, ms=15)
    return Place(Role.CONTROL).file(CONF), default


def in_pod(target: str = "web-1", conf: str = CONF) -> Place:
    place = Place(Role.TARGET, target).file(conf)
    place.say("app", ("app",), "loader /lib/ld-musl-x86_64.so.1\nmusl 1.2.5")
    return place


# Rules of the test's own, so that no screen changes with the catalogue.


def sure(seen: Observed, subject: Subject) -> Iterator[Found]:
    yield from ()


def cannot(reason: str) -> Check:
    def check(seen: Observed, subject: Subject) -> Iterator[Found]:
        raise Missing(reason)

    return check


def made_rule(
    slug: str,
    check: Check,
    scope: Scope = Scope.POD,
    severity: Severity = Severity.ERROR,
    explains: tuple[str, ...] = (),
    message: str = "{who} does what {slug} says.",
    remedy: str = "Undo what makes {who} do so, and see to it that it stays undone.",
    verify: str = "kubectl get pods --all-namespaces -o wide --field-selector spec.nodeName={who}",
) -> Rule:
    return rule(
        slug,
        scope=scope,
        severity=severity,
        message=message.replace("{slug}", slug),
        remedy=remedy,
        verify=verify,
        silent_when="the names resolve.",
        explains=explains,
    )(check)


def finds(
    *ids: str,
    who: str = "w1",
    confidence: Confidence = Confidence.CERTAIN,
    settles: str = "",
) -> Check:
    def check(seen: Observed, subject: Subject) -> Iterator[Found]:
        yield Found(evidence=ids, args={"who": who}, confidence=confidence, settles=settles)

    return check


CALM = (made_rule("calm-a", sure), made_rule("calm-b", sure), made_rule("calm-c", sure))


def healthy() -> report.Report:
    advice = made_rule(
        "few-replicas",
        finds("dns-pods/kube-system/app=kube-dns", who="The DNS Deployment"),
        severity=Severity.INFO,
        scope=Scope.CLUSTER,
        message="{who} has 2 pods, and one of them is on a control-plane node.",
        remedy="Run three, spread over nodes.",
    )
    minor = made_rule(
        "kubelet-file", cannot("not allowed to get nodes/proxy"), severity=Severity.INFO
    )
    here = in_pod().battery()
    return report.build(evidence(here, *surroundings()), (*CALM, advice, minor))


def one_cause() -> report.Report:
    """The Service address is dead from one node, the DNS pods are not; two findings follow."""
    here = in_pod().battery({SERVICE: DEAD})
    reach = [t.id for t in here.transcripts if "reach.udp" in t.id]
    rules = (
        made_rule(
            "proxy-rules-missing",
            finds(
                *reach,
                "endpointslices/kube-system/kube-dns",
                confidence=Confidence.LIKELY,
                settles="--deep reads the rules of kube-proxy on w1",
            ),
            scope=Scope.NODE,
            explains=("service-dead",),
            message="On {who} no packet to 10.96.0.10 comes back, while both DNS pods behind it "
            "answer there: the node does not translate the Service address.",
            remedy="Restart kube-proxy on {who} and read its log.",
        ),
        made_rule("service-dead", finds(*reach[:4], who="web-1"), explains=("slow-names",)),
        made_rule("slow-names", finds(who="web-1"), severity=Severity.WARNING),
        *(
            made_rule(f"kubelet-{n}", cannot("not allowed to get nodes/proxy (kubelet of w1)"))
            for n in range(1, 10)
        ),
        made_rule("corefile-forward", cannot("the DNS pods mount no ConfigMap with a Corefile")),
        *CALM,
    )
    return report.build(
        evidence(here, *surroundings(), picked_by=("1 of 3 pods of deploy/front",)), rules
    )


def inconclusive() -> report.Report:
    """Names fail now and then, the file has a stranger in it, and no rule knows why."""
    here = in_pod(conf=CONF.replace("lan\n", "lan openstacklocal\n")).battery()
    here.ask("reach.udp5", SERVICE, API, DEAD)
    here.ask("up.udp1", UPSTREAM, OUTSIDE, "REFUSED")
    return report.build(
        evidence(here, *surroundings()),
        (made_rule("kubelet-file", cannot("not allowed to get nodes/proxy")), *CALM),
    )


def two_targets() -> report.Report:
    """One pod is well; the other could be seen from beside only, and one DNS pod is down for it."""
    well = in_pod("web-1").battery()
    beside = Place(Role.SIBLING, "job-7").file(CONF).battery({COREDNS_B: "REFUSED"})
    ids = [t.id for t in beside.transcripts if COREDNS_B in t.id]
    note = got("sibling/shop/job-7", {"reason": "it has ended (Succeeded)"})
    rules = (made_rule("replica-refuses", finds(*ids, who="coredns-b")), *CALM)
    names = ("web-1", "job-7")
    return report.build(
        evidence(
            well,
            beside,
            *surroundings(),
            targets=names,
            picked_by=("", "1 of 1 pods of job/nightly"),
            facts=(*cluster(*names), note),
            made=(Made(what="pod/shop/dnsdebug-a1-sibling", fate="not removed: HTTP 500"),),
        ),
        rules,
    )


REPORTS = {
    "healthy": healthy,
    "one-cause": one_cause,
    "inconclusive": inconclusive,
    "two-targets": two_targets,
}
