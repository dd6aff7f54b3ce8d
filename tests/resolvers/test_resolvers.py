"""`parse/search.py` against the resolvers themselves: the same names in the same order, the same
end. What the simulation says is what programs in pods do."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest

from kubectl_dnsdebug.parse import resolvconf
from kubectl_dnsdebug.parse.search import Libc, Reply, Stop, walk
from tests.cluster.build import HERE
from tests.cluster.shell import run
from tests.resolvers.clients import commands

pytestmark = pytest.mark.cluster


def _conf(*search: str, ndots: int = 5) -> str:
    lines = ["nameserver 127.0.0.1", *([f"search {' '.join(search)}"] if search else [])]
    # One try of a second: silence is for telling, not for waiting.
    return "\n".join((*lines, f"options timeout:1 attempts:1 ndots:{ndots}", ""))


THREE = _conf("s1.test", "s2.test", "s3.test")
FLAT = _conf("s1.test", "s2.test", ndots=1)
BARE = _conf(ndots=1)
NINE = _conf(*(f"s{n}.test" for n in range(1, 10)))
LONG = _conf(*(f"s{n}.{'x' * 60}.test" for n in range(1, 6)))
ALL = [reply.value for reply in Reply]
ERRORS = [reply for reply in ALL if reply not in ("answer", "silence")]
NONE = ["nxdomain", "nxdomain"]
YES = ["answer", "answer"]


def _script(conf: str, name: str, **says: list[str]) -> dict[str, Any]:
    """The names in `says` stand for the candidates: s2 is NAME.s2.test., as_is is NAME. itself."""
    absolute = {
        f"{name}." if key == "as_is" else f"{name}.{key}.test.": value
        for key, value in says.items()
    }
    return {"conf": conf, "name": name, "says": absolute}


SCRIPTS = [
    _script(THREE, "db"),
    _script(THREE, "db", s2=YES),
    _script(THREE, "db.prod", as_is=YES),
    _script(THREE, "a.b.c.d.e.f", as_is=YES),
    _script(THREE, "a.b.c.d.e.f", s1=YES),
    {"conf": THREE, "name": "db.prod.", "says": {"db.prod.": YES}},
    {"conf": THREE, "name": "db.prod.", "says": {}},
    _script(FLAT, "db", s2=YES),
    _script(FLAT, "db.prod", s1=YES),
    _script(FLAT, "db.prod", as_is=YES),
    _script(BARE, "db", as_is=YES),
    _script(NINE, "db", s9=YES),
    _script(LONG, "db", as_is=YES),
    # One error for both families at the first suffix; an address waits behind the second.
    *(_script(THREE, "db", s1=[reply, reply], s2=YES) for reply in ALL),
    # The two families fare differently at the first suffix.
    *(
        _script(THREE, "db", s1=[a, aaaa], s2=YES)
        for a, aaaa in product(ALL, ALL)
        if a != aaaa and not {"silence", "other"} & {a, aaaa}
    ),
    _script(THREE, "db", s1=["answer", "silence"], s2=YES),
    _script(THREE, "db", s1=["silence", "answer"], s2=YES),
    # The name as it is fails, with a search list behind it.
    *(_script(FLAT, "db.prod", as_is=[reply, reply], s1=YES) for reply in ERRORS),
]


def _ident(script: dict[str, Any]) -> str:
    said = " ".join(f"{k}={'/'.join(v)}" for k, v in script["says"].items())
    return f"{script['name']} {said}"


@pytest.fixture(scope="module")
def results() -> dict[str, list[dict[str, Any]]]:
    """What each client did with each script. All clients at once: most of it is waiting."""

    def play(words: tuple[str, ...]) -> list[dict[str, Any]]:
        ran = run(
            *("unshare", "-n", "-m", sys.executable, "-m", "tests.resolvers.inside"),
            cwd=HERE.parent.parent,
            stdin=json.dumps({"client": words, "scripts": SCRIPTS}),
            timeout=240,
        )
        found: list[dict[str, Any]] = json.loads(ran.stdout)
        return found

    with ThreadPoolExecutor() as pool:
        clients = commands().items()
        played = {client: pool.submit(play, words) for client, (_, words) in clients}
        return {client: each.result() for client, each in played.items()}


@pytest.mark.parametrize("place", range(len(SCRIPTS)), ids=[_ident(s) for s in SCRIPTS])
def test_the_simulated_walk_is_the_real_one(
    results: dict[str, list[dict[str, Any]]], place: int
) -> None:
    script = SCRIPTS[place]
    conf = resolvconf.read(script["conf"])

    def ask(name: str) -> list[Reply]:
        return [Reply(each) for each in script["says"].get(name, NONE)]

    wrong = []
    for client, (libc, _) in commands().items():
        real = results[client][place]
        if client == "dig":
            walked = walk(script["name"], conf, libc, lambda name: ask(name)[:1])
        else:
            walked = walk(script["name"], conf, libc, ask)
        simulated = [step.name for step in walked.steps]
        if libc is Libc.BUSYBOX:  # asks all at once, before it hears the first answer
            simulated += walked.skipped
        if (simulated, walked.stop is Stop.ANSWERED) != (real["asked"], real["found"]):
            wrong.append(f"{client}: thought {simulated} {walked.stop}, did {real}")
    assert not wrong, "\n".join(wrong)
