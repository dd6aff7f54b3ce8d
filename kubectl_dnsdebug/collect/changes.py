"""Follow what changes in the cluster while a watch runs: endpoints, pods, configuration, warnings.

One thread a feed. What may not be followed becomes a gap, said as such.
"""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect.facts import failed
from kubectl_dnsdebug.hygiene import one_line
from kubectl_dnsdebug.model import Fact, Json, Missing, State
from kubectl_dnsdebug.observe.objects import Pod, Service, at, items, read_endpoints, read_pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.watched import CHANGES, GONE, NOT_READY, READY, Change, Kind

MOST = 200  # changes of one feed that are kept
PAUSE = 1.0  # seconds before a stream that ended is opened anew
# What one object shows: for each name or address its state.
View = Callable[[Json], Mapping[str, str]]


@dataclass
class Feed:
    """One collection to follow. `found` are the changes, by monotonic time."""

    id: str
    path: str
    need: str
    kind: Kind
    view: View
    query: Mapping[str, str] = field(default_factory=dict)
    known: dict[str, Mapping[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # of addresses
    found: list[Change] = field(default_factory=list)

    def take(self, object: Json, *, gone: bool = False, news: bool = True) -> None:
        """Note in what the object differs from what was known of it."""
        key = str(at(object, "metadata", "name", default=""))
        before = self.known.get(key, {})
        after: Mapping[str, str] = {} if gone else self.view(object)
        self.known[key] = after
        if not news or (gone and self.kind is Kind.EVENT):
            return
        changed = [(each, state) for each, state in after.items() if before.get(each) != state]
        changed += [(each, GONE) for each in before if each not in after]
        for each, state in changed[: MOST - len(self.found)]:
            is_address = self.kind is Kind.ENDPOINT
            self.found.append(
                Change(
                    fact=self.id,
                    at=time.monotonic(),
                    kind=self.kind,
                    name=self.names.get(each, each) if is_address else each,
                    state=one_line(state, 200),
                    address=each if is_address else "",
                )
            )


class Follower:
    """Follows all feeds from its making to `stop`."""

    def __init__(self, session: Session, feeds: Iterable[Feed], seconds: float) -> None:
        self._session, self.feeds = session, tuple(feeds)
        self._until = time.monotonic() + seconds
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(self.feeds)))
        self._jobs: list[Future[str]] = [self._pool.submit(self._follow, f) for f in self.feeds]

    def stop(self) -> None:
        """End every feed. Streams of the session that are open end with them."""
        self._over.set()
        self._session.close_streams()
        self._pool.shutdown(wait=True)

    def facts(self, began: float) -> tuple[Fact, ...]:
        """What was found, in seconds since `began` (monotonic); call it after `stop`."""
        return tuple(
            Fact(id=feed.id, state=State.UNKNOWN, reason=gap)
            if (gap := job.result()) and not feed.found
            else Fact(
                id=feed.id,
                state=State.GOT,
                data={"items": [_plain(each, began) for each in (*feed.found,)]},
            )
            for feed, job in zip(self.feeds, self._jobs, strict=True)
        )

    def changes(self, began: float) -> tuple[Change, ...]:
        """What was found so far, oldest first, in seconds since `began`."""
        found = [each for feed in self.feeds for each in (*feed.found,)]
        return tuple(
            replace(each, at=max(0.0, each.at - began))
            for each in sorted(found, key=lambda each: each.at)
        )

    def _follow(self, feed: Feed) -> str:
        """Until it is over; the reason when it could not be followed."""
        first = True
        while self._left() > 0:
            try:
                gap = self._once(feed, first)
            except ClusterError as wrong:
                gap = str(wrong) if first else ""
            except Exception as wrong:  # a bug must not end the watch, and not be silent
                gap = f"{type(wrong).__name__}: {wrong}"
            if gap:
                return gap
            first = False
            self._over.wait(PAUSE)
        return ""

    def _left(self) -> float:
        return 0.0 if self._over.is_set() else self._until - time.monotonic()

    def _once(self, feed: Feed, first: bool) -> str:
        """List, then watch from there on."""
        reply = self._session.request("GET", feed.path, query=feed.query, timeout=10)
        if not reply.ok:
            return failed(feed.id, reply, feed.need).reason
        listed = items(reply.body)
        for each in listed:
            feed.take(each, news=not first)
        there = {str(at(each, "metadata", "name", default="")) for each in listed}
        for name in [name for name in feed.known if name not in there]:
            feed.take({"metadata": {"name": name}}, gone=True)
        query = {
            **feed.query,
            "resourceVersion": str(at(reply.body, "metadata", "resourceVersion", default="")),
        }
        with self._session.watch(feed.path, query=query, timeout=self._left() or 0.1) as events:
            for kind, each in events if not self._over.is_set() else ():
                if kind == "ERROR":
                    if each.get("code") in (401, 403):
                        return f"not allowed to {feed.need.replace('list', 'watch', 1)}"
                    break
                feed.take(each, gone=kind == "DELETED")
        return ""


