"""What is read of the cluster: all that decides what to probe, little else, and gaps as gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import configs, survey
from kubectl_dnsdebug.model import Fact, State
from tests import reports
from tests.fake_api import Answer, FakeApi, status
from tests.places import target

CORE, SYSTEM = "/api/v1", "/api/v1/namespaces/kube-system"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
NO = status(403, "Forbidden", "no")


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


def dns_pod(name: str, **more: Any) -> dict[str, Any]:
    data = reports.pod_data("kube-system", name, "w1", "10.244.1.3", **more)
    data["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "coredns-custom"}}]
    data["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "hunter2"}]
    return data


def cluster(api: FakeApi, *pods: dict[str, Any]) -> None:
    """A cluster that answers every question."""
    dns = reports.service_data("kube-system", "kube-dns", "10.96.0.10", 53)
    api.on(f"{CORE}/services", Answer(body={"items": [dns]}))
    api.on(f"{CORE}/namespaces/shop", Answer(body={"metadata": {"name": "shop"}}))
    api.on(f"{CORE}/namespaces/kube-system", Answer(body={"metadata": {"name": "kube-system"}}))
    api.on(f"{CORE}/nodes/w1", Answer(body={"metadata": {"name": "w1"}}))
    config = {"kubeletconfig": {"clusterDNS": ["10.96.0.10"], "tlsPrivateKeyFile": "hunter2"}}
    api.on(f"{CORE}/nodes/w1/proxy/configz", Answer(body=config))
    api.on(SLICES.format("kube-system"), Answer(body={"items": []}))
    api.on(f"{SYSTEM}/pods", Answer(body={"items": list(pods) or [dns_pod("coredns-a")]}))
    for namespace in ("shop", "kube-system"):
        api.on(POLICIES.format(namespace), Answer(body={"items": []}))
        api.on(f"{CORE}/namespaces/{namespace}/events", Answer(body={"items": []}))
    corefile = ".:53 {\n  errors\n  etcd { credentials user hunter2 }\n}\n"
    api.on(f"{SYSTEM}/configmaps/coredns-custom", Answer(body={"data": {"Corefile": corefile}}))
    for name in ("coredns-a", "coredns-b", "coredns-c"):
        api.on(f"{SYSTEM}/pods/{name}/log", Answer(body="[INFO] \x1b[31mready\nlast"))


def by_id(facts: tuple[Fact, ...]) -> dict[str, Fact]:
    return {fact.id: fact for fact in facts}


def test_a_whole_survey(api: FakeApi, session: Session) -> None:
    cluster(api)
    facts = by_id(survey.survey(session, [target()]))
    assert facts.keys() == {
        "pod/shop/web-1",
        "services",
        "namespace/shop",
        "node/w1",
        "configz/w1",
        "endpointslices/kube-system/kube-dns",
        "dns-pods/kube-system/app=kube-dns",
        "networkpolicies/shop",
        "networkpolicies/kube-system",
        "configmap/kube-system/coredns-custom",
    }
    assert {fact.state for fact in facts.values()} == {State.GOT}
    assert facts["configz/w1"].data == {"clusterDNS": ["10.96.0.10"]}
    assert "hunter2" not in str(facts)
    assert {seen.method for seen in api.seen} == {"GET"}
    assert len(api.seen) == len(facts) - 1
    (asked,) = [seen.query for seen in api.seen if "endpointslices" in seen.path]
    assert asked == {"labelSelector": "kubernetes.io/service-name=kube-dns"}


def test_the_labels_of_the_dns_namespace_count_only_where_a_policy_may_use_them(
    api: FakeApi, session: Session
) -> None:
    cluster(api)
    policy = {"metadata": {"name": "default-deny", "namespace": "shop"}, "spec": {}}
    api.on(POLICIES.format("shop"), Answer(body={"items": [policy]}))
    assert "namespace/kube-system" in by_id(survey.survey(session, [target()]))


def test_without_any_permission_all_is_a_gap(api: FakeApi, session: Session) -> None:
    for path in (
        f"{CORE}/services",
        f"{CORE}/namespaces/shop/services",
        *(f"{CORE}/namespaces/{ns}/services" for ns in ("kube-system", "openshift-dns")),
        f"{CORE}/namespaces/shop",
        f"{CORE}/namespaces/kube-system",
        f"{CORE}/nodes/w1",
        f"{CORE}/nodes/w1/proxy/configz",
        f"{SYSTEM}/pods",
        *(POLICIES.format(ns) for ns in ("shop", "kube-system")),
        f"{SYSTEM}/configmaps/coredns",
    ):
        api.on(path, NO)
    facts = by_id(survey.survey(session, [target()]))
    assert facts.pop("pod/shop/web-1").state is State.GOT
    assert {fact.state for fact in facts.values()} == {State.UNKNOWN}
    assert all("not allowed to " in fact.reason for fact in facts.values())
    assert facts["configz/w1"].reason == (
        "not allowed to get nodes/proxy (kubelet configuration of w1)"
    )


def test_services_of_the_namespaces_that_matter(api: FakeApi, session: Session) -> None:
    """Not all may be listed: those of the pod and of the DNS still tell a lot, and say so."""
    cluster(api)
    api.on(f"{CORE}/services", NO)
    for namespace in ("shop", "kube-system"):
        one = reports.service_data(namespace, "kube-dns", "10.96.0.10", 53)
        api.on(f"{CORE}/namespaces/{namespace}/services", Answer(body={"items": [one]}))
    services = by_id(survey.survey(session, [target()]))["services"]
    assert services.state is State.GOT
    assert services.data["unread"] is True
    assert "not allowed to list services in all namespaces" in services.reason
    found = {each["metadata"]["namespace"] for each in services.data["items"]}
    assert found == {"shop", "kube-system"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(404, "NotFound", "nodes w1 not found"), "nodes w1 not found"),
        (Answer(body={}), "could not get nodes/proxy"),
        (Answer(body="text"), "could not get nodes/proxy"),
        (status(503, "ServiceUnavailable", "kubelet away"), "kubelet away"),
    ],
)
def test_the_kubelet_is_optional(
    api: FakeApi, session: Session, answer: Answer, reason: str
) -> None:
    """Even its absence is no answer: no rule may rest on it."""
    cluster(api)
    api.on(f"{CORE}/nodes/w1/proxy/configz", answer)
    fact = by_id(survey.survey(session, [target()]))["configz/w1"]
    assert fact.state is State.UNKNOWN
    assert reason in fact.reason


def test_a_pod_on_no_node_and_two_on_one(api: FakeApi, session: Session) -> None:
    cluster(api)
    pending = target("pending", spec={"nodeName": ""})
    facts = survey.survey(session, [target("a"), target("b"), pending])
    ids = [fact.id for fact in facts]
    assert len(ids) == len(set(ids))
    assert [id for id in ids if id.startswith("node/")] == ["node/w1"]


def logs(api: FakeApi) -> list[tuple[str, str]]:
    return sorted(
        (seen.path.split("/")[-2], seen.query.get("previous", ""))
        for seen in api.seen
        if seen.path.endswith("/log")
    )


def test_afterwards_logs_and_events(api: FakeApi, session: Session) -> None:
    cluster(api)
    before = survey.survey(session, [target()])
    facts = by_id(survey.aftermath(session, before, [target()], ill=False, stale=False))
    assert facts.keys() == {"events/shop", "log/kube-system/coredns-a"}
    assert facts["log/kube-system/coredns-a"].data["lines"] == [r"[INFO] \x1b[31mready", "last"]
    assert api.seen[-1].query.keys() <= {
        "fieldSelector",
        "limit",
        "tailLines",
        "limitBytes",
        "timestamps",
        "container",
    }


def test_where_something_is_ill_more_is_read(api: FakeApi, session: Session) -> None:
    restarted = dns_pod("coredns-b", ready="False")
    restarted["status"]["containerStatuses"][0]["restartCount"] = 3
    cluster(api, dns_pod("coredns-a", ready="False"), restarted)
    before = survey.survey(session, [target()])
    facts = by_id(survey.aftermath(session, before, [target()], ill=True, stale=False))
    assert {"events/shop", "events/kube-system", "system-pods/w1"} <= facts.keys()
    assert facts["deployments/kube-system"].state is State.ABSENT
    assert [name for name, _ in logs(api)][:1] == ["coredns-a"]


def test_the_log_of_a_pod_that_came_back_is_its_previous_one_first(
    api: FakeApi, session: Session
) -> None:
    restarted = dns_pod("coredns-b")
    restarted["status"]["containerStatuses"][0]["restartCount"] = 3
    cluster(api, restarted)
    before = survey.survey(session, [target()])
    facts = survey.aftermath(session, before, [target()], ill=False, stale=False)
    ids = [fact.id for fact in facts if fact.id.startswith("log")]
    assert ids == ["log-previous/kube-system/coredns-b", "log/kube-system/coredns-b"]


def test_logs_are_bounded(api: FakeApi, session: Session) -> None:
    cluster(api, *(dns_pod(f"coredns-{n}") for n in range(20)))
    before = survey.survey(session, [target()])
    survey.aftermath(session, before, [target()], ill=True, stale=False)
    assert len(logs(api)) == survey.MOST_LOGS
    assert len(api.seen) <= 30


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (NO, State.UNKNOWN),
        (status(404, "NotFound"), State.ABSENT),
        (status(400, "BadRequest", "previous terminated container not found"), State.UNKNOWN),
        (Answer(drop=True), State.UNKNOWN),
    ],
)
def test_a_log_that_cannot_be_read(
    api: FakeApi, session: Session, answer: Answer, state: State
) -> None:
    cluster(api)
    api.on(f"{SYSTEM}/pods/coredns-a/log", answer)
    before = survey.survey(session, [target()])
    facts = by_id(survey.aftermath(session, before, [target()], ill=False, stale=False))
    assert facts["log/kube-system/coredns-a"].state is state


def test_of_a_corefile_only_the_time_of_its_edit_is_kept(api: FakeApi, session: Session) -> None:
    def by(hand: str, time: str, part: str) -> dict[str, Any]:
        return {"manager": hand, "time": time, "fieldsV1": {part: {}}}

    edits = [
        by("alice", "2026-01-01T10:00:00Z", "f:data"),
        by("bob", "2026-01-01T09:00:00Z", "f:data"),
        by("carol", "2026-01-01T11:00:00Z", "f:metadata"),
    ]
    body = {"metadata": {"managedFields": edits}, "data": {"Corefile": ".:53 {\n}\n"}}
    api.on(f"{SYSTEM}/configmaps/coredns", Answer(body=body))
    fact = configs.read(session, "kube-system", "coredns")
    assert fact.data["changed"] == "2026-01-01T10:00:00Z"
    assert "alice" not in str(fact.data)
