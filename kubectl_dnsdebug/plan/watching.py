"""What a watch asks, how often, and of whom: one question a series, each put again and again.

A series' id is `watch.WHAT.SERVER`: `fresh` asks the cluster's DNS from a new source port each
time, `fixed` from one that stays, as a program with a long-lived socket does; `tcp` over TCP;
`direct` asks a DNS pod itself; `outside` a name outside the cluster; `libc` lets the image's own C
library look a name up, whose waits are steps of seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from kubectl_dnsdebug.model import Role
from kubectl_dnsdebug.observe.objects import DNS_PORT, Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan.probe import ANY_NS, Plan, Probe, ask
from kubectl_dnsdebug.plan.probes import bound_to, once, source_port
from kubectl_dnsdebug.plan.stage import TCP, Stage, set_up

# Questions a second of one watch, about: of a pod with little to give, and of others. Nameservers
# that only the pod's own file tells of, such as a cache on the node, come on top.
RATE_FRUGAL, RATE = 2.0, 6.0
_WALK = 8  # questions of a look-up that tries the search list first, A and AAAA for each candidate
_MOST_NAMES = 3  # of the user's
_FEW = 2  # DNS pods that a pod with little to give asks
_LINGER = 25  # seconds after the end until the container gives up: a C library waits long
_CONF = Probe(id="conf", lane="-/conf", argv=("file", "/etc/resolv.conf"), cost=0)
_PARALLEL = 99  # every series runs beside the others, by its own clock


def plan(seen: Observed, role: Role, pod: Pod, seconds: float) -> Plan:
    """The series for this target. Reads the survey only."""
    stage = set_up(seen, role, pod)
    wanted = [*_series(stage)]
    known = [(p, every) for p, every in wanted if ANY_NS.ip not in p.id or not stage.services]
    rate = sum(probe.cost / every for probe, every in known)
    stretch = max(1.0, rate / (RATE_FRUGAL if stage.frugal else RATE))
    return Plan(
        known=tuple(server.ip for server in stage.services if server.port == DNS_PORT),
        probes=tuple(once((_CONF, *_again(wanted, seconds, stretch)))),
        at_once=_PARALLEL,
        limit=math.ceil(seconds) + _LINGER,
    )


def _again(wanted: Iterable[tuple[Probe, int]], seconds: float, stretch: float) -> Iterator[Probe]:
    for probe, every in wanted:
        period = max(every, round(every * stretch))
        # dig tells microseconds when asked to.
        tool = ("dig", "-u", *probe.argv[1:]) if probe.argv[0] == "dig" else probe.argv
        yield replace(
            probe,
            lane=f"-/{probe.id}",
            argv=("watch", str(math.ceil(seconds)), str(period), *tool),
            cost=probe.cost * math.ceil(seconds / period),
        )


def _series(stage: Stage) -> Iterator[tuple[Probe, int]]:
    """Each question, with the seconds from one to the next where there is no hurry to spare."""
    for place, server in enumerate((*stage.services, ANY_NS), 1):
        # Not the port of the diagnosis that follows: no two can have one at the same time.
        bound = bound_to(server, source_port(stage.pod, place))
        yield ask("watch.fresh", server, stage.api), 1
        yield ask("watch.fixed", server, stage.api, extra=bound), 1
        if not stage.frugal:
            yield ask("watch.tcp", server, stage.api, transport=TCP), 5
            if stage.names.external:
                yield ask("watch.outside", server, stage.names.external + "."), 2
    # Each series is a process of its own, and a dig now and then.
    for server in stage.replicas[: _FEW if stage.frugal else None]:
        yield ask("watch.direct", server, stage.api), 2
    # Without a dot at the end, as programs have names.
    names = [stage.api.rstrip("."), *stage.names.asked[:_MOST_NAMES]]
    if stage.names.external and not stage.frugal:
        names.append(stage.names.external + ".")
    for name in dict.fromkeys(names):
        cost = 2 if name.endswith(".") else _WALK
        yield Probe(id=f"watch.libc.{name}", lane="", argv=("getent", "ahosts", name), cost=cost), 5
