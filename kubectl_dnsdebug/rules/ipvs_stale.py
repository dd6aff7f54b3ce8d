"""One source port leads to a DNS pod that is gone, and IPVS keeps it so for up to five minutes.

kube-proxy in ipvs mode remembers where a UDP flow goes; the entry outlives the pod, and a client
that uses the port again is sent there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from kubectl_dnsdebug.model import Confidence, Missing, Scope, Severity, Subject
from kubectl_dnsdebug.observe import contrast, symptoms
from kubectl_dnsdebug.observe.astray import astray
from kubectl_dnsdebug.observe.host import HostView
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.observe.observed import Observed, Reach
from kubectl_dnsdebug.parse.host import Flow
from kubectl_dnsdebug.reason.rule import Found, rule


@rule(
    "ipvs-stale",
    scope=Scope.POD,
    severity=Severity.ERROR,
    message="Questions of {pod} to {server} from source port {port} are lost while those from "
    "fresh ports are answered ({summary}), and kube-proxy runs in ipvs mode: the entry of that "
    "flow on {node} names a DNS pod that is gone.{proof}",
    remedy="On {node} set net.ipv4.vs.expire_nodest_conn=1, shorten the UDP timeout (ipvsadm --set "
    "0 0 30), and let clients use random source ports.",
    verify="ipvsadm -Lnc | grep ':{port}'   # on {node}; the destination must be a DNS pod of now",
    silent_when="kube-proxy is in another mode, a question from the fixed port is answered, or "
    "those from new ports are lost too.",
    explains=("conntrack-stale-udp",),
)
def check(seen: Observed, subject: Subject) -> Iterator[Found]:
    own = seen.own(subject)
    host = seen.host_or_none(own.node)
    for fresh in symptoms.service_reach(seen, own):
        stale = None
        with suppress(Missing):  # no IPVS here, as on most nodes
            if host and fresh.fine:
                stale = astray(seen, subject, host.connections, fresh.server)
        if host and stale is not None:
            # The table of IPVS itself: what it does not have is not there.
            yield from (_proven(host, subject, fresh, each) for each in stale)
            continue
        bound = seen.ask(own, server=fresh.server, probe="fixed")
        flow = Reach(fresh.server, fresh.transport, bound)
        if not flow.dead or not symptoms.lossy(flow):
            continue
        if not contrast.loses_no_other(seen, own.node, fresh):
            continue
        mode = seen.fact("kube-proxy-mode")
        if mode is None:
            raise Missing("the mode of kube-proxy is not known: it has no ConfigMap")
        if at(mode.data, "mode") != "ipvs":
            continue
        yield Found(
            evidence=(*symptoms.ids(flow), *symptoms.ids(fresh, most=2), mode.id),
            args={
                "pod": subject.name,
                "node": own.node,
                "server": fresh.server,
                "port": bound[0].source_port,
                "summary": fresh.summary,
                "proof": "",
            },
            confidence=Confidence.LIKELY,
            settles="the IPVS connections of the node (--deep)",
        )
        return


def _proven(host: HostView, subject: Subject, fresh: Reach, flow: Flow) -> Found:
    return Found(
        evidence=(host.id(f"connections.{fresh.server}"), *symptoms.ids(fresh, most=2)),
        args={
            "pod": subject.name,
            "node": host.vantage.node,
            "server": fresh.server,
            "port": flow.port,
            "summary": fresh.summary,
            "proof": f" IPVS sends {flow.client} port {flow.port} to {flow.answers_from}.",
        },
    )
