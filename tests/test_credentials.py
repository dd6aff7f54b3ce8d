"""We are to the API server who kubectl would be, and without credentials we go nowhere."""

from __future__ import annotations

import base64
import ctypes
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import ClusterError, open_session
from kubectl_dnsdebug.api.kubeconfig import Flags, load
from tests.fake_api import Answer, FakeApi, Seen, status, until

POD = "/api/v1/namespaces/shop/pods/web"
V1 = "client.authentication.k8s.io/v1"


def inline(pki: Path, name: str) -> dict[str, str]:
    """A client certificate as kubeconfigs hold it."""
    return {
        f"client-{part}-data": base64.b64encode((pki / f"{name}.{end}").read_bytes()).decode()
        for part, end in (("certificate", "pem"), ("key", "key"))
    }


def test_a_private_key_never_gets_a_file(
    pki: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made: list[str] = []

    def load(certificate: str, key: str, password: str) -> None:
        made.extend(map(str, tmp_path.iterdir()))
        assert Path(key).read_bytes() == (pki / "client.key").read_bytes()
        assert stat.S_IMODE(Path(key).stat().st_mode) & 0o077 == 0

    with FakeApi(pki / "server.pem", pki / "server.key", ca=pki / "ca.pem") as api:
        access = api.access()
        monkeypatch.setattr("ssl.SSLContext.load_cert_chain", staticmethod(load))
        open_session(replace(access, user_entry=inline(pki, "client"))).close()
    assert made == []


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ({"client-certificate-data": "!"}, "no base64"),
        ({"client-certificate": "/nonexistent/x"}, "cannot read client-certificate /nonexistent/x"),
        ({"client-certificate-data": "eA=="}, "but not both"),
        ({"client-certificate-data": "eA==", "client-key-data": "eA=="}, "cannot be used"),
        ({"tokenFile": "/nonexistent/x"}, "cannot read tokenFile"),
        ({"token": "a\r\nHost: b"}, "control character"),
        ({"auth-provider": {"name": "gcp"}}, "left kubectl in 1.26"),
        ({"auth-provider": {"name": "oidc"}}, "OIDC token .* run any kubectl command"),
        ({"exec": "x"}, "wrong shape"),
        ({"exec": {"command": "/nonexistent/x", "installHint": "brew x"}}, "cannot be run.*brew x"),
    ],
)
def test_credentials_of_no_use_are_an_error_before_anything_is_sent(
    pki: Path, user: dict[str, Any], says: str
) -> None:
    with FakeApi(pki / "server.pem", pki / "server.key", ca=pki / "ca.pem") as api:
        access = api.access()
        with pytest.raises(ClusterError, match=says):
            open_session(replace(access, user_entry=user))
        assert api.seen == []


def test_an_encrypted_key_does_not_ask(pki: Path) -> None:
    command = ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", f"{pki}/client.key"]
    subprocess.run([*command, "-out", f"{pki}/locked.key"], check=True, capture_output=True)
    (pki / "locked.pem").write_bytes((pki / "client.pem").read_bytes())
    with FakeApi(pki / "server.pem", pki / "server.key", ca=pki / "ca.pem") as api:
        access = api.access()
        with pytest.raises(ClusterError, match="cannot be used"):
            open_session(replace(access, user_entry=inline(pki, "locked")))


def headers_of(secure: FakeApi, user: dict[str, Any]) -> dict[str, str]:
    """What a user's entry sends, of what concerns identity."""
    secure.on(POD, Answer(body={}))
    with open_session(replace(secure.access(), user_entry=user)) as session:
        session.get(POD)
    names = ("authorization", "impersonate")
    return {key: value for key, value in secure.seen[-1].headers.items() if key.startswith(names)}


