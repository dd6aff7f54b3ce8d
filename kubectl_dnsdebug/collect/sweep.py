"""Many nodes, a bounded number at a time, none delayed by another.

The pods work by themselves and leave their results as termination messages: one watch brings all of
them. One thread decides (what others learn comes to it as calls in a queue), so that nothing here
is locked. At any time `facts` holds what is known so far.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

from kubectl_dnsdebug.api.cluster import ClusterError, Session
from kubectl_dnsdebug.collect import cleanup, standing, vantage
from kubectl_dnsdebug.collect.following import follow
from kubectl_dnsdebug.collect.ledger import Ledger
from kubectl_dnsdebug.collect.node_plan import IN_FLIGHT, NodePlan
from kubectl_dnsdebug.collect.pace import Pace
from kubectl_dnsdebug.collect.standing import Standing
from kubectl_dnsdebug.collect.vantage import Busy, Refused
from kubectl_dnsdebug.collect.visit import Visit
from kubectl_dnsdebug.hygiene import one_line
from kubectl_dnsdebug.model import Fact, Json, Role, State, Transcript, Vantage
from kubectl_dnsdebug.observe.objects import at
from kubectl_dnsdebug.parse import summary
from kubectl_dnsdebug.plan.node_spots import FIRST_WAVE, SECOND_WAVE
from kubectl_dnsdebug.plan.spots import Spot

RATE, BURST = 50.0, 20  # creations and deletions a second
GROUPS, EACH = 12, 2  # kinds of fate whose logs are read, and of how many nodes of each
TRIES = 5  # to make pods while there is no room for them, and none of ours takes it
MOST_REFUSALS = 20  # for good, one after the other: then the others would be refused too
TAKEN_WITHIN = 12.0  # seconds in which a kubelet that lives notices a pod
PATIENCE = 4.0  # seconds without a start until the events are asked
Tell = Callable[[int, str], None]  # how many nodes are done, and a word about the others


class Sweep:
    """One sweep: `run` it once, then ask what came of it."""

    def __init__(self, session: Session, plan: NodePlan, ledger: Ledger, tell: Tell) -> None:
        self.vantages: list[Vantage] = []
        self.transcripts: list[Transcript] = []
        self.trouble = ""  # why the rest was given up
        self._session, self._plan, self._ledger, self._tell = session, plan, ledger, tell
        self._queue = deque(plan.fit)
        self._done: dict[str, Fact] = {}
        self._visits: dict[str, Visit] = {}
        self._hosts: dict[str, tuple[Visit, Role, Spot]] = {}  # by the names of their pods
        self._makes: dict[str, Future[None]] = {}
        self._groups: Counter[str] = Counter()
        self._first = plan.first
        self._barred: dict[Role, str] = {}  # what the namespace does not admit
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._over = threading.Event()
        self._pace = Pace(RATE, BURST, self._over)
        self._room = float(IN_FLIGHT)
        self._refusals = self._tries = self._number = 0
        self._hold = 0.0
        self._no_room = ""  # why, as long as nothing can be made

    def run(self, deadline: float) -> None:
        """Visit nodes until `deadline` (monotonic), and soon end with those that are under way.
        Whatever ends it, what came in stays."""
        self._makers = ThreadPoolExecutor(max_workers=8)
        self._readers = ThreadPoolExecutor(max_workers=6)
        watcher = threading.Thread(target=self._watch, args=(deadline + PATIENCE,), daemon=True)
        watcher.start()
        try:
            while (self._queue or self._visits) and not self.trouble:
                now = time.monotonic()
                if now > deadline + PATIENCE:
                    break
                if now > deadline:
                    self._hurry()
                self._admit(now)
                self._listen()
                self._look_at_clocks(time.monotonic())
                self._tell(len(self._done), f"{len(self._visits)} under way")
        finally:
            self._over.set()
            self._session.close_streams()
            for pool in (self._makers, self._readers):
                pool.shutdown(wait=True, cancel_futures=True)
            watcher.join(PATIENCE)

    def facts(self, why: str) -> tuple[Fact, ...]:
        """`swept/NODE` for each node that was to be visited; `why` says what ended the sweep before
        the others' turn, where it was not the time."""
        why = why or "the time was up (--timeout gives more)"
        found = []
        for name in self._plan.fit:
            visit = self._visits.get(name)
            if name in self._done:
                found.append(self._done[name])
            elif visit and all(role in visit.told or role in visit.failures for role in FIRST_WAVE):
                found.append(visit.fact)
            else:
                reason = f"its turn had not come when {why}"
                if self._no_room and not self.trouble:
                    reason += f"; there was no room for pods: {self._no_room}"
                if visit:
                    seen = next((f" ({each})" for each in visit.last_seen.values()), "")
                    reason = f"it was not done when {why}{seen}"
                found.append(Fact(id=f"swept/{name}", state=State.UNKNOWN, reason=reason))
        return tuple(found)

    # What the one thread decides

    def _hurry(self) -> None:
        """The time is up: nobody else's turn comes, and who is under way has told what there is."""
        self._queue.clear()
        for visit in list(self._visits.values()):
            visit.hopeless = True
            self._fail_all(visit, "it did not finish in time")

    def _admit(self, now: float) -> None:
        while self._queue and len(self._visits) < self._room and now >= self._hold:
            node = self._queue.popleft()
            self._number += 1
            visit = Visit(node=node, number=self._number, until=now + self._plan.limit)
            self._visits[node] = visit
            self._start(visit, self._first)

    def _start(self, visit: Visit, roles: Iterable[Role]) -> None:
        now = time.monotonic()
        visit.until, visit.ask_at, visit.pause = now + self._plan.limit, now + PATIENCE, PATIENCE
        visit.born = 0.0
        spots = {role: self._plan.spot(role, visit.node, visit.number) for role in roles}
        visit.spots |= spots
        visit.open |= set(spots)
        for role, spot in spots.items():
            self._hosts[spot.host] = (visit, role, spot)
            self._makes[spot.host] = self._makers.submit(self._make, visit, role, spot)

    def _listen(self) -> None:
        """Take in what has come; wait a little when nothing has."""
        try:
            self._news.get(timeout=0.2)()
            while True:
                self._news.get_nowait()()
        except queue.Empty:
            pass

    def _look_at_clocks(self, now: float) -> None:
        for visit in list(self._visits.values()):
            if not visit.open or visit.checked:
                continue
            lost = visit.born and not visit.taken and now > visit.born + TAKEN_WITHIN
            if lost or now > visit.until:
                visit.checked = True
                self._readers.submit(self._check, visit, now > visit.until)
            elif now > visit.ask_at:
                visit.pause *= 2
                visit.ask_at = now + visit.pause
                for role in visit.open - visit.running:
                    self._readers.submit(self._ask, visit, role, visit.spots[role])

    def _checked(self, visit: Visit, late: bool, answered: bool) -> None:
        """Give a node up, unless it is seen now that only the watch had failed to tell of it."""
        visit.checked = False
        if late:
            self._fail_all(visit, "it did not finish in time")
        elif not answered:
            visit.born = time.monotonic()
        elif not visit.taken:
            visit.hopeless = True
            self._fail_all(visit, f"its kubelet took no pod within {TAKEN_WITHIN:.0f} s")

    def _fail_all(self, visit: Visit, why: str) -> None:
        for role in list(visit.open):
            seen = visit.last_seen.get(role, "")
            self._fail(visit, role, f"{why}: {seen}" if seen and role not in visit.running else why)

    def _fail(self, visit: Visit, role: Role, why: str) -> None:
        if role in visit.open:
            visit.failures[role] = one_line(why)
            self._close(visit, role)

    def _made(self, visit: Visit) -> None:
        self._refusals, visit.born = 0, time.monotonic()
        self._room = min(IN_FLIGHT, self._room + 0.1)

    def _refused(self, visit: Visit, role: Role, why: str, later: bool) -> None:
        if self._visits.get(visit.node) is not visit or role not in visit.open:
            return
        if role in FIRST_WAVE and later:
            self._postpone(visit, why)
            return
        if role in SECOND_WAVE:
            self._first = FIRST_WAVE
            if not later:
                self._barred[role] = one_line(why)
        else:
            visit.hopeless = True
            self._refusals += 1
            if self._refusals >= MOST_REFUSALS:
                self.trouble = f"{self._refusals} pods in a row had been refused: {one_line(why)}"
        self._fail(visit, role, why)

    def _postpone(self, visit: Visit, why: str) -> None:
        """Back to the queue, and fewer at a time from now on."""
        self._first = FIRST_WAVE
        self._leave(visit)
        self._queue.appendleft(visit.node)
        self._room = max(1.0, float(len(self._visits)))
        if self._visits:
            return
        self._tries += 1
        self._no_room = one_line(why)
        self._hold = time.monotonic() + 2**self._tries / 2
        if self._tries >= TRIES:
            self.trouble = f"there was no room for pods again and again: {one_line(why)}"

    def _noticed(self, visit: Visit, role: Role, seen: Standing) -> None:
        """What the watch shows of one pod."""
        if role not in visit.open:
            return
        visit.taken |= seen.taken
        if seen.failure:
            visit.hopeless |= seen.failure.startswith(standing.NO_IMAGE)
            self._fail(visit, role, seen.failure)
        elif seen.ended:
            visit.running.add(role)
            if seen.words:
                visit.told[role] = seen.words
                self._close(visit, role)
            else:
                self._fail(visit, role, f"its probes ended without their summary ({seen.end})")
        elif seen.runs:
            visit.running.add(role)
        else:
            visit.last_seen[role] = seen.last_seen

    def _close(self, visit: Visit, role: Role) -> None:
        visit.open.discard(role)
        if visit.open:
            return
        if visit.wants_more:
            for each, why in self._barred.items():
                visit.failures.setdefault(each, why)
            visit.second = True
            tried = {*visit.spots, *self._barred}
            self._start(visit, [role for role in SECOND_WAVE if role not in tried])
        if not visit.open:
            self._finish(visit)

    def _finish(self, visit: Visit) -> None:
        self._tries, self._no_room = 0, ""
        self._done[visit.node] = fact = visit.fact
        group = summary.group(fact.data["summaries"], fact.data["failures"])
        known = group in self._groups or len(self._groups) < GROUPS
        if known and self._groups[group] < EACH:
            self._groups[group] += 1
            self._readers.submit(self._represent, visit)
        else:
            self._leave(visit)

    def _represented(self, visit: Visit, waits: list[vantage.Wait]) -> None:
        self.vantages += [wait.spot.vantage(wait.failure) for wait in waits]
        self.transcripts += [each for wait in waits for each in wait.transcripts]
        self._leave(visit)

    def _leave(self, visit: Visit) -> None:
        del self._visits[visit.node]
        for spot in visit.spots.values():
            del self._hosts[spot.host]
            self._makers.submit(self._remove, spot, self._makes.pop(spot.host))

    # What the other threads do

    def _make(self, visit: Visit, role: Role, spot: Spot) -> None:
        if not self._pace.turn():
            return
        try:
            vantage.create(self._session, spot, self._plan.manifest(spot), self._ledger)
        except Exception as wrong:  # not even a bug may leave a node waiting
            later = isinstance(wrong, Busy | ClusterError)
            why = str(wrong) if isinstance(wrong, Refused | ClusterError) else repr(wrong)
            self._news.put(partial(self._refused, visit, role, why, later))
        else:
            self._news.put(partial(self._made, visit))

    def _remove(self, spot: Spot, made: Future[None]) -> None:
        """Not before it is made: what is still on its way would be left. It began before, so that
        nobody waits for a turn that does not come."""
        wait([made])
        # A pod that was refused is not there to be removed, and none that was made.
        if self._ledger.holds(spot.namespace, spot.host) and self._pace.turn():
            cleanup.settle_one(self._session, self._ledger, spot.namespace, spot.host)

    def _ask(self, visit: Visit, role: Role, spot: Spot) -> None:
        if why := vantage.stuck(self._session, spot):
            self._news.put(partial(self._fail, visit, role, why))

    def _check(self, visit: Visit, late: bool) -> None:
        """Read its pods: the watch may be what is silent."""
        answered = False
        for role in tuple(visit.open):
            spot = visit.spots[role]
            path = f"/api/v1/namespaces/{spot.namespace}/pods/{spot.host}"
            with suppress(ClusterError):
                reply = self._session.request("GET", path, timeout=3)
                answered |= reply.ok
                if reply.ok:
                    seen = standing.read(spot, "", reply.body)
                    self._news.put(partial(self._noticed, visit, role, seen))
        self._news.put(partial(self._checked, visit, late, answered))

    def _represent(self, visit: Visit) -> None:
        """Read in full what a node's pods printed, for all that fared alike."""
        waits = []
        for role, spot in visit.spots.items():
            wait = vantage.Wait(spot, failure=visit.failures.get(role, ""))
            waits.append(wait)
            if role in visit.running:
                vantage.read_log(self._session, wait, False, time.monotonic() + PATIENCE)
        self._news.put(partial(self._represented, visit, waits))

    def _watch(self, deadline: float) -> None:
        home, run = self._plan.home, self._plan.run
        self.trouble = (
            follow(self._session, home, run, deadline, self._over, self._hear) or self.trouble
        )

    def _hear(self, kind: str, item: Json) -> None:
        if known := self._hosts.get(at(item, "metadata", "name", default="")):
            visit, role, spot = known
            self._news.put(partial(self._noticed, visit, role, standing.read(spot, kind, item)))
