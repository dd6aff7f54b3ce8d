"""Flows of a pod that its node sends nowhere, by the tables that the node shows."""

from __future__ import annotations

from collections.abc import Callable

from kubectl_dnsdebug.model import Subject
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.parse.host import Flow, Flows


def astray(
    seen: Observed, subject: Subject, table: Callable[[str], Flows], server: str
) -> tuple[Flow, ...] | None:
    """The target's flows to a server that are in use and whose answers no DNS pod of now will send.

    None where the table does not tell the target's flows from the node's. Raises Missing where it
    could not be read.
    """
    pod = seen.client(subject)
    endpoints = {each.ip for each in seen.dns_endpoints}
    if pod.host_network or not endpoints:
        return None
    flows = table(server)
    return tuple(
        flow
        for flow in flows.told
        if flow.client in pod.ips
        and flow.answers_from not in endpoints
        # Where the address is the node's own, something there may answer for it.
        and not (flow.answered and flow.answers_from == server)
        and flows.in_use(flow)
    )
