"""One watch of all pods of a run, for as long as it takes: what breaks is opened anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.model import Json
from kubectl_dnsdebug.plan.manifests import RUN

SPELL = 60.0  # seconds of one watch: one that went silent for ever costs no more
PAUSE = 0.3  # seconds before one that ended is opened anew


def follow(
    session: Session,
    home: str,
    run: str,
    deadline: float,
    over: threading.Event,
    hear: Callable[[str, Json], None],
) -> str:
    """Pass on each event, until it is `over` or `deadline` (monotonic). Each new watch first tells
    of every pod there is, so that none is missed. Returns why it ended before, if it did."""
    path, query = f"/api/v1/namespaces/{home}/pods", {"labelSelector": f"{RUN}={run}"}
    while not over.is_set() and (left := deadline - time.monotonic()) > 0:
        try:
            with session.watch(path, query=query, timeout=min(SPELL, left)) as events:
                for kind, item in events if not over.is_set() else ():
                    if kind == "ERROR" and (why := _refusal(item)):
                        return f"pods of {home} could not be watched: {why}"
                    if kind == "ERROR":
                        break
                    hear(kind, item)
        except ClusterError:
            pass  # who makes pods meets the same trouble, and tells
        except Exception as wrong:  # not even a bug may leave anybody waiting
            return f"an internal error came: {wrong!r}"
        over.wait(PAUSE)
    return ""


def _refusal(status: Json) -> str:
    """Why, if the answer would stay the same; empty where a new watch may go better."""
    code = status.get("code") or 0
    stays = 400 <= code < 500 and code not in (410, 429)
    return str(status.get("message")) if stays else ""
