"""The command line: words to commands, exit codes, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from kubectl_dnsdebug import __version__, cli, evidence
from kubectl_dnsdebug.collect import run
from kubectl_dnsdebug.model import DnsdebugError
from kubectl_dnsdebug.report import report
from kubectl_dnsdebug.rules import RULES
from kubectl_dnsdebug.terminal import flags, live, progress
from kubectl_dnsdebug.terminal.signals import Interrupted, signals_raise
from tests import reports
from tests.fake_api import Answer, FakeApi, status
from tests.places import PODS

Said = pytest.CaptureFixture[str]


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Evidence of a pod that no rule can say anything of."""
    file = tmp_path / "evidence.json"
    file.write_text(evidence.dump(reports.evidence(reports.in_pod().battery())))
    return file


# Words


@pytest.mark.parametrize(
    ("words", "command", "left"),
    [
        ("web", "diagnose", "web"),
        ("pod/web", "diagnose", "pod/web"),
        ("web api", "diagnose", "web api"),
        ("pod/cleanup", "diagnose", "pod/cleanup"),
        ("web cleanup", "diagnose", "web cleanup"),
        ("cleanup", "cleanup", ""),
        ("-n shop cleanup", "cleanup", "-n shop"),
        ("-n cleanup web", "diagnose", "-n cleanup web"),
        ("--namespace=cleanup web", "diagnose", "--namespace=cleanup web"),
        ("--run abc cleanup -y", "cleanup", "--run abc -y"),
        ("-A cleanup", "cleanup", "-A"),
        ("-n shop pod/web -o json", "diagnose", "-n shop pod/web -o json"),
        ("-l app=web", "diagnose", "-l app=web"),
        ("-l cleanup", "diagnose", "-l cleanup"),
        ("replay file", "replay", "file"),
        ("-o json replay file", "replay", "-o json file"),
        ("explain slug", "explain", "slug"),
        ("", "--help", ""),
        ("--version", "--version", ""),
    ],
)
def test_the_first_word_is_a_command_or_a_target(
    monkeypatch: pytest.MonkeyPatch, words: str, command: str, left: str
) -> None:
    """`pod/cleanup` reaches a pod that is named like a command."""
    context = click.Context(cli.root)
    given: list[str] = []

    def parse(self: click.Group, ctx: click.Context, args: list[str]) -> list[str]:
        given.extend(args)
        return args

    monkeypatch.setattr(click.Group, "parse_args", parse)
    cli.root.parse_args(context, words.split())
    assert given == [command, *left.split()]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["diagnose"], "name a target"),
        (["-n", "shop"], "name a target"),
        (["pod/web", "--timeout", "9"], "--timeout must be at least 10 seconds"),
        (["pod/web", "--timeout", "nan"], "--timeout must be at most 86400 seconds"),
        (["pod/web", "--timeout", "inf"], "--timeout must be at most 86400 seconds"),
        (["nodes", "--timeout", "1e9"], "--timeout must be at most 86400 seconds"),
        (["pod/web", "--timeout", "long"], "'long' is not a valid float"),
        (["pod/web", "--mode", "magic"], "'magic' is not one of"),
        (["pod/web", "-o", "xml"], "'xml' is not one of"),
        (["pod/web", "--fail-on", "never"], "'never' is not one of"),
        (["pod/web", "--ignore", "no-such-rule"], "no-such-rule: no such rule"),
        (["pod/web", "--name", "a b"], "'a b' is no DNS name"),
        (["pod/web", "--name", "-x"], "is no DNS name"),
        (["pod/web", "--name", "*5"], "is no DNS name"),
        (["pod/web", "--name", "a;b"], "is no DNS name"),
        (["pod/web", "--name", "{ns}"], "is no DNS name"),
        (["pod/web", "--name", "a..b"], "is no DNS name"),
        (["pod/web", "--name", "x" * 254], "is no DNS name"),
        (["pod/web", "--name", f"{'x' * 64}.example"], "is no DNS name"),
        (["pod/web", "--name", "b\u00fccher.example"], "DNS has it as xn--bcher-kva.example"),
        (["pod/web", "--name", "10.0.0.1"], "10.0.0.1 is an address: there is nothing to resolve"),
        (["pod/web", "--name", "fd00::1"], "fd00::1 is an address: there is nothing to resolve"),
        (["pod/web", "--nonsense"], "No such option"),
        (["replay"], "Missing argument"),
        (["replay", "/no/such/file"], "does not exist"),
        (["replay", "/"], "is a directory"),
        (["explain", "no-such-rule"], "no-such-rule: no such rule"),
        (["cleanup", "extra"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_2_and_asks_nobody(capsys: Said, words: list[str], says: str) -> None:
    assert call(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pod/"], "'pod/' is no target"),
        (["pod/a/b"], "'pod/a/b' is no target"),
        (["cm/web"], "cm/web: no kind that has pods"),
        (["node/"], "'' is no name of a node"),
        (["web", "-n", "../x"], "'../x' is no name of a namespace"),
        (["cleanup", "-n", "A b"], "'A b' is no name of a namespace"),
        (["web", "--deep", "--deep-namespace", "../x"], "'../x' is no name of a namespace"),
        (["web", "--as-group", "ops"], "add --as"),
        (["web", "--request-timeout", "soon"], "'soon' is no duration"),
    ],
)
def test_words_that_no_cluster_could_make_sense_of(
    api: FakeApi, capsys: Said, words: list[str], says: str
) -> None:
    assert call(*words, "--server", api.url) == 2
    assert says in capsys.readouterr().err
    assert api.seen == []


@pytest.mark.parametrize("name", ["db", "db.example.com", "db.example.com.", "_sip._udp.x", "*.x"])
def test_names_that_may_be_asked(name: str) -> None:
    assert live.NAME.fullmatch(name)


def test_help_and_version(capsys: Said) -> None:
    assert call() == 0
    assert "kubectl dnsdebug pod/web -n shop" in capsys.readouterr().out
    assert call("--help") == 0
    shown = capsys.readouterr().out
    assert "--dry-run" in shown
    assert "[TARGETS]" not in shown
    assert call("--version") == 0
    assert capsys.readouterr().out.endswith(f"kubectl-dnsdebug {__version__}\n")
    assert call("version") == 0
    assert capsys.readouterr().out == f"kubectl-dnsdebug {__version__}\n"
    assert call("web", "--help") == 0
    assert "--dry-run" in capsys.readouterr().out


def test_explain_and_rbac(capsys: Said) -> None:
    assert call("explain") == 0
    listed = capsys.readouterr().out
    assert all(rule.slug in listed for rule in RULES)
    assert call("explain", RULES[0].slug) == 0
    assert RULES[0].slug in capsys.readouterr().out
    assert call("rbac") == 0
    roles = list(yaml.safe_load_all(capsys.readouterr().out))
    assert {role["kind"] for role in roles} == {"ClusterRole"}


# Failures


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an evidence file"),
        ("{}", "not an evidence file: its format is None"),
        ('{"schema": "dnsdebug.report/v1"}', "--save keeps evidence, -o json prints a report"),
        (
            '{"format": "dnsdebug.evidence/v1", "tool": "9.0.0", "news": 1}',
            "the evidence is of dnsdebug 9.0.0, and this version",
        ),
        ('{"format": "dnsdebug.evidence/v1"}', "the evidence file is damaged"),
        ('{"format": "dnsdebug.evidence/v9"}', "replay it with the version that wrote it"),
    ],
)
def test_a_file_that_is_no_evidence(capsys: Said, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "e.json"
    file.write_text(text)
    assert call("replay", str(file)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (status(404, "NotFound"), "pod web does not exist in namespace shop"),
        (status(403, "Forbidden", "no"), "not allowed to get pod web in shop: no"),
        (status(500, "InternalError", "etcd"), "could not get pod web in shop: etcd"),
        (Answer(drop=True), "cannot reach the API server"),
        (Answer(body="<html>", headers={"Content-Type": "text/html"}), "no Kubernetes API"),
        (
            Answer(status=404, body="<html>", headers={"Content-Type": "text/html"}),
            "no Kubernetes API but a web server",
        ),
        (Answer(body={}), "the API server sent no pod web"),
    ],
)
def test_a_cluster_that_does_not_help(
    api: FakeApi, capsys: Said, answer: Answer, says: str
) -> None:
    api.on(f"{PODS}/web", answer)
    assert call("pod/web", "-n", "shop", "--server", api.url) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_an_archive_that_is_no_bundle(capsys: Said, tmp_path: Path) -> None:
    other, cut = tmp_path / "other.zip", tmp_path / "cut.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("notes.txt", "x" * 1000)
    cut.write_bytes(other.read_bytes()[:500])
    for file in (other, cut):
        assert call("replay", str(file)) == 1
        assert f"error: {file} is no bundle of dnsdebug" in capsys.readouterr().err


