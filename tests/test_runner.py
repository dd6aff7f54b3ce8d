"""The probing container's shell program, run for real by every shell that is here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dns.message
import pytest

from kubectl_dnsdebug.model import Transcript
from kubectl_dnsdebug.parse import summary
from kubectl_dnsdebug.plan import frames
from tests.dns_server import DnsServer, address, record, servfail

SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"], "bash": ["bash", "--posix"]}
MISSING = {name for name, words in SHELLS.items() if not shutil.which(words[0])}
pytestmark = pytest.mark.skipif(not shutil.which("dig"), reason="no dig here")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    if request.param in MISSING:
        pytest.skip(f"no {request.param} here")
    return SHELLS[request.param]


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


def words(
    shell: Sequence[str], items: Sequence[str], limit: int = 15, known: str = "", many: int = 32
) -> list[str]:
    return [*shell, "-c", frames.runner(), "dnsdebug", f"{limit}/{many}", known, *items]


def start(
    command: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="surrogateescape",
        timeout=30,
        check=False,
        env=env,
    )


def run(
    shell: Sequence[str], *items: str, known: str = "", env: Mapping[str, str] | None = None
) -> dict[str, Transcript]:
    """What came of each probe; the runner itself must end well."""
    done = start(words(shell, items, known=known), env)
    return read(done)


def read(done: subprocess.CompletedProcess[str]) -> dict[str, Transcript]:
    lines = done.stdout.split("\n")
    assert done.returncode == 0, done.stdout
    assert lines[0] == "= begin dnsdebug-runner/1"
    assert frames.finished(lines)
    return {each.probe: each for each in frames.read(lines, "here")}


def dig(id: str, lane: str, port: int, *more: str, name: str = "web.shop.") -> str:
    asked = ["dig", "@127.0.0.1", "-p", str(port), "-q", name, "-t", "A", "+tries=1", "+time=1"]
    return " ".join([id, lane, *asked, *more])


# Framing


def test_an_answer_comes_back_whole(shell: list[str], server: DnsServer) -> None:
    found = run(shell, dig("a", "s/1", server.port), dig("b", "s/2", server.port, "+tcp"))
    assert set(found) == {"a", "b"}
    for id, transport in (("a", "(UDP)"), ("b", "(TCP)")):
        assert found[id].exit_code == 0
        assert found[id].failure == ""
        assert found[id].argv[:2] == ("dig", "@127.0.0.1")
        assert "web.shop.\t\t5\tIN\tA\t192.0.2.1" in found[id].out
        assert transport in found[id].out
    assert found["b"].argv[-1] == "+tcp"


def test_a_failing_server_is_no_failing_probe(shell: list[str]) -> None:
    with DnsServer(servfail) as server:
        found = run(shell, dig("a", "s/gate", server.port), dig("b", "s/1", server.port))
    assert "SERVFAIL" in found["a"].out
    assert found["b"].exit_code == 0


def test_nothing_to_do(shell: list[str]) -> None:
    assert run(shell) == {}


def test_no_text_is_no_line(shell: list[str], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    found = run(shell, f"conf -/conf file {empty}")
    assert (found["conf"].out, found["conf"].exit_code) == ("", 0)


def test_a_file_comes_back_to_the_byte(shell: list[str], tmp_path: Path) -> None:
    """Blank lines, backslashes, percent signs, globs, long lines: all but the last newline."""
    text = (
        "\n\n  indented\n"
        + "".join(rf"\a\{c}%s%d\\{c} * [a-z]? $(id) `id` ${{HOME}} '\"" for c in "0123456789")
        + "\n\n"
        + "x*?[" * 2_000
        + "\n= end 7\n= begin dnsdebug-runner/1\nconf . 0 0\nconf ! no\n\tend"
    )
    file = tmp_path / "file"
    file.write_text(text + "\n")
    assert run(shell, f"conf -/conf file {file}")["conf"].out == text


def test_a_long_line_is_told_in_short_pieces(shell: list[str], tmp_path: Path) -> None:
    """Writes of up to a kilobyte are what no shell and no pipe tears."""
    file = tmp_path / "file"
    file.write_text("x" * 5_000)
    done = start(words(shell, [f"conf -/conf file {file}"]))
    assert max(map(len, done.stdout.split("\n"))) < 1_000
    assert read(done)["conf"].out == "x" * 5_000


def test_what_runs_together_is_not_mixed_up(shell: list[str], tmp_path: Path) -> None:
    texts = {}
    for n in range(8):
        texts[f"f{n}"] = "\n".join(f"{n}" * length for length in (3_000, 10, 900, 1)) + f"\n{n}"
        (tmp_path / f"f{n}").write_text(texts[f"f{n}"])
    found = run(shell, *(f"{id} -/{id} file {tmp_path / id}" for id in texts))
    assert {id: each.out for id, each in found.items()} == texts


def test_a_large_answer(shell: list[str]) -> None:
    def say(query: dns.message.Message) -> dns.message.Message:
        return record(query, "TXT", *(f'"{n:04}" "{"x" * 255}"' for n in range(150)))

    with DnsServer(say) as server:
        found = run(shell, dig("a", "s/1", server.port, "+tcp"))
    assert sum("xxx" in line for line in found["a"].out.splitlines()) == 150


# Items


def test_repeats(shell: list[str], server: DnsServer) -> None:
    found = run(shell, dig("r*8", "s/gate", server.port), dig("t*2", "s/1", server.port))
    assert set(found) == {f"r~{n}" for n in range(1, 9)} | {"t~1", "t~2"}
    assert len(server.asked) == 10


@pytest.mark.parametrize("id", ["user.*.shop.10.0.0.1", "user.*", "user.*x5"])
def test_a_star_in_a_name_is_no_repeat(shell: list[str], server: DnsServer, id: str) -> None:
    assert set(run(shell, dig(id, "s/1", server.port))) == {id}


def test_one_id_is_asked_once(shell: list[str], server: DnsServer) -> None:
    """The pod's nameserver may be an address that has probes of its own."""
    items = [dig("a", "s/1", server.port), dig("a", "s/2", server.port, "+tcp")]
    found = run(shell, *items, dig("b*2", "s/1", server.port), dig("b*3", "s/1", server.port))
    assert set(found) == {"a", "b~1", "b~2"}
    assert found["a"].exit_code == 0
    assert "+tcp" not in found["a"].argv


