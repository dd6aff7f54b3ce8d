"""watch.sh, run for real by every shell that is here: one question, again and again."""

from __future__ import annotations

import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import dns.message
import pytest

from kubectl_dnsdebug.model import Status, Transcript
from kubectl_dnsdebug.parse import samples
from kubectl_dnsdebug.plan import frames
from tests.dns_server import DnsServer, servfail
from tests.test_runner import pytestmark as pytestmark
from tests.test_runner import server as server
from tests.test_runner import shell as shell
from tests.test_runner import silent_port as silent_port
from tests.test_runner import start


def words(shell: list[str], *items: str, limit: int = 20) -> list[str]:
    runner = frames.runner(watching=True)
    return [*shell, "-c", runner, "dnsdebug", f"{limit}/99", "", *items]


def run(shell: list[str], *items: str) -> dict[str, Transcript]:
    done = start(words(shell, *items))
    lines = done.stdout.split("\n")
    assert done.returncode == 0, done.stdout
    assert frames.finished(lines), done.stdout
    return {each.probe: each for each in frames.read(lines, "here")}


def dig(port: int, *more: str, seconds: int = 3, id: str = "watch.fresh.s") -> str:
    asked = ["dig", "-u", "@127.0.0.1", "-p", str(port), "-q", "web.shop.", "+tries=1", "+time=2"]
    return " ".join([id, f"-/{id}", "watch", str(seconds), "1", *asked, *more])


def test_a_question_is_put_again_and_again(shell: list[str], server: DnsServer) -> None:
    began = time.monotonic()
    found = run(shell, dig(server.port))["watch.fresh.s"]
    assert 2.5 < time.monotonic() - began < 8
    assert found.argv[:4] == ("watch", "3", "1", "dig")
    got = samples.read(found.out)
    assert 2 <= len(got) == len(server.asked) <= 4
    assert [each.number for each in got] == [*range(1, len(got) + 1)]
    assert all(each.good and each.ms is not None and each.ms < 1000 for each in got)
    assert all(0.9 < later.at - each.at < 3 for each, later in pairwise(got))


def test_silence_is_told_with_its_text(shell: list[str], silent_port: int) -> None:
    found = run(shell, dig(silent_port, seconds=3))
    got = samples.read(found["watch.fresh.s"].out)
    assert {each.status for each in got} == {Status.TIMEOUT}
    assert got[0].ms is None
    # dig waits two seconds: then the next one follows at once.
    assert got[1].at - got[0].at < 3
    text = found["watch.fresh.s~1"]
    assert "timed out" in text.out
    assert text.argv[:2] == ("watch", "dig")


def test_few_texts_however_many_failures(shell: list[str]) -> None:
    found = run(shell, dig(9, seconds=6))
    got = samples.read(found["watch.fresh.s"].out)
    assert {each.status for each in got} == {Status.CONNECTION_REFUSED}
    assert len(got) > 3
    assert {id for id in found if "~" in id} == {f"watch.fresh.s~{n}" for n in (1, 2, 3)}


@pytest.mark.parametrize(
    ("code", "status", "empty"),
    [
        (dns.rcode.SERVFAIL, Status.SERVFAIL, False),
        (dns.rcode.REFUSED, Status.REFUSED, False),
        (dns.rcode.NXDOMAIN, Status.NXDOMAIN, False),
        (dns.rcode.NOTIMP, Status.OTHER_RCODE, False),
        (dns.rcode.NOERROR, Status.NOERROR, True),
    ],
)
def test_what_servers_say(code: dns.rcode.Rcode, status: Status, empty: bool) -> None:
    def say(query: dns.message.Message) -> dns.message.Message:
        answer = servfail(query)
        answer.set_rcode(code)
        return answer

    with DnsServer(say) as server:
        first = samples.read(run(["sh"], dig(server.port, seconds=1))["watch.fresh.s"].out)[0]
    assert (first.status, first.empty) == (status, empty)
    assert first.ms is not None


def test_from_one_source_port(shell: list[str], server: DnsServer) -> None:
    item = dig(server.port, "-b", "127.0.0.1#45017", id="watch.fixed.s")
    got = samples.read(run(shell, item)["watch.fixed.s"].out)
    assert all(each.good for each in got)


def test_a_c_library_is_timed(shell: list[str], tmp_path: Path) -> None:
    slow = tmp_path / "getent"
    slow.write_text("#!/bin/sh\nsleep 2\n[ $2 = good. ]\n")
    slow.chmod(0o755)
    path = f"PATH={tmp_path}:/usr/bin:/bin"
    items = [f"watch.libc.{n} -/{n} watch 4 1 getent ahosts {n}." for n in ("good", "bad")]
    done = start(["env", path, *words(shell, *items)])
    found = {each.probe: each for each in frames.read(done.stdout.split("\n"), "here")}
    good, bad = (samples.read(found[f"watch.libc.{n}"].out)[0] for n in ("good", "bad"))
    assert (good.status, bad.status) == (Status.NOERROR, Status.NO_ADDRESS)
    assert good.ms is not None
    assert 1900 < good.ms < 4000


def test_an_image_without_the_tool(shell: list[str]) -> None:
    found = run(shell, "watch.libc.x -/1 watch 3 1 dig-of-nowhere x")["watch.libc.x"]
    assert found.failure == "the image has no dig-of-nowhere"


def test_it_ends_by_itself_when_nobody_listens(shell: list[str], server: DnsServer) -> None:
    """The reader goes, as a tool that was killed; the container has its own clock."""
    process = subprocess.Popen(
        words(shell, dig(server.port, seconds=3)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(timeout=15)


def test_every_line_is_one_small_write(shell: list[str], server: DnsServer) -> None:
    done = start(words(shell, dig(server.port), dig(9, id="watch.fresh.t")))
    lines = done.stdout.split("\n")
    assert max(map(len, lines)) < 1000
    told = [line for line in lines if re.match(r"watch\.fresh\.s > ", line)]
    assert all(len(line) < 60 for line in told), told