def test_facts_that_no_rule_can_read_are_damage_of_the_file(
    capsys: Said, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = json.loads(saved.read_text())
    for fact in held["facts"]:
        if fact["id"].startswith("pod/"):
            fact["data"]["status"] = {"conditions": [{}]}
    saved.write_text(json.dumps({**held, "tool": __version__}))
    assert call("replay", str(saved)) == 1
    assert "error: the evidence file is damaged (KeyError: 'type')" in capsys.readouterr().err
    saved.write_text(json.dumps({**held, "tool": "9.0.0"}))
    assert call("replay", str(saved)) == 1
    assert "replay it with the version that wrote it" in capsys.readouterr().err
    monkeypatch.setenv("DNSDEBUG_DEBUG", "1")
    with pytest.raises(KeyError):
        cli.main(["replay", str(saved)])


def test_no_cluster_at_all(capsys: Said) -> None:
    assert call("pod/web") == 1
    assert capsys.readouterr().err.startswith("error: ")


def broken(error: BaseException) -> object:
    def raises(*_: object, **__: object) -> None:
        raise error

    return raises


def test_a_bug_is_one_line(capsys: Said, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "load", broken(KeyError("a\nb")))
    assert call("replay", str(saved)) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: internal error: KeyError: 'a")
    assert "this is a bug" in err
    assert "DNSDEBUG_DEBUG=1" in err
    assert err.count("\n") == 1
    monkeypatch.setenv("DNSDEBUG_DEBUG", "1")
    with pytest.raises(KeyError):
        cli.main(["replay", str(saved)])


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (DnsdebugError("do this"), 1, "error: do this"),
        (Interrupted(signal.SIGINT), 130, "error: interrupted"),
        (Interrupted(signal.SIGTERM), 143, "error: interrupted"),
        (KeyboardInterrupt(), 130, "error: interrupted before anything was made"),
        (RecursionError("too deep"), 1, "error: internal error: RecursionError: too deep"),
    ],
)
def test_what_ends_a_command(
    capsys: Said,
    saved: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    says: str,
) -> None:
    monkeypatch.setattr(evidence, "load", broken(error))
    assert call("replay", str(saved)) == code
    assert capsys.readouterr().err.lstrip().startswith(says)


