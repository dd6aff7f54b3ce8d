"""The cluster's DNS as the API tells of it: everything is read, nothing is made or asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.api.cluster import Session
from kubectl_dnsdebug.collect import asking, survey
from kubectl_dnsdebug.model import Evidence, Purpose, Request


def read(session: Session, say: Callable[[str], None], *, ask: bool = False) -> Evidence:
    """Evidence without a place where anything ran; with `ask` the DNS pods were asked as well."""
    started = time.monotonic()
    say("reading the cluster")
    facts = survey.survey(session, ())
    found = Evidence(
        tool=__version__,
        collected_at=session.now().isoformat(timespec="seconds"),
        context=session.context,
        request=Request(targets=(), purpose=Purpose.CLUSTER),
        facts=facts,
    )
    if ask:
        say("asking the DNS pods")
        rights, vantages, transcripts = asking.ask(session, found)
        found = replace(found, facts=facts + rights, vantages=vantages, transcripts=transcripts)
    # Without answers only logs and events tell what ails the servers: they are always read.
    more = survey.aftermath(session, facts, (), ill=True, stale=False)
    return replace(
        found,
        facts=found.facts + more,
        timing={"total": round(time.monotonic() - started, 3)},
        counts={"api requests": session.requests},
    )
