"""What the tool may do: asked first, and written as roles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.collect import permissions
from kubectl_dnsdebug.collect.permissions import IN_POD, IN_TARGET
from kubectl_dnsdebug.model import Fact, State
from tests.fake_api import Answer, FakeApi, Seen, status

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"


@pytest.fixture
def session(api: FakeApi) -> Iterator[Session]:
    with open_session(api.access()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [("ephemeral", {*map(str, IN_TARGET), *map(str, IN_POD)}), ("sibling", set(map(str, IN_POD)))],
)
def test_each_is_asked_once_for_each_namespace(
    api: FakeApi, session: Session, mode: str, wanted: set[str]
) -> None:
    def review(seen: Seen) -> Answer:
        asked = seen.body["spec"]["resourceAttributes"]
        return Answer(status=201, body={"status": {"allowed": asked["verb"] != "delete"}})

    api.on(PATH, review, method="POST")
    facts = permissions.ask(session, ["a", "b"], mode)
    assert {fact.id for fact in facts} == {f"may/{ns}/{each}" for ns in "ab" for each in wanted}
    reviews = [seen for seen in api.seen if seen.path == PATH]
    assert (len(reviews), len(api.seen)) == (len(facts), len(facts) + 2)
    asked = [seen.body["spec"]["resourceAttributes"] for seen in reviews]
    subresources = {each.get("subresource", "") for each in asked}
    assert ("ephemeralcontainers" in subresources) == (mode == "ephemeral")
    assert permissions.lacking(facts, "a", IN_POD) == "not allowed to delete pods in a"
    assert permissions.lacking(facts, "a", IN_TARGET) == ""


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}], set()),
        (
            [
                {"verbs": ["create", "delete", "watch"], "apiGroups": [""], "resources": ["pods"]},
                {"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]},
            ],
            set(),
        ),
        ([{"verbs": ["get", "create"], "apiGroups": [""], "resources": ["pods", "*/log"]}], {1, 2}),
        ([{"verbs": ["*"], "apiGroups": ["apps"], "resources": ["*"]}], {0, 1, 2, 3}),
        (
            [
                {
                    "verbs": ["*"],
                    "apiGroups": [""],
                    "resources": ["pods", "pods/log"],
                    "resourceNames": ["web"],
                }
            ],
            {0, 1, 2, 3},
        ),
        ([], {0, 1, 2, 3}),
        ([{}], {0, 1, 2, 3}),
    ],
)
def test_what_some_rule_grants_needs_no_review(
    api: FakeApi, session: Session, rules: list[object], left: set[int]
) -> None:
    """And what none does may still be allowed: not every authorizer tells its rules."""
    told = {"status": {"resourceRules": rules, "incomplete": True}}
    api.on(RULES, Answer(status=201, body=told), method="POST")
    api.on(PATH, Answer(status=201, body={"status": {"allowed": False}}), method="POST")
    facts = permissions.ask(session, ["a"], "sibling")
    assert len(facts) == len(IN_POD)
    refused = {n for n, each in enumerate(IN_POD) if permissions.lacking(facts, "a", [each])}
    assert refused == left
    assert len(api.seen) == 1 + len(left)


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "Forbidden", "no reviews"),
        status(500, "InternalError"),
        Answer(drop=True),
    ],
)
def test_what_cannot_be_asked_is_tried(api: FakeApi, session: Session, answer: Answer) -> None:
    """A gap in knowing is no refusal: creating then shows it."""
    api.on(PATH, answer, method="POST")
    facts = permissions.ask(session, ["a"], "sibling")
    assert {fact.state for fact in facts} == {State.UNKNOWN}
    assert all(fact.reason for fact in facts)
    assert permissions.lacking(facts, "a", IN_POD) == ""


def test_an_answer_without_a_word_is_a_no(api: FakeApi, session: Session) -> None:
    api.on(PATH, Answer(status=201, body={}), method="POST")
    facts = permissions.ask(session, ["a"], "sibling")
    assert permissions.lacking(facts, "a", [permissions.LOG]) == "not allowed to get pods/log in a"


def test_another_namespace_does_not_count() -> None:
    fact = Fact(id="may/a/create pods", state=State.GOT, data={"allowed": False})
    assert permissions.lacking([fact], "b", IN_POD) == ""


def test_roles_grant_what_the_tool_does() -> None:
    granted = {
        f"{verb} {resource}"
        for role in permissions.roles()[:2]
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {*map(str, IN_TARGET), *map(str, IN_POD)} <= granted
    for role in permissions.roles():
        for rule in role["rules"]:
            assert "*" not in str(rule), "nothing is granted that is not named"
            assert "secrets" not in rule["resources"]
            if set(rule["verbs"]) & {"create", "delete", "patch"}:
                name = role["metadata"]["name"]
                known = {"pod", "companions", "nodes", "deep", "ask"}
                assert name.removeprefix("dnsdebug-") in known
