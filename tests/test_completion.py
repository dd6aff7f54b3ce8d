"""What a shell is offered to type next, against a scripted API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kubectl_dnsdebug import cli
from kubectl_dnsdebug.rules import RULES
from kubectl_dnsdebug.terminal import completion
from tests.fake_api import Answer, FakeApi, Seen, status

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(autouse=True)
def own_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completing takes standard input away from credential plugins; the test gets it back."""
    monkeypatch.setattr(sys, "stdin", sys.stdin)


def table(*names: str) -> Answer:
    """A list as the API server gives it to who asks for columns."""
    return Answer(body={"kind": "Table", "rows": [{"cells": [name, "1/1"]} for name in names]})


@pytest.fixture
def kubeconfig(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    contexts = [{"name": name, "context": {"cluster": "one"}} for name in ("home", "prod", "prune")]
    content = {
        "current-context": "home",
        "contexts": contexts,
        "clusters": [{"name": "one", "cluster": {"server": api.url}}],
    }
    file = tmp_path / "config"
    file.write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def offered(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines kubectl reads, descriptions left out; the directive is the last."""
    completion.answer_kubectl(cli.root, words)
    out, err = capsys.readouterr()
    assert not err
    return [line.partition("\t")[0] for line in out.splitlines()]


@pytest.mark.usefixtures("kubeconfig")
def test_the_first_word_is_a_command_or_a_pod(
    api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.on(PODS, table("web-1", "explorer", "api"))
    commands = {name for name, each in cli.root.commands.items() if not each.hidden}
    assert set(offered(capsys, "")) == {*commands, "web-1", "explorer", "api", ":4"}
    assert offered(capsys, "ex") == ["explain", "explorer", ":4"]
    assert offered(capsys) == offered(capsys, "")


@pytest.mark.usefixtures("kubeconfig")
def test_targets_by_kind(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.on("/api/v1/namespaces/shop/pods", table("web-1", "web-2", "db"))
    api.on("/apis/apps/v1/namespaces/shop/deployments", table("web"))
    api.on("/api/v1/nodes", table("w1", "w2"))
    assert offered(capsys, "-n", "shop", "w") == ["web-1", "web-2", ":4"]
    assert offered(capsys, "--namespace=shop", "pod/d") == ["pod/db", ":4"]
    assert offered(capsys, "-n", "shop", "web-1", "deployment/") == ["deployment/web", ":4"]
    assert offered(capsys, "node/") == ["node/w1", "node/w2", ":4"]
    assert offered(capsys, "crd/") == [":4"]


@pytest.mark.usefixtures("kubeconfig")
def test_values_of_flags(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.on("/api/v1/namespaces", table("kube-system", "shop"))
    assert offered(capsys, "-n", "") == ["kube-system", "shop", ":4"]
    assert offered(capsys, "web", "--namespace", "k") == ["kube-system", ":4"]
    assert offered(capsys, "--context", "pr") == ["prod", "prune", ":4"]
    assert offered(capsys, "--mode", "s") == ["sibling", ":4"]
    assert "--save" in offered(capsys, "--s")
    assert "--save" in offered(capsys, "web", "--s")
    # Names of files are the shell's business.
    assert offered(capsys, "web", "--save", "") == [":0"]
    assert offered(capsys, "replay", "") == [":0"]


def test_rules_need_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    slugs = sorted(rule.slug for rule in RULES)
    assert sorted(offered(capsys, "explain", "")) == sorted([*slugs, ":4"])
    assert offered(capsys, "web", "--ignore", slugs[0]) == [slugs[0], ":4"]


@pytest.mark.usefixtures("kubeconfig")
def test_only_names_are_asked_for(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.on(PODS, Answer(body={"items": [{"metadata": {"name": "old-server\x1b[2J"}}]}))
    assert offered(capsys, "o") == [r"old-server\x1b[2J", ":4"]
    (seen,) = api.seen
    assert seen.query == {"includeObject": "None", "limit": "500"}
    assert seen.headers["accept"].startswith("application/json;as=Table;")


@pytest.mark.parametrize(
    "answer", [status(403, "Forbidden"), Answer(body="<html>"), Answer(drop=True)]
)
@pytest.mark.usefixtures("kubeconfig")
def test_a_cluster_that_says_no_is_silence(
    api: FakeApi, capsys: pytest.CaptureFixture[str], answer: Answer
) -> None:
    api.on(PODS, answer)
    assert offered(capsys, "web") == [":4"]


def test_no_cluster_is_silence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert offered(capsys, "web") == [":4"]
    (tmp_path / "broken").write_text("{")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "broken"))
    assert offered(capsys, "--context", "") == [":4"]


@pytest.mark.usefixtures("kubeconfig")
def test_a_server_that_never_answers_does_not_hold_the_prompt(
    api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def silent(_: Seen) -> Answer:
        asked.set()
        return Answer(never=True)

    api.on(PODS, silent)
    monkeypatch.setattr(completion, "PATIENCE", 0.2)
    began = time.monotonic()
    assert offered(capsys, "web") == [":4"]
    assert time.monotonic() - began < 3
    assert asked.wait(3)


def test_tls_and_a_token(
    secure: FakeApi,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secure.on(PODS, table("web"))
    cluster = {"server": secure.url, "certificate-authority": str(secure.ca)}
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
    }
    (tmp_path / "config").write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert offered(capsys, "we") == ["web", ":4"]
    assert secure.seen[0].headers["authorization"] == "Bearer secret"
    # A server whose certificate is not trusted gets no token.
    monkeypatch.setattr(secure, "seen", [])
    content["clusters"] = [{"name": "c", "cluster": {"server": secure.url}}]
    (tmp_path / "config").write_text(json.dumps(content))
    assert offered(capsys, "we") == [":4"]
    assert not secure.seen


def test_through_a_proxy(
    kubeconfig: Path, api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    server = {"server": "https://api.test:6443", "proxy-url": api.url.replace("//", "//me:pw@")}
    content = json.loads(kubeconfig.read_text())
    content["clusters"] = [{"name": "one", "cluster": server}]
    kubeconfig.write_text(json.dumps(content))
    assert offered(capsys, "we") == [":4"]
    (seen,) = api.seen
    assert (seen.method, seen.headers["proxy-authorization"]) == ("CONNECT", "Basic bWU6cHc=")


def test_the_program_answers_under_the_name_kubectl_asks_for(
    kubeconfig: Path, api: FakeApi, tmp_path: Path
) -> None:
    api.on(PODS, table("web-1"))
    link = tmp_path / "kubectl_complete-dnsdebug"
    link.write_text(f"#!{sys.executable}\nfrom kubectl_dnsdebug.cli import main\nmain()\n")
    link.chmod(0o755)
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    assert subprocess.check_output([link, "we"], env=environ, text=True) == "web-1\n:4\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_that_ask_for_the_file_itself(
    kubeconfig: Path, api: FakeApi, tmp_path: Path, shell: str
) -> None:
    api.on(PODS, table("web-1"))
    plugin = tmp_path / "kubectl-dnsdebug"
    plugin.write_text(f"#!{sys.executable}\nfrom kubectl_dnsdebug.cli import main\nmain()\n")
    plugin.chmod(0o755)
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    asked = {"COMP_WORDS": "kubectl-dnsdebug we", "COMP_CWORD": "we" if shell == "fish" else "1"}
    asked["_KUBECTL_DNSDEBUG_COMPLETE"] = f"{shell}_complete"
    assert "web-1" in subprocess.check_output([plugin], env=environ | asked, text=True)
    asked["_KUBECTL_DNSDEBUG_COMPLETE"] = f"{shell}_source"
    if shell != "bash":  # of which click asks the version first
        script = subprocess.check_output([plugin], env=environ | asked, text=True)
        assert "kubectl-dnsdebug" in script


def test_completing_loads_nothing_heavy() -> None:
    script = (
        "import sys, json; from kubectl_dnsdebug import cli;"
        "from kubectl_dnsdebug.terminal import completion;"
        "completion.answer_kubectl(cli.root, ['--context', 'x']);"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    loaded = set(json.loads(out.splitlines()[-1]))
    assert not {"kubernetes", "urllib3", "dns", "rich", "tabulate"} & loaded