def test_nothing_in_an_item_is_evaluated(shell: list[str], tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    file = tmp_path / "a"
    file.write_text("text")
    (tmp_path / "b").write_text("other")
    nasty = f"$(touch${{IFS}}{trap});`touch`;&|>{trap}"
    found = run(shell, f"x{nasty} -/{nasty} file {nasty}", f"glob -/* file {tmp_path}/[ab]")
    assert not trap.exists()
    assert found[f"x{nasty}"].exit_code == 1
    assert found["glob"].exit_code == 1, "a glob was expanded"


def test_a_word_that_is_no_probe(shell: list[str], tmp_path: Path) -> None:
    found = run(
        shell, f"a -/1 touch {tmp_path / 'made'}", "b -/1 /bin/sh -c id", "c -/1 emit 1 2 3"
    )
    assert {each.failure for each in found.values()} == {
        "not a probe: touch",
        "not a probe: /bin/sh",
        "not a probe: emit",
    }
    assert not (tmp_path / "made").exists()
    assert {each.exit_code for each in found.values()} == {None}


# Gates


def test_a_dead_server_costs_its_time_out_once(
    shell: list[str], server: DnsServer, silent_port: int
) -> None:
    """One answer is life, and a server's name is no pattern that others match."""
    dead = [dig(f"d{n}", "*/1", silent_port) for n in range(6)]
    gates = [dig("gate*3", "*/gate", silent_port), dig("lost", "s/gate", silent_port)]
    more = [dig("alive", "s/gate", server.port), dig("never", "s/else", server.port)]
    more += [dig("else", "*/else", server.port), dig("other", "t/1", server.port)]
    started = time.monotonic()
    found = run(shell, *gates, *dead, *more, dig("s", "s/1", server.port))
    assert time.monotonic() - started < 3
    assert [found[f"gate~{n}"].exit_code for n in (1, 2, 3)] == [9, 9, 9]
    for n in range(6):
        assert found[f"d{n}"].exit_code is None
        assert found[f"d{n}"].failure == "* did not answer before"
        assert found[f"d{n}"].argv[0] == "dig"
    assert found["else"].exit_code == 0
    assert found["s"].exit_code == 0
    assert found["other"].exit_code == 0
    assert "never" not in found


def test_streams_run_side_by_side_and_each_in_order(
    shell: list[str], server: DnsServer, silent_port: int
) -> None:
    slow = [dig(f"slow{n}", f"-/{n}", silent_port) for n in range(5)]
    order = [dig(f"o{n}", "-/o", server.port, name=f"o{n}.") for n in range(5)]
    started = time.monotonic()
    run(shell, *slow, *order)
    assert time.monotonic() - started < 3
    assert server.asked == [f"o{n}." for n in range(5)]


# Images that lack things


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder of programs: sleep, cat and whatever a test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sleep", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def absolute(shell: list[str]) -> list[str]:
    return [str(shutil.which(shell[0])), *shell[1:]]


@pytest.mark.parametrize("tool", ["dig", "getent"])
def test_a_missing_tool_is_named(
    shell: list[str], bare: Path, tool: str, server: DnsServer
) -> None:
    """And no server is called dead because of it. (busybox has a nslookup of its own.)"""
    items = [f"g s/gate {tool} x", f"a s/1 {tool} y", dig("else", "s/else", server.port)]
    found = run(absolute(shell), *items, env={"PATH": str(bare)})
    assert {id: each.failure for id, each in found.items()} == {
        "g": f"the image has no {tool}",
        "a": f"the image has no {tool}",
    }
    assert found["g"].exit_code is None


def test_a_tool_without_a_limit_of_its_own_gets_one(
    shell: list[str], bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "getent").write_text(
        '#!/bin/dash\necho "ran $*"\n[ $1 = now ] && exit 2\nexec sleep 20'
    )
    (bare / "getent").chmod(0o755)
    text = frames.runner()
    assert text.count(" limited 4 ") == 1
    monkeypatch.setattr(frames, "runner", lambda: text.replace(" limited 4 ", " limited 1 "))
    items = ["a -/1 getent now --", "b -/2 getent later"]
    started = time.monotonic()
    found = run(absolute(shell), *items, env={"PATH": f"{bare}:{os.environ['PATH']}"})
    assert 0.8 < time.monotonic() - started < 4
    assert (found["a"].exit_code, found["a"].out) == (2, "ran now --")
    assert (found["b"].exit_code, found["b"].out) == (124, "ran later")
    assert found["b"].argv == ("getent", "later")


def test_the_target_s_root_unread(shell: list[str]) -> None:
    """Without rights the file system of the target is not to be seen, and the probe says so."""
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root sees everything")
    lower = ["setpriv", "--reuid=65532", "--clear-groups"] if os.getuid() == 0 else []
    found = read(start([*lower, *words(shell, ["app -/app app"])]))
    assert found["app"].exit_code == 1
    assert found["app"].out == f"not readable for UID {65532 if lower else os.getuid()}"


# /etc/resolv.conf, under a mount of its own

needs_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"
)


