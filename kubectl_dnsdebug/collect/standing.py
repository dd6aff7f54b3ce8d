"""What the API shows of one probing container: whether it runs, has ended, or never will."""

from __future__ import annotations

from dataclasses import dataclass

from kubectl_dnsdebug.hygiene import one_line
from kubectl_dnsdebug.model import Json, Role
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.plan.spots import Spot

NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
STUCK = {
    *NO_IMAGE,
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
}
STUCK_EVENTS = {
    *("FailedCreatePodSandBox", "NetworkNotReady"),
    *("FailedMount", "FailedCreatePodContainer", "Failed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`failure` why it will not run, `last_seen` what it waits for; both empty once it `runs` or
    has `ended`. `words` are its last: the termination message; `end` is how it ended, in a word.
    `taken`: the kubelet knows of it."""

    failure: str = ""
    last_seen: str = ""
    runs: bool = False
    ended: bool = False
    words: str = ""
    end: str = ""
    taken: bool = False


def read(spot: Spot, kind: str, pod: Json) -> Standing:
    """From a watch event (a plain read has no `kind`) about the pod that hosts a spot."""
    if kind == "DELETED":
        return Standing(failure="the pod was deleted while it was probed")
    status = at(pod, "status", default={})
    listing = "ephemeralContainerStatuses" if spot.role is Role.TARGET else "containerStatuses"
    mine: Json = next((c for c in status.get(listing) or () if c.get("name") == spot.container), {})
    state = mine.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated")
    if waiting.get("reason") in STUCK:
        return _failed(waiting)
    if ended and ended.get("reason") in ("ContainerCannotRun", "StartError"):
        return _failed(ended)
    if ended:
        end = one_line(f"{ended.get('reason') or 'ended'}, exit code {ended.get('exitCode')}")
        words = str(ended.get("message") or "")
        return Standing(ended=True, words=words, end=end, taken=True)
    if state.get("running") is not None:
        return Standing(runs=True, taken=True)
    if status.get("phase") == "Failed":
        return _failed({"reason": "Failed", **status})
    taken = bool(status.get("startTime") or status.get(listing))
    return Standing(last_seen=_waiting_for(waiting, status), taken=taken)


def _failed(told: Json) -> Standing:
    why = f"{told.get('reason') or 'Failed'}: {told.get('message') or ''}"
    return Standing(failure=one_line(why), taken=True)


def _waiting_for(waiting: Json, status: Json) -> str:
    if waiting.get("reason"):
        return f"{waiting['reason']} {waiting.get('message', '')}".strip()
    for condition in status.get("conditions") or ():
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return f"{status.get('phase') or 'Pending'}, not started by the kubelet yet"


def stuck(spot: Spot, event: Json) -> str:
    """Why the kubelet cannot start it, by one of its warnings; empty when that one does not tell.

    A sandbox that cannot be made shows in no status.
    """
    message = str(event.get("message", ""))
    ours = spot.role is not Role.TARGET or spot.container in message
    return f"{event['reason']}: {message}" if event.get("reason") in STUCK_EVENTS and ours else ""
