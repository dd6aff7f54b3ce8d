"""The way in is the one kubectl would take."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubectl_dnsdebug.api.kubeconfig import Access, Flags, KubeconfigError, load, parse_timeout
from kubectl_dnsdebug.api.proxy import proxy_of

FIRST = """
clusters: [{name: c, cluster: {server: "https://first:1"}}]
users: [{name: u, user: {token: first}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
"""
SECOND = """
current-context: other
clusters:
- {name: c, cluster: {server: "https://second:1", certificate-authority: ca.pem}}
- {name: d, cluster: {server: "https://d:1/", certificate-authority: ca.pem, tls-server-name: api}}
users:
- {name: u, user: {client-certificate: x.pem, client-key: ../k.pem}}
- name: v
  user:
    tokenFile: tok
    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plug, interactiveMode: Never}
contexts:
- {name: x, context: {cluster: d, user: v, namespace: hidden}}
- {name: other, context: {cluster: d, user: v, namespace: shown}}
- {name: orphan, context: {cluster: gone, user: v}}
- {name: nobody, context: {cluster: d, user: gone}}
"""
THIRD = "current-context: x\n"
EMPTY_FIRST = 'current-context: ""\ncontexts: [{name: x, context: {cluster: c, namespace: n3}}]\n'


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of kubeconfigs, which is also where we stand."""
    (tmp_path / "sub").mkdir()
    for name, text in {
        "first": FIRST,
        "sub/second": SECOND,
        "third": THIRD,
        "empty-first": EMPTY_FIRST,
        "empty": "",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(paths: str, environ: Mapping[str, str] | None = None, **flags: Any) -> Access:
    """What `load` makes of a KUBECONFIG list, in no pod."""
    there = {"KUBECONFIG": paths, **(environ or {})}
    return load(Flags(**flags), there, service_account=Path("nowhere"))


MATRIX = [
    ("first:sub/second", ""),
    ("sub/second:first", ""),
    ("first:sub/second:third", ""),
    ("third:sub/second:first", ""),
    ("first:sub/second", "x"),
    ("sub/second:first", "x"),
    ("empty-first:first:third", ""),
    ("empty-first:sub/second", "x"),
    ("::first::missing:third", ""),
    ("first:first:third", ""),
    ("empty:first:third", ""),
]


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl to compare with")
@pytest.mark.parametrize(("paths", "context"), MATRIX)
def test_a_list_is_merged_as_kubectl_merges_it(files: Path, paths: str, context: str) -> None:
    command = ["kubectl", "config", "view", "--minify", "--raw", "-o", "json"]
    said = subprocess.run(
        command + ([f"--context={context}"] if context else []),
        env={"PATH": os.environ["PATH"], "HOME": str(files), "KUBECONFIG": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    view = json.loads(said.stdout)
    access = opened(paths, context=context)
    assert access.context == view["current-context"]
    named = view["contexts"][0]["context"]
    assert (access.cluster, access.user) == (named["cluster"], named.get("user", ""))
    assert access.namespace == named.get("namespace", "default")
    cluster = view["clusters"][0]["cluster"]
    assert access.cluster_entry["server"] == cluster["server"]
    assert access.cluster_entry.get("tls-server-name") == cluster.get("tls-server-name")
    user = view["users"][0]["user"] if view["users"] else {}
    assert access.user_entry.get("token") == user.get("token")
    for entry, theirs in ((access.cluster_entry, cluster), (access.user_entry, user)):
        for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
            # kubectl prints paths relative to the file; these files lie in one folder each.
            assert (key in entry) == (key in theirs)


def test_paths_are_relative_to_the_file_that_holds_them(files: Path) -> None:
    access = opened("first:sub/second")
    assert access.cluster_entry["certificate-authority"] == str(files / "sub/ca.pem")
    assert access.user_entry["tokenFile"] == str(files / "sub/tok")
    assert access.user_entry["exec"]["command"] == str(files / "sub/plug")
    assert opened("sub/second", user="u").user_entry["client-key"] == str(files / "sub/../k.pem")


def test_the_home_folder_is_the_default(files: Path) -> None:
    (files / ".kube").mkdir()
    (files / ".kube/config").write_text(FIRST + THIRD)
    access = load(Flags(), {"HOME": str(files)}, service_account=Path("nowhere"))
    assert (access.context, access.server) == ("x", "https://first:1")


def test_a_file_named_by_flag_stands_alone(files: Path) -> None:
    access = opened("first", kubeconfig="sub/second")
    assert access.context == "other"
    with pytest.raises(KubeconfigError, match="--kubeconfig missing does not exist"):
        opened("first", kubeconfig="missing")


def test_flags_choose_cluster_user_and_namespace(files: Path) -> None:
    access = opened("sub/second", cluster="c", user="u", namespace="n")
    assert (access.server, access.namespace) == ("https://second:1", "n")
    assert "client-certificate" in access.user_entry


def test_flags_replace_what_the_files_say(files: Path) -> None:
    access = opened("sub/second", server="o:1", token="t", client_key="k", as_user="jane")
    # With a CA at hand a bare address means TLS, and the old server's name is not the new one's.
    assert access.server == "https://o:1"
    assert not access.cluster_entry["tls-server-name"]
    assert access.user_entry["token"] == "t"
    assert not {"exec", "tokenFile"} & access.user_entry.keys()
    assert access.user_entry["client-key"] == str(files / "k")
    assert access.user_entry["as"] == "jane"
    insecure = opened("sub/second", insecure_skip_tls_verify=True).cluster_entry
    assert (insecure["certificate-authority"], insecure["insecure-skip-tls-verify"]) == ("", True)


def test_a_server_by_flag_needs_no_kubeconfig() -> None:
    access = opened("missing", server="127.0.0.1:8001")
    assert access.server == access.context == "http://127.0.0.1:8001"


def test_secrets_are_never_printed(files: Path) -> None:
    printed = repr(opened("first:third")) + repr(Flags(token="hush"))
    assert "token" not in printed
    assert "hush" not in printed


@pytest.mark.parametrize(
    ("paths", "flags", "says"),
    [
        ("first:third", {"context": "zz"}, "'zz' does not exist in first, third; contexts are: x"),
        ("sub/second", {"cluster": "zz"}, "cluster 'zz' does not exist in .*are: c, d"),
        ("sub/second", {"user": "zz"}, "user 'zz' does not exist"),
        ("sub/second", {"context": "orphan"}, "cluster 'gone' does not exist"),
        ("sub/second", {"context": "nobody"}, "user 'gone' does not exist"),
        ("first", {}, "no current context in first; choose one with --context: x"),
        ("missing", {}, r"no cluster is configured \(missing\): set KUBECONFIG"),
        ("sub", {}, "cannot read kubeconfig sub: Is a directory"),
        ("first:third", {"as_group": ("g",)}, "add --as"),
        ("first:third", {"server": "ftp://x"}, "no URL"),
        ("first:third", {"server": "https://x:port"}, "no URL"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_says_where_to_look(
    files: Path, paths: str, flags: dict[str, Any], says: str
) -> None:
    with pytest.raises(KubeconfigError, match=says):
        opened(paths, **flags)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("foo: [", "no valid YAML"),
        ("a string", "wrong shape"),
        ("clusters: {a: b}", "wrong shape"),
        ("clusters: [x]", "wrong shape"),
        ("clusters: [{name: c, cluster: x}]", "wrong shape"),
        ("clusters: [{name: 1, cluster: {}}]", "put it in quotes"),
        ("clusters: [{name: c}, {name: c}]", "two entries for cluster 'c'"),
        ("current-context: true", "put it in quotes"),
        (
            "{current-context: x, clusters: [{name: x, cluster: {server: y}}], "
            "contexts: [{name: x, context: {cluster: x, namespace: ../y}}]}",
            "no name of a namespace",
        ),
        ("a: &a [*a, \x1b]", "no valid YAML"),
    ],
)
def test_a_broken_file_is_an_error_that_names_it(files: Path, text: str, says: str) -> None:
    (files / "broken").write_text(text)
    with pytest.raises(KubeconfigError, match=f"broken.*{says}|{says}.*") as caught:
        opened("broken:first", context="x")
    assert "\x1b" not in str(caught.value)


POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}


def test_in_a_pod_the_service_account_leads_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "namespace").write_text("shop\n")
    access = load(Flags(), {**POD, "KUBECONFIG": "missing"}, service_account=tmp_path)
    assert (access.context, access.namespace) == ("in-cluster", "shop")
    assert access.server == "https://[fd00::1]:443"
    assert access.user_entry == {"tokenFile": str(tmp_path / "token")}


def test_a_kubeconfig_comes_before_the_service_account(files: Path) -> None:
    (files / "token").write_text("t")
    access = load(Flags(), {**POD, "KUBECONFIG": "first:third"}, service_account=files)
    assert access.context == "x"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", None), ("0s", None), ("7", 7), ("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400)],
)
def test_a_timeout_is_read_as_kubectl_reads_it(text: str, seconds: float | None) -> None:
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "5 s", "1d", "s", "٣s"])
def test_what_is_no_timeout_is_an_error(text: str) -> None:
    with pytest.raises(KubeconfigError, match="no duration"):
        parse_timeout(text)