def holes(
    shell: list[str], tmp_path: Path, conf: str | None, *items: str, known: str = ""
) -> list[str]:
    """The ids that the items become with that file, in order."""
    file = tmp_path / "resolv.conf"
    if conf is not None:
        file.write_text(conf, errors="surrogateescape")
    # Without a file: an empty folder takes the place of /etc.
    what = f"{file} /etc/resolv.conf" if conf is not None else f"{tmp_path} /etc"
    mounted = ["unshare", "-m", "sh", "-c", f'mount --bind {what} && exec "$@"', "sh"]
    made = [f"{item} -/x file /no/such/file" for item in items]
    found = read(start([*mounted, *words(absolute(shell), made, known=known)]))
    return sorted(found)


CONF = """\
search shop.svc.cluster.local svc.cluster.local cluster.local lan
nameserver 10.96.0.10
nameserver 192.0.2.53
nameserver fd00::10
options ndots:5
"""


@needs_root
@pytest.mark.parametrize(
    ("conf", "item", "known", "expected"),
    [
        (CONF, "a.{ns}", "", ["a.10.96.0.10", "a.192.0.2.53", "a.fd00::10"]),
        (CONF, "a.{ns}", "10.96.0.10", ["a.192.0.2.53", "a.fd00::10"]),
        (CONF, "a.{ns}", "10.96.0.10 fd00::10 192.0.2.53", []),
        (CONF, "a.{ns}", "10.96.0.1 0.96.0.10", ["a.10.96.0.10", "a.192.0.2.53", "a.fd00::10"]),
        (CONF, "a.{ns1}", "10.96.0.10", ["a.10.96.0.10"]),
        (CONF, "a.{domain}", "", ["a.cluster.local"]),
        (CONF, "{ns1}.{ns1}.{domain}", "", ["10.96.0.10.10.96.0.10.cluster.local"]),
        (
            CONF,
            "{search}",
            "",
            ["cluster.local", "lan", "shop.svc.cluster.local", "svc.cluster.local"],
        ),
        (CONF.replace("search", "sortlist"), "a.{search}", "", []),
        ("search a. b.\nsearch c.d. c.d\n", "{search}", "", ["c.d"]),
        ("domain svc.corp.example\n", "{domain}", "", ["corp.example"]),
        ("", "a.{ns}", "", []),
        ("", "a.{ns1}", "", []),
        ("", "a.{domain}", "", []),
        (None, "a.{ns}", "", []),
        ("nameserver 10.0.0.1", "{ns}", "", ["10.0.0.1"]),  # no newline at the end
        ("nameserver 10.0.0.1\nnameserver 10.0.0.1\n", "{ns}", "", ["10.0.0.1"]),
        ("nameserver 10.0.0.1 10.0.0.2\n", "{ns}", "", ["10.0.0.1"]),
        ("nameserver\t10.0.0.1\t# the first\n", "{ns}", "", ["10.0.0.1"]),
        (" nameserver 10.0.0.1\n#nameserver 10.0.0.2\n", "{ns}", "", []),
        ("nameserver fe80::1%eth0\n", "{ns}", "", ["fe80::1%eth0"]),
        ("nameserver\nsearch\n", "{ns}", "", []),
    ],
)
def test_holes_are_filled_from_resolv_conf(
    tmp_path: Path, conf: str | None, item: str, known: str, expected: list[str]
) -> None:
    assert holes(["dash"], tmp_path, conf, item, known=known) == sorted(expected)