def jwt(expires: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"e30.{claims}.x"


def test_each_kind_of_credential_is_sent(secure: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    file = {"tokenFile": str(tmp_path / "token")}
    assert headers_of(secure, {}) == {}
    assert headers_of(secure, {"token": "t"}) == {"authorization": "Bearer t"}
    assert headers_of(secure, {"token": "t", **file}) == {"authorization": "Bearer from-file"}
    basic = headers_of(secure, {"username": "u", "password": "p"})
    assert basic == {"authorization": f"Basic {base64.b64encode(b'u:p').decode()}"}
    token = jwt(time.time() + 3600)
    oidc = {"auth-provider": {"name": "oidc", "config": {"id-token": token}}}
    assert headers_of(secure, oidc) == {"authorization": f"Bearer {token}"}


def test_a_client_certificate_is_shown(secure: FakeApi, pki: Path) -> None:
    assert headers_of(secure, inline(pki, "client")) == {}
    files = {"client-certificate": f"{pki}/client.pem", "client-key": f"{pki}/client.key"}
    assert headers_of(secure, files) == {}
    assert headers_of(secure, {}) == {}
    assert [seen.certificate for seen in secure.seen] == ["client", "client", ""]


def test_no_secret_is_sent_in_the_clear(api: FakeApi) -> None:
    assert headers_of(api, {"token": "t", "as": "jane"}) == {"impersonate-user": "jane"}


def test_the_identity_to_act_as_goes_with_every_request(secure: FakeApi) -> None:
    user = {"token": "t", "as": "jürgen", "as-uid": "7", "as-groups": ["a", "b"]}
    assert headers_of(secure, {**user, "as-user-extra": {"Scope/x": ["v"]}}) == {
        "authorization": "Bearer t",
        "impersonate-user": "jürgen".encode().decode("latin-1"),
        "impersonate-uid": "7",
        "impersonate-group": "a, b",
        "impersonate-extra-scope%2fx": "v",
    }


def grants(status: str, version: str = V1) -> str:
    return f"""echo '{{"kind": "ExecCredential", "apiVersion": "{version}", "status": {status}}}'"""


CA = "certificate-authority: ca.pem"
EXEC = f"apiVersion: {V1}, interactiveMode: Never, command: sh, args: [plugin]"


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl to compare with")
@pytest.mark.parametrize(
    ("user", "flags"),
    [
        ("token: t, tokenFile: tok", {}),
        ("tokenFile: tok", {}),
        ("username: a, password: b", {}),
        ("client-certificate: client.pem, client-key: client.key", {}),
        ("client-certificate: client.pem, client-key: client.key", {"token": "z"}),
        (f"exec: {{{EXEC}}}", {}),
        (f"exec: {{{EXEC}}}", {"token": "z"}),
        (f"token: t, exec: {{{EXEC}}}", {}),
        ("token: t", {"as_user": "jane", "as_group": ("a", "b"), "as_uid": "5"}),
        ("token: t, as: bob, as-groups: [g], as-user-extra: {'Sco/pe': [v w]}", {}),
        ("token: t, as: bob, as-groups: [g]", {"as_user": "jane"}),
        ("token: t, as: bob, as-groups: [g]", {"as_group": ("h",)}),
    ],
)
def test_the_server_sees_whom_kubectl_would_show(
    secure: FakeApi,
    pki: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    flags: dict[str, Any],
) -> None:
    (pki / "tok").write_text("from-file\n")
    (pki / "plugin").write_text(grants('{"token": "from-plugin"}'))
    config = pki / "config"
    config.write_text(
        f"clusters: [{{name: c, cluster: {{server: '{secure.url}', {CA}}}}}]\n"
        f"users: [{{name: u, user: {{{user}}}}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    secure.on("/api/v1/nodes", Answer(body={"kind": "NodeList"}))
    words = {"as_user": "--as", "as_group": "--as-group", "as_uid": "--as-uid", "token": "--token"}
    typed = [
        f"{words[flag]}={value}"
        for flag, values in flags.items()
        for value in (values if isinstance(values, tuple) else (values,))
    ]
    environ = {"PATH": os.environ["PATH"], "HOME": str(pki), "KUBECONFIG": str(config)}
    command = ["kubectl", "get", "--raw", "/api/v1/nodes", *typed]
    subprocess.run(command, env=environ, cwd=pki, check=True, capture_output=True)
    monkeypatch.chdir(pki)
    with open_session(load(Flags(**flags), environ)) as session:
        session.get("/api/v1/nodes")
    theirs, ours = (
        (seen.certificate, {k: v for k, v in seen.headers.items() if k.startswith(("auth", "imp"))})
        for seen in secure.seen
        if seen.path == "/api/v1/nodes"
    )
    assert ours == theirs


def test_401_says_whose_credentials_to_renew(secure: FakeApi) -> None:
    secure.on(POD, status(401, "Unauthorized"))
    with open_session(replace(secure.access(token="t"), user="jane")) as session:
        with pytest.raises(ClusterError, match=r"of user jane .*Unauthorized.*log in"):
            session.get(POD)
        assert session.requests == 1


def test_a_token_file_is_read_again_when_refused(secure: FakeApi, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    def judge(seen: Seen) -> Answer:
        token.write_text("new")
        fine = seen.headers["authorization"] == "Bearer new"
        return Answer(body={}) if fine else status(401, "Unauthorized")

    secure.on(POD, judge)
    with open_session(replace(secure.access(), user_entry={"tokenFile": str(token)})) as session:
        assert session.get(POD).ok
        assert session.get(POD).ok
        assert session.requests == 3


# Credential plugins


def plugin(tmp_path: Path, script: str, **spec: Any) -> dict[str, Any]:
    """A user whose plugin is this shell script."""
    file = tmp_path / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    base = {"apiVersion": V1, "command": str(file), "interactiveMode": "IfAvailable"}
    return {"exec": {**base, **spec}}


def test_a_plugin_gives_a_token(secure: FakeApi, tmp_path: Path) -> None:
    script = 'echo "$1 $WHO $KUBERNETES_EXEC_INFO" > "$0.saw"\n' + grants('{"token": "t"}')
    env = [{"name": "WHO", "value": "me"}]
    user = plugin(tmp_path, script, args=["-x"], env=env, provideClusterInfo=True)
    assert headers_of(secure, user) == {"authorization": "Bearer t"}
    args, who, info = (tmp_path / "plugin.saw").read_text().split(" ", 2)
    assert (args, who) == ("-x", "me")
    ca = base64.b64encode(secure.ca.read_bytes() if secure.ca else b"").decode()
    cluster = {"server": secure.url, "certificate-authority-data": ca}
    spec = {"interactive": False, "cluster": cluster}
    assert json.loads(info) == {"apiVersion": V1, "kind": "ExecCredential", "spec": spec}


def test_a_plugin_on_windows_does_not_find_our_libraries(
    secure: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program's own folder is searched again once the plugin has started."""
    said: list[str | None] = []
    kernel = SimpleNamespace(SetDllDirectoryW=said.append)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "_MEIPASS", "C:/dnsdebug/_internal", raising=False)
    user = plugin(tmp_path, grants('{"token": "t"}'))
    assert headers_of(secure, user) == {"authorization": "Bearer t"}
    assert said == [None, "C:/dnsdebug/_internal"]


def test_a_plugin_gives_a_certificate(secure: FakeApi, pki: Path, tmp_path: Path) -> None:
    given = {
        "clientCertificateData": (pki / "client.pem").read_text(),
        "clientKeyData": (pki / "client.key").read_text(),
        "expirationTimestamp": "2999-01-01T00:00:00.123456789Z",
    }
    (tmp_path / "given").write_text(
        json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": given})
    )
    secure.on(POD, Answer(body={}))
    user = plugin(tmp_path, f"cat '{tmp_path}/given'")
    with open_session(replace(secure.access(), user_entry=user)) as session:
        assert session.get(POD).ok
    assert secure.seen[0].certificate == "client"


@pytest.mark.parametrize(
    ("script", "spec", "says"),
    [
        ("echo 'SSO\x1b[2J expired' >&2; exit 7", {}, r"\(exit 7\): SSO\\x1b\[2J expired"),
        ("exit 1", {}, "printed no reason; log in again"),
        ("echo oops", {}, "printed no credentials"),
        ("echo '[]'", {}, "printed no credentials"),
        (grants("{}"), {}, "neither a token nor a certificate"),
        (grants('{"clientCertificateData": "x"}'), {}, "neither a token nor a certificate"),
        (grants('{"token": "t"}', "other/v1"), {}, "not an ExecCredential of"),
        (grants('{"token": "t", "expirationTimestamp": "soon"}'), {}, "printed no credentials"),
        (grants('{"token": "t"}'), {"interactiveMode": "Always"}, "no terminal"),
    ],
)  # fmt: skip
def test_a_plugin_that_fails_is_heard(
    secure: FakeApi, tmp_path: Path, script: str, spec: dict[str, Any], says: str
) -> None:
    access = replace(secure.access(), user_entry=plugin(tmp_path, script, **spec))
    with pytest.raises(ClusterError, match=says):
        open_session(access)
    assert secure.seen == []


def test_a_plugin_that_hangs_is_ended_with_its_children(
    secure: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubectl_dnsdebug.api.credentials.PLUGIN_TIMEOUT", 0.5)
    script = f"sleep 60 &\necho $! > {tmp_path}/child\nwait"
    access = replace(secure.access(), user_entry=plugin(tmp_path, script))
    started = time.monotonic()
    with pytest.raises(ClusterError, match=r"gave nothing within 0\.5 s"):
        open_session(access)
    assert time.monotonic() - started < 2
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    assert until(lambda: not child.exists() or " Z " in child.read_text())


def test_a_slow_plugin_is_waited_for(secure: FakeApi, tmp_path: Path) -> None:
    user = plugin(tmp_path, "sleep 0.4\n" + grants('{"token": "t"}'))
    assert headers_of(secure, user) == {"authorization": "Bearer t"}


def count(tmp_path: Path) -> str:
    """A script that gives a new token each time: t1, t2, ..."""
    script = f"echo x >> {tmp_path}/runs\nN=$(($(wc -l < {tmp_path}/runs)))\n"
    return script + grants("""{"token": "t'$N'"}""")


def test_a_plugin_runs_again_once_when_its_token_is_refused(
    secure: FakeApi, tmp_path: Path
) -> None:
    def judge(seen: Seen) -> Answer:
        fine = seen.headers["authorization"] == "Bearer t2"
        return Answer(body={}, delay=0.05) if fine else status(401, "Unauthorized")

    secure.on(POD, judge)
    access = replace(secure.access(), user_entry=plugin(tmp_path, count(tmp_path)))
    with open_session(access) as session, ThreadPoolExecutor(5) as threads:
        assert all(reply.ok for reply in threads.map(lambda _: session.get(POD), range(5)))
    assert (tmp_path / "runs").read_text() == "x\n" * 2


def test_a_plugin_whose_tokens_are_all_refused_is_an_error(secure: FakeApi, tmp_path: Path) -> None:
    secure.on(POD, status(401, "Unauthorized"))
    access = replace(secure.access(), user_entry=plugin(tmp_path, count(tmp_path)))
    with open_session(access) as session, pytest.raises(ClusterError, match="does not accept"):
        session.get(POD)
    assert (tmp_path / "runs").read_text() == "x\n" * 2