def test_a_signal_is_raised_once_and_then_ignored() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def told_to_stop() -> None:
        with signals_raise():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                os.kill(os.getpid(), signal.SIGINT)  # while cleaning up
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        told_to_stop()
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


IMPATIENT = """
import os, signal, time
from kubectl_dnsdebug.terminal import signals
signals._TWICE = {pause}
with signals.signals_raise(lambda: ["kubectl delete pod -n shop a b"]):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        print("cleaned up", flush=True)
"""


@pytest.mark.parametrize("pause", [0.0, 60.0])
def test_a_second_ctrl_c_tells_what_is_left_and_is_the_end(pause: float) -> None:
    """Unless the key was only pressed twice."""
    done = subprocess.run(
        [sys.executable, "-c", IMPATIENT.format(pause=pause)],
        capture_output=True,
        text=True,
        check=False,
    )
    if pause:
        assert done.stdout == "cleaned up\n"
    else:
        assert (done.returncode, done.stdout) == (130, "")
        assert done.stderr == "not removed yet: kubectl delete pod -n shop a b\n"


# The report


@pytest.mark.parametrize("form", flags.FORMATS)
def test_every_format_has_the_same_exit_code(capsys: Said, saved: Path, form: str) -> None:
    codes = {call("replay", str(saved)), call("replay", str(saved), "-o", form)}
    assert len(codes) == 1
    assert capsys.readouterr().out