@pytest.mark.parametrize(
    ("environ", "server", "proxy"),
    [
        ({}, "https://api:6443", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://api:6443", "http://p:1"),
        ({"https_proxy": "p:1"}, "https://api:6443", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://api:6443", ""),
        ({"HTTP_PROXY": "http://p:1"}, "http://api", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "https://127.0.0.1:6443", ""),
        ({"HTTPS_PROXY": "http://p:1"}, "https://localhost:6443", ""),
        *(
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": spared}, server, proxy)
            for spared, server, proxy in [
                ("*", "https://api:6443", ""),
                ("x, example.com", "https://api.example.com", ""),
                ("example.com", "https://example.com", ""),
                (".example.com", "https://example.com", "http://p:1"),
                ("*.example.com", "https://api.example.com", ""),
                ("example.com", "https://badexample.com", "http://p:1"),
                ("10.0.0.0/8", "https://10.1.2.3:6443", ""),
                ("10.0.0.0/8", "https://11.1.2.3:6443", "http://p:1"),
                ("10.1.2.3", "https://10.1.2.3", ""),
                ("api:443", "https://api", ""),
                ("api:80", "https://api", "http://p:1"),
                ("", "https://api", "http://p:1"),
            ]
        ),
    ],
)
def test_the_proxy_of_the_environment(environ: dict[str, str], server: str, proxy: str) -> None:
    assert proxy_of(environ, server) == proxy


def test_the_proxy_of_the_cluster_comes_first(files: Path) -> None:
    (files / "p").write_text(
        "clusters: [{name: c, cluster: {server: 'https://c', proxy-url: 'http://own'}}]"
    )
    access = opened("p", {"HTTPS_PROXY": "http://other"}, cluster="c")
    assert access.proxy == "http://own"
