"""Where to stand, and the whole objects that put us there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kubectl_dnsdebug.model import Role, node
from kubectl_dnsdebug.observe.objects import Pod
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.plan import manifests, node_spots, spots, witnesses
from kubectl_dnsdebug.plan.manifests import Manifest
from kubectl_dnsdebug.plan.spots import Spot
from tests import reports
from tests.places import RUN, all_spots, target


def build(spot: Spot, policies: tuple[Any, ...] = (), **more: Any) -> Manifest:
    given = {
        "run": RUN,
        "runner": "RUNNER",
        "image": "registry.example.com/dnsutils:1",
        "namespace": {},
        "policies": policies,
        "deadline": 90,
        "made_by": "kubectl-dnsdebug 1",
    }
    return spots.manifest(spot, **{**given, **more})


def argv(spot: Spot) -> list[str]:
    items = [probe.item for probe in spot.plan.probes]
    return ["sh", "-c", "RUNNER", "kubectl-dnsdebug", "15/32", "10.96.0.10", *items]


CONTEXT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def probe_pod(spot: Spot, dns: Manifest, **metadata: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spot.host,
            "namespace": "shop",
            "labels": {
                **metadata.pop("labels", {}),
                "app.kubernetes.io/managed-by": "kubectl-dnsdebug",
                "dnsdebug.dev/run": RUN,
                "dnsdebug.dev/role": spot.role.value,
            },
            "annotations": {"dnsdebug.dev/made-by": "kubectl-dnsdebug 1"},
            **metadata,
        },
        "spec": {
            "nodeName": "w1",
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 90,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            **dns,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "dnsdebug",
                    "image": "registry.example.com/dnsutils:1",
                    "imagePullPolicy": "IfNotPresent",
                    "command": argv(spot),
                    "securityContext": CONTEXT,
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "1", "memory": "128Mi"},
                    },
                }
            ],
        },
    }


# The whole objects


def test_an_ephemeral_container() -> None:
    spot = all_spots()[Role.TARGET]
    assert build(spot) == {
        "name": f"dnsdebug-{RUN}",
        "image": "registry.example.com/dnsutils:1",
        "imagePullPolicy": "IfNotPresent",
        "command": argv(spot),
        "securityContext": CONTEXT,
        "terminationMessagePolicy": "File",
        "targetContainerName": "main",
    }


@pytest.mark.parametrize(
    ("role", "policy"), [(Role.CONTROL, "ClusterFirst"), (Role.DEFAULT, "Default")]
)
def test_companions(role: Role, policy: str) -> None:
    """Without any label or setting of the target: that is what makes them a control."""
    pod = target(
        metadata={"labels": {"app": "web"}},
        spec={"hostNetwork": True, "dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}},
    )
    spot = all_spots(pod)[role]
    assert build(spot) == probe_pod(spot, {"dnsPolicy": policy})


def test_a_sibling_resolves_as_the_target_does() -> None:
    config = {"nameservers": ["10.0.0.1"], "options": [{"name": "ndots", "value": "2"}]}
    pod = target(
        spec={
            "dnsPolicy": "None",
            "dnsConfig": config,
            "hostNetwork": True,
            "hostAliases": [{"ip": "10.0.0.2", "hostnames": ["db"]}],
            "imagePullSecrets": [{"name": "regcred"}],
        }
    )
    spot = all_spots(pod, mode="sibling")[Role.SIBLING]
    made = build(spot, pull_secrets=("mine",))
    expected = probe_pod(
        spot,
        {"dnsPolicy": "None", "dnsConfig": config},
        ownerReferences=[
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": "web-1",
                "uid": "uid-of-web-1",
                "controller": True,
            }
        ],
    )
    expected["spec"] |= {
        "hostNetwork": True,
        "hostAliases": [{"ip": "10.0.0.2", "hostnames": ["db"]}],
        "imagePullSecrets": [{"name": "regcred"}, {"name": "mine"}],
        "readinessGates": [{"conditionType": "dnsdebug.dev/never-ready"}],
    }
    assert made == expected


def test_pull_secrets_of_companions_are_the_user_s_alone() -> None:
    spot = all_spots(target(spec={"imagePullSecrets": [{"name": "regcred"}]}))[Role.CONTROL]
    made = build(spot, pull_secrets=("mine",))
    assert made["spec"]["imagePullSecrets"] == [{"name": "mine"}]
    assert "imagePullSecrets" not in build(spot)["spec"]


# Pod Security


@pytest.mark.parametrize("role", [Role.TARGET, Role.CONTROL, Role.DEFAULT])
def test_the_restricted_level_is_met(role: Role) -> None:
    """Each control of the level, written out as the standard has it."""
    made = build(all_spots()[role])
    containers = made["spec"]["containers"] if "spec" in made else [made]
    spec = made.get("spec", {})
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes", "hostAliases"} & set(spec)
    for container in containers:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["privileged"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["seccompProfile"]["type"] == "RuntimeDefault"
        assert not {"ports", "volumeMounts", "env", "envFrom"} & set(container)
        assert "hostPort" not in str(container)


RANGE = {"metadata": {"annotations": {"openshift.io/sa.scc.uid-range": "1000650000/10000"}}}


@pytest.mark.parametrize(
    ("pod", "namespace", "uid"),
    [
        (target(), {}, 65532),
        (target(), RANGE, 1000650000),
        (target(spec={"securityContext": {"runAsUser": 1001}}), {}, 1001),
        (target(spec={"securityContext": {"runAsUser": 1001}}), RANGE, 1001),
        (target(spec={"securityContext": {"runAsUser": 0}}), {}, 65532),
        (
            target(
                spec={
                    "securityContext": {"runAsUser": 1001},
                    "containers": [{"name": "main", "securityContext": {"runAsUser": 1002}}],
                }
            ),
            {},
            1002,
        ),
        (target(), {"metadata": {"annotations": {"openshift.io/sa.scc.uid-range": "x"}}}, 65532),
        (target(spec={"containers": []}), {}, 65532),
    ],
)
def test_the_user_to_run_as(pod: Pod, namespace: Any, uid: int) -> None:
    assert manifests.uid_for(pod, namespace) == uid
    for spot in all_spots(pod).values():
        made = build(spot, namespace=namespace)
        assert f"'runAsUser': {uid}" in str(made)


# Labels


def policy(**selector: Any) -> dict[str, Any]:
    return {"spec": {"podSelector": selector}}


LABELS = {"app": "web", "tier": "front", "team": "x", "pod-template-hash": "abc"}


@pytest.mark.parametrize(
    ("policies", "borne"),
    [
        ((), {}),
        ((policy(),), {}),
        ((policy(matchLabels={"tier": "front"}),), {"tier": "front"}),
        ((policy(matchLabels={"tier": "back"}),), {"tier": "front"}),
        ((policy(matchLabels={"absent": "x"}),), {}),
        (
            (
                policy(matchExpressions=[{"key": "team", "operator": "Exists"}]),
                policy(matchLabels={"tier": "front"}),
            ),
            {"team": "x", "tier": "front"},
        ),
    ],
)
def test_a_sibling_bears_what_policies_select_by_and_no_more(
    policies: tuple[Any, ...], borne: dict[str, str]
) -> None:
    """Not what Services and controllers select by: no traffic comes, no pod dies in its place."""
    spot = all_spots(target(metadata={"labels": LABELS}), mode="sibling")[Role.SIBLING]
    labels = build(spot, policies)["metadata"]["labels"]
    ours = {key for key in labels if "dnsdebug" in key or "managed-by" in key}
    assert {key: value for key, value in labels.items() if key not in ours} == borne
    assert len(ours) == 3


def test_a_companion_bears_no_label_of_the_target() -> None:
    spots_ = all_spots(target(metadata={"labels": LABELS}))
    for role in (Role.CONTROL, Role.DEFAULT):
        labels = build(spots_[role], (policy(matchLabels=LABELS),))["metadata"]["labels"]
        assert not set(labels) & set(LABELS)


def test_a_label_of_the_target_never_hides_ours() -> None:
    """Clean-up finds by them."""
    stolen = {"dnsdebug.dev/run": "x", "app.kubernetes.io/managed-by": "helm"}
    spot = all_spots(target(metadata={"labels": stolen}), mode="sibling")[Role.SIBLING]
    labels = build(spot, (policy(matchLabels=stolen),))["metadata"]["labels"]
    assert labels["dnsdebug.dev/run"] == RUN
    assert labels["app.kubernetes.io/managed-by"] == "kubectl-dnsdebug"


# Which container to share processes with


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({}, "main"),
        ({"spec": {"shareProcessNamespace": True}}, ""),
        ({"spec": {"containers": []}}, ""),
        (
            {
                "status": {
                    "containerStatuses": [{"name": "main", "ready": True, "state": {"waiting": {}}}]
                }
            },
            "",
        ),
        ({"status": {"containerStatuses": [{"name": "main", "state": {"running": {}}}]}}, ""),
        (
            {
                "status": {
                    "containerStatuses": [
                        {"name": "main", "ready": True, "state": {"running": {}}, "restartCount": 1}
                    ]
                }
            },
            "",
        ),
    ],
)
def test_processes_are_shared_with_a_steady_container_only(
    changes: dict[str, Any], shared: str
) -> None:
    made = build(all_spots(target(**changes))[Role.TARGET])
    assert made.get("targetContainerName", "") == shared


# Where to stand


def places(*pods: Pod, mode: str = "ephemeral") -> list[Spot]:
    seen = Observed(reports.evidence(targets=[pod.name for pod in pods]))
    return list(spots.spots(seen, pods, RUN, mode))


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (target(), ""),
        (
            target(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
            "it is a static pod, which takes no ephemeral container",
        ),
        (target(status={"phase": "Succeeded"}), "it has ended (Succeeded)"),
        (target(status={"phase": "Failed"}), "it has ended (Failed)"),
        (target(metadata={"deletionTimestamp": "now"}), "it is being deleted"),
        (target(status={"phase": "Pending", "containerStatuses": []}), "it is Pending"),
        (
            target(
                status={
                    "phase": "Pending",
                    "containerStatuses": [
                        {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
                    ],
                }
            ),
            "it is Pending (ImagePullBackOff)",
        ),
    ],
)
def test_a_pod_that_takes_no_ephemeral_container_gets_a_sibling(pod: Pod, reason: str) -> None:
    first = places(pod)[0]
    assert first.role is (Role.SIBLING if reason else Role.TARGET)
    assert first.reason == reason
    assert first.stands_for == pod.subject
    assert first.id == f"{first.role.value}:shop/web-1"


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (target(spec={"os": {"name": "windows"}}), "it is a Windows pod"),
        (target(spec={"nodeName": ""}), "it is Pending, on no node yet"),
        (
            target(
                spec={"nodeName": ""},
                status={
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes fit"}
                    ]
                },
            ),
            "it is Pending, on no node yet: 0/3 nodes fit",
        ),
    ],
)
def test_where_nothing_can_run(pod: Pod, why: str) -> None:
    assert why in spots.unfit(Observed(reports.evidence()), pod)
    assert places(pod) == []


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, "does not report any more"),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, ""),
        (
            {
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {"operatingSystem": "windows"},
            },
            "it is a Windows pod",
        ),
    ],
)
def test_a_node_on_which_nothing_can_start(status: dict[str, Any], why: str) -> None:
    """Known at once, before anything is made; a node that is merely not ready may still do."""
    node_fact = reports.got("node/w1", {"metadata": {"name": "w1"}, "status": status})
    seen = Observed(reports.evidence(facts=(node_fact,)))
    found = spots.unfit(seen, target())
    assert bool(found) == bool(why)
    assert why in found


def test_two_companions_for_each_node_and_namespace() -> None:
    """However many targets there are, and all names differ."""
    pods = [target(f"web-{n}", spec={"nodeName": f"w{n % 2}"}) for n in range(4)]
    found = places(*pods)
    assert [spot.role for spot in found] == [Role.TARGET] * 4 + [Role.CONTROL, Role.DEFAULT] * 2
    companions = [spot for spot in found if spot.is_companion]
    assert {spot.stands_for for spot in companions} == {node("w0"), node("w1")}
    assert len({spot.id for spot in found}) == len(found)
    assert len({(spot.host, spot.container) for spot in found}) == len(found)


def test_siblings_of_several_targets_have_names_of_their_own() -> None:
    found = places(*(target(f"web-{n}") for n in range(3)), mode="sibling")
    siblings = [spot for spot in found if spot.role is Role.SIBLING]
    assert len({spot.host for spot in siblings}) == 3
    assert {spot.reason for spot in siblings} == {"asked for by --mode"}
    for spot in found:
        assert len(spot.host) <= 63


def test_witnesses_stand_where_a_silent_dns_pod_is() -> None:
    """On its node, once, and nowhere that a control has been already."""
    here = reports.in_pod().battery({reports.COREDNS_A: reports.DEAD, reports.COREDNS_B: "dead"})
    seen = Observed(reports.evidence(here, *reports.surroundings()))
    (found,) = witnesses.witnesses(seen, [target()], RUN)
    assert (found.role, found.node, found.host) == (Role.CONTROL, "cp", f"dnsdebug-{RUN}-witness")
    healthy = Observed(reports.evidence(reports.in_pod().battery()))
    assert witnesses.witnesses(healthy, [target()], RUN) == ()


def test_a_silence_of_the_target_alone_needs_no_witness() -> None:
    """A plain pod beside it reaches the DNS pods: the cause lies in the target."""
    dead = {reports.COREDNS_A: reports.DEAD, reports.COREDNS_B: reports.DEAD}
    beside = reports.Place(Role.CONTROL).file(reports.CONF).battery()
    seen = Observed(reports.evidence(reports.in_pod().battery(dead), beside))
    assert witnesses.witnesses(seen, [target()], RUN) == ()


@pytest.mark.parametrize(
    ("labels", "asked"),
    [({}, True), ({"privileged": ""}, True), ({"enforce": "privileged"}, True)]
    + [({"enforce": level}, False) for level in ("baseline", "restricted")],
)
def test_a_service_that_alone_loses_questions_is_asked_from_the_nodes_own_network(
    labels: dict[str, str], asked: bool
) -> None:
    """Which tells the translation from how replies get to pods; where Pod Security admits it."""
    beside = reports.Place(Role.CONTROL).file(reports.CONF).battery({reports.SERVICE: reports.DEAD})
    named = {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}
    namespace = reports.got("namespace/shop", {"metadata": {"labels": named}})
    facts = (*reports.cluster("web-1"), namespace)
    seen = Observed(reports.evidence(reports.in_pod().battery(), beside, facts=facts))
    found = witnesses.witnesses(seen, [target()], RUN)
    assert [(spot.role, spot.node) for spot in found] == [(Role.HOSTNET, "w1")] * asked
    deep = replace(seen.evidence, request=replace(seen.evidence.request, deep="kube-system"))
    assert witnesses.witnesses(Observed(deep), [target()], RUN) == ()


@pytest.mark.parametrize(
    ("limits", "at_once"),
    [
        ({}, 32),
        ({"cpu": "2"}, 32),
        ({"memory": "1Gi"}, 8),
        ({"memory": "64Mi"}, 3),
        ({"memory": "1Gi", "cpu": "100m"}, 3),
    ],
)
def test_a_pod_with_little_to_give_is_asked_little(limits: dict[str, str], at_once: int) -> None:
    """A container in the pod shares its limits: probes must not take the application's memory."""
    pod = target(spec={"containers": [{"name": "app", "resources": {"limits": limits}}]})
    found = {role: spot.plan for role, spot in all_spots(pod).items()}
    assert found[Role.TARGET].at_once == at_once
    assert found[Role.CONTROL].at_once == 32
    frugal = at_once == 3
    plenty = {role: spot.plan for role, spot in all_spots().items()}
    assert (found[Role.TARGET].cost < plenty[Role.TARGET].cost) == frugal


def test_privileged_pods_of_a_sweep_look_where_it_tells_most() -> None:
    nodes, ill = ("a", "b", "c", "d"), ("c",)
    assert node_spots.worth_a_look(nodes, ill, named=False) == ("c", "a")
    assert node_spots.worth_a_look(nodes, ill, named=True) == ("c", "a", "b", "d")
    assert node_spots.worth_a_look(nodes, nodes, named=False) == nodes