HOSTILE = [
    "$(touch /TRAP)",
    "`touch /TRAP`",
    "10.0.0.1;touch /TRAP",
    "*",
    "/etc/*",
    "[a-z]",
    "10.0.0.1\r",
    "\x1b[2J10.0.0.1",
    "10.0.0.1\x00",
    "{ns}",
    "{ns1}",
    "{search}",
    "{domain}",
    "a\\b",
    "'\"",
    "é.example",
    "\udcff.example",
    "9" * 70_000,
    "x" * 70_000,
]


@needs_root
def test_a_hostile_resolv_conf(shell: list[str], tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    nasty = [each.replace("/TRAP", str(trap)) for each in HOSTILE]
    lines = [f"nameserver {each}\nsearch svc.{each} {each}" for each in nasty]
    lines += ["nameserver 10.0.0.7", f"search {' '.join(nasty)} svc.good.example", "x" * 200_000]
    items = ["n.{ns}", "f.{ns1}", "s.{search}", "d.{domain}"]
    found = holes(shell, tmp_path, "\n".join(lines), *items)
    assert not trap.exists()
    # A shell drops the NUL and rejects the rest; a single bad letter spoils the whole word.
    found = [each for each in found if each not in ("n.10.0.0.1", "f.10.0.0.1", "s.10.0.0.1")]
    assert set(found) <= {"n.10.0.0.7", "f.10.0.0.7", "s.svc.good.example", "d.good.example"}
    assert {"n.10.0.0.7", "s.svc.good.example", "d.good.example"} <= set(found)


# Ends


def test_the_watchdog_ends_what_does_not_end(shell: list[str], tmp_path: Path) -> None:
    pipe, log = tmp_path / "pipe", tmp_path / "log"
    os.mkfifo(pipe)
    with log.open("w") as out:
        child = subprocess.Popen(words(shell, [f"a -/1 file {pipe}"], limit=1), stdout=out)
        started = time.monotonic()
        try:
            assert child.wait(10) == 124
            lines = log.read_text().split("\n")
        finally:
            child.kill()
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # lets the reader go
    assert 0.8 < time.monotonic() - started < 6
    assert "= ! gave up after 1 s" in lines
    assert not frames.finished(lines)
    (lost,) = frames.read(lines[: lines.index("= ! gave up after 1 s")], "here")
    assert (lost.exit_code, lost.failure) == (None, frames.CUT)


@needs_root
@pytest.mark.parametrize("limit", [1, 15])
def test_as_the_first_process_of_a_container(
    shell: list[str], server: DnsServer, silent_port: int, limit: int
) -> None:
    """Signals that a first process does not ask for never reach it; children need no reaper."""
    inside = ["unshare", "-p", "-f", "--kill-child"]
    items = [dig("a", "s/gate", server.port), dig("b", "-/1", silent_port)]
    started = time.monotonic()
    done = start([*inside, *words(shell, items, limit=limit)])
    assert time.monotonic() - started < 6
    if limit == 1:
        assert done.returncode == 124
    else:
        found = read(done)
        assert [found[id].exit_code for id in "ab"] == [0, 9]


ADOPT = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become ours
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
time.sleep(0.1)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    sys.exit(0)
sys.exit("an orphan")
"""


def test_it_leaves_no_process_behind(shell: list[str], server: DnsServer) -> None:
    """Neither alive nor dead: the target's first process would have to bury them."""
    items = [
        dig("g*3", "s/gate", server.port),
        dig("a", "s/1", server.port),
        "n -/1 getent hosts ::1",
    ]
    done = start([sys.executable, "-c", ADOPT, *words(shell, items, limit=7)])
    assert (done.returncode, done.stdout) == (0, "")


@needs_root
def test_nothing_is_written(shell: list[str], server: DnsServer) -> None:
    """Not even the temporary files that some shells make: every file system may be read-only."""
    seal = (
        "while read -r _ _ _ _ where _; do mount -o remount,bind,ro $where; done"
        " </proc/self/mountinfo >/dev/null 2>&1; touch /x /tmp/x /dev/shm/x 2>/dev/null && exit 99;"
        ' exec "$@"'
    )
    items = [dig("a", "s/gate", server.port), dig("b*2", "s/1", server.port, "+tcp")]
    items += ["c -/1 file /etc/hostname", "n -/2 getent ahosts 127.0.0.1"]
    command = ["unshare", "-m", "sh", "-c", seal, "sh", *words(absolute(shell), items)]
    found = read(start(command))
    assert {each.exit_code for each in found.values()} == {0}


def test_the_runner_is_small_and_has_no_comments() -> None:
    """It stays in the pod's spec for ever: the API shows it with the pod."""
    text = frames.runner()
    assert "\n#" not in text
    assert len(text) < 7_500


# The termination message


@pytest.fixture
def message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a kubelet would read; the runner finds it there."""
    file = tmp_path / "message"
    file.touch()
    text = frames.runner()
    assert text.count("/dev/termination-log") == 1
    monkeypatch.setattr(frames, "runner", lambda: text.replace("/dev/termination-log", f"'{file}'"))
    return file


def test_the_summary_tells_what_the_log_does(
    shell: list[str], server: DnsServer, silent_port: int, message: Path
) -> None:
    items = [dig("up*3", "s/gate", server.port), dig("tcp", "s/1", server.port, "+tcp")]
    items += [dig("dead", "d/gate", silent_port), dig("more*2", "d/1", silent_port)]
    items += [dig("shut", "-/1", 9), "conf -/conf file /etc/resolv.conf", "n -/2 getent hosts ::1"]
    items += ["odd -/3 dig @127.0.0.1 -p no"]
    with DnsServer(servfail) as other:
        found = run(shell, *items, dig("fail", "-/4", other.port))
    told = summary.read(message.read_text())
    assert told.whole
    assert told.conf.text.split("\n") == [
        line
        for line in found["conf"].out.split("\n")
        if line.startswith(("nameserver", "search", "domain", "options"))
    ]
    assert {id: "".join(t.letter for t in each) for id, each in told.told.items()} == {
        "up": "nnn",
        "tcp": "n",
        "dead": "t",
        "more": "kk",
        "shut": "c",
        "odd": "q",
        "fail": "s",
    }
    assert all(each.ms is not None for each in (*told.told["up"], *told.told["fail"]))


@pytest.mark.parametrize("id", ["user.a~b", "user.a~1.b", "user.*", "x~~"])
def test_an_id_comes_back_as_it_is(
    shell: list[str], server: DnsServer, message: Path, id: str
) -> None:
    run(shell, dig(id, "s/1", server.port), dig(f"r{id}*2", "s/1", server.port))
    assert set(summary.read(message.read_text()).told) == {id, f"r{id}"}


def test_a_summary_that_does_not_fit_says_so(
    shell: list[str], server: DnsServer, message: Path
) -> None:
    run(shell, *(dig(f"{n}{'x' * 300}", "s/1", server.port) for n in range(20)))
    assert len(message.read_bytes()) < summary.LONGEST
    told = summary.read(message.read_text())
    assert not told.whole
    assert 10 < len(told.told) < 20


@needs_root
@pytest.mark.parametrize("nasty", ["x" * 3_000, "a\rb", "\x1b[2J", "\xff", "a " * 1_900])
def test_a_file_that_the_kubelet_should_not_see(
    shell: list[str], tmp_path: Path, message: Path, nasty: str
) -> None:
    """Its bytes would spoil a status, or do not fit: then the log is to be read."""
    conf = f"search {nasty}\nnameserver 10.0.0.1\nsearch {nasty}\n"
    assert holes(shell, tmp_path, conf, "a.{ns}") == ["a.10.0.0.1"]
    assert not summary.read(message.read_text()).whole


def test_no_file_is_made_for_it(shell: list[str], server: DnsServer, message: Path) -> None:
    message.unlink()
    assert run(shell, dig("a", "s/1", server.port))["a"].exit_code == 0
    assert not message.exists()


def test_an_image_without_sha256sum(
    shell: list[str], bare: Path, server: DnsServer, message: Path
) -> None:
    (bare / "dig").symlink_to(str(shutil.which("dig")))
    run(absolute(shell), dig("a", "s/1", server.port), env={"PATH": str(bare)})
    assert summary.read(message.read_text()).told["a"][0].letter == "n"


def test_the_default_answer_is_an_address() -> None:
    query = dns.message.make_query("web.", "A")
    assert "192.0.2.1" in address(query).to_text()
