"""Other kinds of policies: asked for where the API has them, kept in part, a gap where refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import plugin_policies
from kubectl_dnsdebug.model import Evidence, Fact, Missing, Request, State, Transport
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.plugin_policies import GROUPS, for_egress
from tests import reports
from tests.fake_api import Answer, FakeApi, status

CILIUM = "/apis/cilium.io/v2"
DENY: dict[str, Any] = {"endpointSelector": {}, "egress": [{}]}
GLOBAL, LOCAL = "ciliumclusterwidenetworkpolicies", "ciliumnetworkpolicies"


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


def groups(api: FakeApi, **served: list[str]) -> None:
    listed = [
        {"name": name.replace("_", "."), "versions": [{"version": v} for v in versions]}
        for name, versions in served.items()
    ]
    api.on("/apis", Answer(body={"groups": [{"name": "apps", "versions": []}, *listed]}))


def test_one_question_where_there_are_none(api: FakeApi, session: Session) -> None:
    groups(api)
    (fact,) = plugin_policies.look(session, {"shop", "kube-system"})
    assert (fact.id, fact.state, fact.data) == (GROUPS, State.GOT, {})
    assert len(api.seen) == 1


def test_each_kind_is_listed_once_and_kept_in_part(api: FakeApi, session: Session) -> None:
    groups(api, cilium_io=["v2", "v2alpha1"])
    port = {"ports": [{"port": "53"}], "rules": {"http": [{"headers": ["Token: hunter2"]}]}}
    rule = {"toEntities": ["world"], "toPorts": [port]}
    policy: dict[str, Any] = {
        "metadata": {"name": "p", "namespace": "shop", "annotations": {"note": "hunter2"}},
        "spec": {"endpointSelector": {}, "egress": [rule]},
    }
    api.on(f"{CILIUM}/namespaces/shop/{LOCAL}", Answer(body={"items": [policy]}))
    api.on(f"{CILIUM}/namespaces/kube-system/{LOCAL}", Answer(body={"items": []}))
    api.on(f"{CILIUM}/{GLOBAL}", status(403, "Forbidden"))
    facts = {fact.id: fact for fact in plugin_policies.look(session, {"shop", "kube-system"})}
    assert len(api.seen) == len(facts) == 4
    (kept,) = facts[f"policies/{LOCAL}.cilium.io/shop"].data["items"]
    assert kept["spec"]["egress"][0]["toEntities"] == ["world"]
    assert "hunter2" not in str(facts)
    unread = facts[f"policies/{GLOBAL}.cilium.io/*"]
    assert unread.reason == f"not allowed to list {GLOBAL}.cilium.io"


def test_what_calico_stores_is_read_rather_than_its_front(api: FakeApi, session: Session) -> None:
    groups(api, crd_projectcalico_org=["v1"], projectcalico_org=["v3"])
    asked = {fact.id for fact in plugin_policies.look(session, {"shop"})}
    assert asked == {
        GROUPS,
        "policies/networkpolicies.crd.projectcalico.org/shop",
        "policies/globalnetworkpolicies.crd.projectcalico.org/*",
    }


def seen(**lists: Fact) -> Observed:
    facts = (
        *reports.cluster("web"),
        Fact(id="networkpolicies/shop", state=State.GOT, data={"items": []}),
        Fact(id=GROUPS, state=State.GOT, data={"cilium.io": ["v2"]}),
        *lists.values(),
    )
    request = Request(targets=("pod/shop/web",))
    return Observed(Evidence(tool="t", collected_at="", context="c", request=request, facts=facts))


def listed(id: str, *specs: Any) -> Fact:
    items = [{"metadata": {"name": f"p{n}"}, "spec": spec} for n, spec in enumerate(specs)]
    return Fact(id=id, state=State.GOT, data={"items": items})


LOCAL_ID, GLOBAL_ID = f"policies/{LOCAL}.cilium.io/shop", f"policies/{GLOBAL}.cilium.io/*"


def test_policies_speak_only_when_all_of_them_were_read() -> None:
    """What is unread may allow."""
    everything = seen(a=listed(LOCAL_ID, DENY), b=listed(GLOBAL_ID))
    client = everything.targets[0]
    word = for_egress(everything, client, everything.dns_endpoints, Transport.UDP)
    assert word
    assert (word.policies, word.facts) == ("CiliumNetworkPolicy p0", (LOCAL_ID,))
    for partly in (
        seen(a=listed(LOCAL_ID, DENY)),
        seen(
            a=listed(LOCAL_ID, DENY), b=Fact(id=GLOBAL_ID, state=State.UNKNOWN, reason="forbidden")
        ),
        seen(
            a=listed(LOCAL_ID, DENY),
            b=Fact(id=GLOBAL_ID, state=State.GOT, data={"items": [], "unread": True}),
        ),
    ):
        with pytest.raises(Missing):
            for_egress(partly, client, partly.dns_endpoints, Transport.UDP)
    gone = seen(a=listed(LOCAL_ID, DENY), b=Fact(id=GLOBAL_ID, state=State.ABSENT))
    assert for_egress(gone, client, gone.dns_endpoints, Transport.UDP)
