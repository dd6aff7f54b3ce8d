"""The user's words to pods, and what is said when there are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import targets
from kubectl_dnsdebug.collect.targets import TargetError
from tests.fake_api import Answer, FakeApi, status
from tests.places import PODS
from tests.reports import pod_data

WEB = pod_data("shop", "web", "w1", "10.0.0.1")


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


@pytest.mark.parametrize("word", ["web", "pod/web", "po/web", "pods/web", "Pod/web"])
def test_a_pod(api: FakeApi, session: Session, word: str) -> None:
    api.on(f"{PODS}/web", Answer(body=WEB))
    (found,) = targets.resolve(session, "shop", [word])
    assert (found.pod.namespace, found.pod.name, found.picked_by) == ("shop", "web", "")


LABELS = {"selector": {"matchLabels": {"app": "web", "tier": "front"}}}


@pytest.mark.parametrize(
    ("word", "path", "spec", "selector"),
    [
        ("deploy/x", "/apis/apps/v1/namespaces/shop/deployments/x", LABELS, "app=web,tier=front"),
        ("deployment.apps/x", "/apis/apps/v1/namespaces/shop/deployments/x", LABELS, ""),
        ("sts/x", "/apis/apps/v1/namespaces/shop/statefulsets/x", LABELS, ""),
        ("ds/x", "/apis/apps/v1/namespaces/shop/daemonsets/x", LABELS, ""),
        ("rs/x", "/apis/apps/v1/namespaces/shop/replicasets/x", LABELS, ""),
        ("job/x", "/apis/batch/v1/namespaces/shop/jobs/x", LABELS, ""),
        ("svc/x", "/api/v1/namespaces/shop/services/x", {"selector": {"app": "web"}}, "app=web"),
        (
            "deploy/x",
            "/apis/apps/v1/namespaces/shop/deployments/x",
            {
                "selector": {
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [
                        {"key": "c", "operator": "In", "values": ["d", "e"]},
                        {"key": "f", "operator": "NotIn", "values": ["g"]},
                        {"key": "h", "operator": "Exists"},
                        {"key": "i", "operator": "DoesNotExist"},
                    ],
                }
            },
            "a=b,c in (d,e),f notin (g),h,!i",
        ),
    ],
)
def test_what_has_pods(
    api: FakeApi, session: Session, word: str, path: str, spec: dict[str, Any], selector: str
) -> None:
    api.on(path, Answer(body={"spec": spec}))
    api.on(PODS, Answer(body={"items": [WEB]}))
    (found,) = targets.resolve(session, "shop", [word])
    assert found.pod.name == "web"
    assert found.picked_by.startswith("1 of 1 pods of ")
    assert api.seen[-1].query["labelSelector"] == selector or not selector


def state(name: str, phase: str = "Running", ready: str = "True", **meta: Any) -> dict[str, Any]:
    data = pod_data("shop", name, "w1", "10.0.0.1", ready=ready)
    data["status"]["phase"] = phase
    data["metadata"] |= meta
    return data


@pytest.mark.parametrize(
    ("pods", "best"),
    [
        ([state("a"), state("b")], "a"),
        ([state("a"), state("b", ready="False")], "b"),
        ([state("a", "Pending", "False"), state("b")], "b"),
        ([state("a", ready="False", deletionTimestamp="now"), state("b")], "b"),
        ([state("a", "Succeeded", "False")], "a"),
    ],
)
def test_the_pod_that_stands_for_many(
    api: FakeApi, session: Session, pods: list[dict[str, Any]], best: str
) -> None:
    api.on(PODS, Answer(body={"items": pods}))
    (found,) = targets.resolve(session, "shop", [], "app=web")
    assert found.pod.name == best
    assert found.picked_by == f"1 of {len(pods)} pods of -l app=web"


def test_one_pod_is_diagnosed_once(api: FakeApi, session: Session) -> None:
    api.on(f"{PODS}/web", Answer(body=WEB))
    api.on(PODS, Answer(body={"items": [WEB]}))
    (found,) = targets.resolve(session, "shop", ["web", "pod/web"], "app=web")
    assert found.picked_by == "", "named by the user, whatever the selector picked"


GONE = status(404, "NotFound", "not found")
NO_PAGE = Answer(status=404, body="404 page not found\n", headers={"Content-Type": "text/plain"})


@pytest.mark.parametrize(
    ("word", "answer", "says"),
    [
        ("web", GONE, "pod web does not exist in namespace shop; `kubectl get pods -n shop`"),
        ("web", NO_PAGE, "HTTP 404: 404 page not found; is the server of the kubeconfig an API"),
        ("svc/web", NO_PAGE, "could not get service/web in shop: HTTP 404: 404 page not found;"),
        ("svc/web", GONE, "service/web does not exist in namespace shop"),
        ("deploy/web", GONE, "deployment/web does not exist in namespace shop"),
        ("web", status(403, "Forbidden", "no"), "not allowed to get pod web in shop: no"),
        ("web", status(500, "InternalError", "away"), "could not get pod web in shop: away"),
        ("svc/web", Answer(body={"spec": {}}), "service/web selects no pods by label"),
        ("svc/web", Answer(body="text"), "could not get service/web in shop"),
        ("web", Answer(body="text"), "could not get pod web in shop"),
        ("cm/web", GONE, "cm/web: no kind that has pods; use one of daemonset, "),
        ("pod/", GONE, "'pod/' is no target"),
        ("", GONE, "'' is no target"),
        ("/", GONE, "'/' is no target"),
        ("pod/..", GONE, "'pod/..' is no target"),
        ("pod/web/log", GONE, "'pod/web/log' is no target"),
        ("web?watch=1", GONE, "is no target"),
        ("\x1b[2Jweb", GONE, "is no target"),
    ],
)
def test_what_is_no_target(
    api: FakeApi, session: Session, word: str, answer: Answer, says: str
) -> None:
    api.on(f"{PODS}/web", answer)
    api.on("/api/v1/namespaces/shop/services/web", answer)
    with pytest.raises(TargetError) as caught:
        targets.resolve(session, "shop", [word])
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(body={"items": []}), "-l app=web has no pods in namespace shop"),
        (status(400, "BadRequest", "unable to parse requirement"), "-l app=web: unable to parse"),
        (status(403, "Forbidden", "no"), "not allowed to list pods in shop: no"),
    ],
)
def test_a_selector_without_pods(api: FakeApi, session: Session, answer: Answer, says: str) -> None:
    api.on(PODS, answer)
    with pytest.raises(TargetError, match=says):
        targets.resolve(session, "shop", [], "app=web")


def test_nothing_secret_is_kept(api: FakeApi, session: Session) -> None:
    data = pod_data("shop", "web", "w1", "10.0.0.1")
    data["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "hunter2"}]
    data["metadata"]["annotations"] = {"last-applied": "hunter2"}
    api.on(f"{PODS}/web", Answer(body=data))
    (found,) = targets.resolve(session, "shop", ["web"])
    assert "hunter2" not in str(found.pod.raw)