def test_standard_input(capsys: Said, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with saved.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        code = call("replay", "-", "-o", "json")
    assert json.loads(capsys.readouterr().out)["exit_code"] == code


ESC = "\x1b["


@pytest.mark.parametrize(
    ("flag", "env", "coloured"),
    [
        ("auto", {}, False),
        ("always", {}, True),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("auto", {"NO_COLOR": "1"}, False),
    ],
)
def test_colour_only_where_it_is_seen_or_asked_for(
    capsys: Said,
    saved: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: str,
    env: Mapping[str, str],
    coloured: bool,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    call("replay", str(saved), "--color", flag)
    assert (ESC in capsys.readouterr().out) is coloured


def tool(saved: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "kubectl_dnsdebug", "replay", str(saved), *more]


def test_a_pipe_that_closes_early(saved: Path) -> None:
    child = subprocess.Popen(
        tool(saved, "-o", "json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    with child.stderr:
        errors = child.stderr.read()
    assert child.wait(20) in (0, 3, 4)
    assert errors == b""


def test_a_terminal_that_has_only_ascii(saved: Path) -> None:
    done = subprocess.run(
        tool(saved),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode in (0, 3, 4)
    assert done.stderr == b""
    assert done.stdout.isascii()


# Live


def pod_web(api: FakeApi) -> list[str]:
    data = reports.pod_data("shop", "web", "w1", "10.0.0.9")
    api.on(f"{PODS}/web", Answer(body=data))
    return ["pod/web", "-n", "shop", "--server", api.url]


def test_a_server_that_is_slow_is_said_to_be_waited_for(
    api: FakeApi, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.05)
    api.on(f"{PODS}/web", replace(status(404, "NotFound"), delay=0.3))
    assert call("pod/web", "-n", "shop", "--server", api.url) == 1
    waiting, error = capsys.readouterr().err.splitlines()
    assert waiting == "dnsdebug: waiting for the API server"
    assert error.startswith("error: pod web does not exist")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_credential_plugin_does_not_outlive_us(tmp_path: Path, number: signal.Signals) -> None:
    told = tmp_path / "pid"
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", f"echo $$ >{told}.new; mv {told}.new {told}; exec sleep 60"],
        "interactiveMode": "Never",
    }
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "x", "user": {"exec": plugin}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    child = subprocess.Popen(
        [sys.executable, "-m", "kubectl_dnsdebug", "web", "--kubeconfig", tmp_path / "config"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not told.exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(number)
    assert "error: interrupted" in child.communicate(timeout=20)[1]
    assert child.returncode == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


def test_a_dry_run_makes_nothing(api: FakeApi, capsys: Said) -> None:
    assert call(*pod_web(api), "--dry-run") == 0
    out = capsys.readouterr().out
    assert {seen.method for seen in api.seen if "selfsubject" not in seen.path} == {"GET"}
    made = [each for each in yaml.safe_load_all(out) if each]
    assert [each.get("kind", "container") for each in made] == ["container", "Pod", "Pod"]
    assert "#   create pods in shop: " in out


def test_what_could_not_be_removed_is_told_on_a_signal(
    api: FakeApi, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = pod_web(api)
    api.on(PODS, Answer(status=201, body={}), method="POST")
    allowed = Answer(status=201, body={"status": {"allowed": True}})
    api.on("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", allowed, method="POST")
    monkeypatch.setattr(run.vantage, "gather", broken(Interrupted(signal.SIGINT)))  # type: ignore[attr-defined]

    def refuse(session: object, namespace: str, name: str) -> str:
        return f"NOT removed (no): kubectl delete pod {name} -n {namespace}"

    monkeypatch.setattr(run.cleanup, "remove", refuse)  # type: ignore[attr-defined]
    assert call(*words) == 130
    err = capsys.readouterr().err
    assert err.count("NOT removed (no): kubectl delete pod dnsdebug-") >= 2


def test_evidence_is_saved_for_the_user_s_eyes_only(
    api: FakeApi, capsys: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = reports.evidence(reports.in_pod().battery())
    monkeypatch.setattr(run, "run", lambda *_, **__: held)
    file = tmp_path / "kept.json"
    code = call(*pod_web(api), "--save", str(file), "-o", "json")
    assert json.loads(capsys.readouterr().out)["exit_code"] == code
    assert file.stat().st_mode & 0o777 == 0o600
    assert evidence.load(file.read_text()) == held


def test_evidence_that_cannot_be_saved_does_not_cost_the_report(
    api: FakeApi, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = reports.evidence(reports.in_pod().battery())
    monkeypatch.setattr(run, "run", lambda *_, **__: held)
    assert call(*pod_web(api), "--save", "/dev/full", "-o", "json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["schema"]
    assert err.splitlines()[-1].startswith("error: could not write /dev/full: No space left")


def test_a_run_that_fails_leaves_no_file(api: FakeApi, capsys: Said, tmp_path: Path) -> None:
    held = tmp_path / "held.json"
    held.write_text("of before")
    words = ["pod/none", "-n", "shop", "--server", api.url]
    assert call(*words, "--save", str(held), "--bundle", str(tmp_path / "new.zip")) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["held.json"]
    assert held.read_text() == "of before"


def test_a_bug_of_the_report_does_not_cost_the_evidence(
    api: FakeApi, capsys: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held = reports.evidence(reports.in_pod().battery())
    monkeypatch.setattr(run, "run", lambda *_, **__: held)
    monkeypatch.setattr(report, "build", broken(KeyError("x")))
    file = tmp_path / "kept.json"
    assert call(*pod_web(api), "--save", str(file)) == 1
    assert "internal error: KeyError" in capsys.readouterr().err
    assert evidence.load(file.read_text()) == held


def test_a_file_that_cannot_be_saved_is_known_beforehand(api: FakeApi, capsys: Said) -> None:
    assert call(*pod_web(api), "--save", "/no/such/folder/e.json") == 1
    assert capsys.readouterr().err == (
        "error: could not write /no/such/folder/e.json: No such file or directory\n"
    )
    assert api.seen == []


def test_cleanup_shows_first_and_removes_on_yes(api: FakeApi, capsys: Said) -> None:
    words = ["cleanup", "-n", "shop", "--server", api.url]
    api.on(PODS, Answer(body={"items": []}))
    assert call(*words) == 0
    assert "nothing left by dnsdebug in namespace shop" in capsys.readouterr().out
    mark = {"dnsdebug.dev/made-by": "kubectl-dnsdebug 0"}
    left = {"metadata": {"namespace": "shop", "name": "old", "annotations": mark}}
    api.on(PODS, Answer(body={"items": [left]}))
    assert call(*words) == 0
    assert "repeat with --yes" in capsys.readouterr().out
    assert {seen.method for seen in api.seen} == {"GET"}
    api.on(f"{PODS}/old", Answer(body={}), method="DELETE")
    assert call(*words, "--yes") == 0
    assert "pod/shop/old  removed" in capsys.readouterr().out
    api.on(f"{PODS}/old", status(403, "Forbidden", "no"), method="DELETE")
    assert call(*words, "--yes") == 1
    assert "NOT removed" in capsys.readouterr().out