def _plain(change: Change, began: float) -> dict[str, object]:
    return {
        "at": round(max(0.0, change.at - began), 2),
        "kind": change.kind.value,
        "name": change.name,
        "state": change.state,
        **({"address": change.address} if change.address else {}),
    }


# -- feeds -----------------------------------------------------------------------------------------


def feeds(seen: Observed, pod: Pod) -> Iterator[Feed]:
    """What bears on the DNS of this pod, as the survey found it."""
    concerned = {pod.name}
    namespaces = {pod.namespace}
    for service in _services(seen):
        names = {e.ip: e.pod for e in seen.endpoints(service) if e.pod}
        yield Feed(
            id=f"{CHANGES}endpointslices/{service.id}",
            path=f"/apis/discovery.k8s.io/v1/namespaces/{service.namespace}/endpointslices",
            need=f"list endpointslices in {service.namespace}",
            kind=Kind.ENDPOINT,
            view=partial(_slice, service, names),
            query={"labelSelector": f"kubernetes.io/service-name={service.name}"},
            names=names,
        )
    for fact in seen.evidence.facts:
        kind, _, rest = fact.id.partition("/")
        namespace, _, name = rest.partition("/")
        if kind == "dns-pods":
            namespaces.add(namespace)
            concerned |= {str(at(each, "metadata", "name")) for each in items(fact.data)}
            query = {"labelSelector": name}
            yield _pods(f"pods/{rest}", namespace, query, partial(_pod, concerned))
        elif kind == "configmap":
            yield Feed(
                id=f"{CHANGES}configmap/{rest}",
                path=f"/api/v1/namespaces/{namespace}/configmaps",
                need=f"list configmaps in {namespace}",
                kind=Kind.CONFIG,
                view=_config,
                query={"fieldSelector": f"metadata.name={name}"},
            )
    own = {"fieldSelector": f"metadata.name={pod.name}"}
    yield _pods(f"pod/{pod.namespace}/{pod.name}", pod.namespace, own, partial(_pod, concerned))
    for namespace in sorted(namespaces):
        yield Feed(
            id=f"{CHANGES}events/{namespace}",
            path=f"/api/v1/namespaces/{namespace}/events",
            need=f"list events in {namespace}",
            kind=Kind.EVENT,
            view=partial(_event, concerned),
            query={"fieldSelector": "type=Warning"},
        )


def _services(seen: Observed) -> tuple[Service, ...]:
    try:
        return seen.dns_services
    except Missing:
        return ()


def _pods(id: str, namespace: str, query: Mapping[str, str], view: View) -> Feed:
    return Feed(
        id=CHANGES + id,
        path=f"/api/v1/namespaces/{namespace}/pods",
        need=f"list pods in {namespace}",
        kind=Kind.POD,
        view=view,
        query=query,
    )


def _slice(service: Service, names: dict[str, str], slice: Json) -> Mapping[str, str]:
    """Each address of one EndpointSlice. `names` learns whose it is, for when it is gone."""
    ends = tuple(read_endpoints({"items": [slice]}, service))
    names.update({each.ip: each.pod for each in ends if each.pod})
    return {each.ip: READY if each.ready else NOT_READY for each in ends}


def _pod(concerned: set[str], data: Json) -> Mapping[str, str]:
    """A pod's state in words. `concerned` learns its name: warnings about it matter."""
    pod = read_pod(data)
    concerned.add(pod.name)
    words = [READY if pod.ready else NOT_READY]
    words += ["being deleted"] if pod.terminating else []
    words += [each.waiting for each in pod.containers if each.waiting]
    if pod.restarts:
        ends = [each.last_exit for each in pod.containers if each.last_exit]
        words.append(" ".join([f"{pod.restarts} restarts", *(f"({each})" for each in ends[:1])]))
    return {pod.name: ", ".join(words)}


def _config(data: Json) -> Mapping[str, str]:
    """A sum of its content, which itself is not kept."""
    text = json.dumps(at(data, "data", default={}), sort_keys=True)
    return {str(at(data, "metadata", "name", default="")): f"sum {zlib.crc32(text.encode()):08x}"}


def _event(concerned: set[str], data: Json) -> Mapping[str, str]:
    name = str(at(data, "involvedObject", "name", default=""))
    if name not in concerned:
        return {}
    said = f"{data.get('reason', '')}: {data.get('message', '')}"
    count = at(data, "count", default=1)
    return {name: f"{said} (x{count})" if isinstance(count, int) and count > 1 else said}
