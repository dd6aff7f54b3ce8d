"""Bad input, missing permission, broken pods, signals: a clear sentence and nothing left behind."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.scenarios.conftest import DNSUTILS, Tool

WEB = ("pod/web", "-n", "shop")


def test_a_pod_that_is_not_there(tool: Tool) -> None:
    ran = tool("pod/nothere", "-n", "shop")
    assert ran.code == 1
    assert "pod nothere does not exist in namespace shop" in ran.err
    assert "Traceback" not in ran.err


def test_an_api_server_that_is_not_there(tool: Tool) -> None:
    ran = tool(*WEB, "--server", "https://127.0.0.1:1")
    assert ran.code == 1
    assert "127.0.0.1:1" in ran.err
    assert "Traceback" not in ran.err


def test_credentials_that_are_not_accepted(tool: Tool, tmp_path: Path) -> None:
    config = yaml.safe_load(Path(tool.env["KUBECONFIG"]).read_text())
    for user in config["users"]:
        user["user"] = {"token": "expired"}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    ran = tool(*WEB, "--kubeconfig", str(path))
    assert ran.code == 1
    assert "credentials" in ran.err or "log in" in ran.err, ran.err


def test_an_image_that_cannot_be_pulled(tool: Tool) -> None:
    ran = tool("pod/api", "-n", "shop", "--image", "dnsdebug.test/nowhere:1", "-o", "json")
    assert ran.code == 3, ran.story()
    reasons = " ".join(each["reason"] for each in ran.report["unknown"])
    assert "Pull" in reasons, ran.story()
    assert not tool.leftovers()


def test_a_pending_pod(cluster: Cluster, tool: Tool) -> None:
    cluster.kubectl.apply(
        _pod("pending", {"nodeSelector": {"no": "where"}, "containers": [_container("app")]})
    )
    try:
        ran = tool("pod/pending", "-n", "shop", "-o", "json")
        assert ran.code == 3, ran.story()
        assert "Pending" in json.dumps(ran.report["unknown"]), ran.story()
    finally:
        cluster.kubectl.delete("pod", "pending", "-n", "shop", "--grace-period=0", "--force")
    assert not tool.leftovers()


@pytest.fixture
def user(cluster: Cluster) -> Iterator[str]:
    """A user who may do nothing yet; tests bind roles to it."""
    name = "somebody"
    yield name
    cluster.kubectl.delete("clusterrolebinding", "-l", "test=manners")
    cluster.kubectl.delete("clusterrole", "-l", "test=manners")


def _allow(cluster: Cluster, user: str, name: str, *rules: dict[str, list[str]]) -> None:
    meta = {"name": f"manners-{name}", "labels": {"test": "manners"}}
    api = "rbac.authorization.k8s.io"
    cluster.kubectl.apply(
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": meta, "rules": list(rules)}
    )
    cluster.kubectl.apply(
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": meta["name"]},
            "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
        }
    )


def _rule(resources: str, *verbs: str) -> dict[str, list[str]]:
    return {"apiGroups": [""], "resources": resources.split(), "verbs": list(verbs)}


def test_a_user_who_may_do_nothing(tool: Tool, user: str) -> None:
    ran = tool(*WEB, "--as", user)
    assert ran.code == 1
    assert "not allowed to get pod web in shop" in ran.err


def test_a_user_who_may_only_look(cluster: Cluster, tool: Tool, user: str) -> None:
    _allow(cluster, user, "look", _rule("pods", "get"))
    ran = tool(*WEB, "--as", user, "-o", "json")
    assert ran.code == 3, ran.story()
    assert "patch pods/ephemeralcontainers" in json.dumps(ran.report["unknown"]), ran.story()
    assert ran.report["made"] == []
    assert not tool.leftovers()


def test_a_user_with_the_smallest_role_for_a_pod(cluster: Cluster, tool: Tool, user: str) -> None:
    roles = list(yaml.safe_load_all(tool("rbac").out))
    pod = next(role for role in roles if role["metadata"]["name"] == "dnsdebug-pod")
    _allow(cluster, user, "pod", *pod["rules"])
    ran = tool(*WEB, "--as", user, "-o", "json")
    assert ran.code in (0, 3), ran.story()
    assert ran.report["causes"] == [], ran.story()
    assert ran.report["matrix"], ran.story()
    made = json.dumps(ran.report["made"])
    assert "ephemeral" in made
    assert "control" not in made


def test_a_user_who_may_make_but_not_remove_makes_nothing(
    cluster: Cluster, tool: Tool, user: str
) -> None:
    _allow(cluster, user, "make", _rule("pods", "get", "create", "watch"), _rule("pods/log", "get"))
    ran = tool(*WEB, "--as", user, "-o", "json")
    assert ran.code == 3, ran.story()
    assert ran.report["made"] == [], ran.story()
    assert not tool.leftovers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("after", [0.5, 1.0, 1.6])
def test_a_signal_at_any_moment(tool: Tool, number: signal.Signals, after: float) -> None:
    process = tool.start(*WEB, "-o", "json")
    time.sleep(after)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    # A shell says 143 either way: of a program that ends so, and of one that it found not yet up.
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    assert code in (128 + number, 0), err
    assert "Traceback" not in err
    assert not tool.leftovers()


def test_what_a_killed_run_leaves_is_found_and_removed(tool: Tool) -> None:
    process = tool.start(*WEB, "-o", "json")
    for _ in range(50):
        time.sleep(0.1)
        if tool.leftovers():
            break
    process.kill()
    process.communicate(timeout=30)
    shown = tool("cleanup", "-n", "shop")
    assert "nothing was removed" in shown.out
    assert tool.leftovers()
    assert tool("cleanup", "-n", "shop", "--yes").code == 0
    assert not tool.leftovers()


def test_clean_up_leaves_alone_what_it_did_not_make(cluster: Cluster, tool: Tool) -> None:
    mine = _pod("mine", {"containers": [_container("app")]})
    mine["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "kubectl-dnsdebug"}
    cluster.kubectl.apply(mine)
    try:
        assert "nothing left" in tool("cleanup", "-n", "shop", "--yes").out
        assert cluster.kubectl.exists("pod", "mine", "-n", "shop")
    finally:
        cluster.kubectl.delete("pod", "mine", "-n", "shop", "--grace-period=0", "--force")


def test_a_dry_run_makes_nothing_and_says_what_it_would(tool: Tool) -> None:
    ran = tool(*WEB, "--dry-run")
    assert ran.code == 0, ran.story()
    assert "ephemeral container in pod/shop/web" in ran.out
    assert "create pods in shop: yes" in ran.out
    assert not tool.leftovers()


def test_a_sibling_stands_in_and_is_removed(tool: Tool) -> None:
    ran = tool(*WEB, "--mode", "sibling", "-o", "json")
    assert ran.code == 0, ran.story()
    made = [each["what"] for each in ran.report["made"]]
    assert not any("ephemeral" in what for what in made), made
    assert any("sibling" in what for what in made), made
    assert not tool.leftovers()


def test_several_targets_in_one_run(tool: Tool) -> None:
    ran = tool("pod/web", "deploy/front", "svc/api", "-n", "shop", "-o", "json")
    assert ran.code == 0, ran.story()
    assert len(ran.report["target"]["pods"]) == 3
    assert not tool.leftovers()


def test_a_namespace_with_the_restricted_level(cluster: Cluster, tool: Tool) -> None:
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "strict", "labels": level},
        }
    )
    secure = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = _pod("app", {"containers": [_container("app") | {"securityContext": secure}]}, "strict")
    try:
        cluster.kubectl.apply(pod)
        cluster.kubectl("wait", "--for=condition=Ready", "pod/app", "-n", "strict", "--timeout=60s")
        ran = tool("pod/app", "-n", "strict", "-o", "json")
        assert ran.code == 0, ran.story()
        assert not tool.leftovers()
    finally:
        cluster.kubectl.delete("namespace", "strict")


def test_a_replay_prints_the_identical_report(tool: Tool, tmp_path: Path) -> None:
    saved = tmp_path / "evidence.json"
    live = tool(*WEB, "--save", str(saved))
    again = tool("replay", str(saved))
    assert (again.code, again.out) == (live.code, live.out)
    assert saved.stat().st_mode & 0o777 == 0o600


def _container(name: str) -> dict[str, object]:
    return {"name": name, "image": DNSUTILS, "command": ["sleep", "infinity"]}


def _pod(name: str, spec: dict[str, object], namespace: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"terminationGracePeriodSeconds": 0, **spec},
    }
