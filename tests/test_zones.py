"""Names for which the Corefile has no place, and Corefiles that only look so."""

from __future__ import annotations

import pytest

from kubectl_dnsdebug.model import Confidence
from kubectl_dnsdebug.parse import corefile
from tests.dns_cases import answered, case, found, with_corefile

CLUSTER = " kubernetes cluster.local in-addr.arpa\n"
FORWARD = " forward . 192.0.2.53\n"
UNANSWERED = r"ext\.|ext6\."


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f".:53 {{\n{CLUSTER}{FORWARD}}}", ""),
        (f".:53 {{\n{CLUSTER}}}", "no forward"),
        (f".:53 {{\n{CLUSTER} hosts {{\n fallthrough\n}}\n}}", "no forward"),
        (f".:53 {{\n{CLUSTER} hosts {{\n}}\n}}", ""),
        (f".:53 {{\n{CLUSTER} forward corp.example 192.0.2.53\n}}", "only a forward"),
        (
            f".:53 {{\n{CLUSTER} forward . 192.0.2.53 {{\n except test\n}}\n}}",
            "only a forward",
        ),
        (f".:53 {{\n{CLUSTER} forward . 192.0.2.53 {{\n except corp.test\n}}\n}}", ""),
        # Plugins of another build may know the name, as may those that this list forgot.
        (f".:53 {{\n{CLUSTER} unbound\n}}", ""),
        (f".:53 {{\n{CLUSTER} proxy . 192.0.2.53\n}}", ""),
        # The first block is not the one that serves the cluster.
        (f"metrics.test:1053 {{\n whoami\n}}\n.:53 {{\n{CLUSTER}{FORWARD}}}", ""),
    ],
)
def test_names_outside(text: str, says: str) -> None:
    evidence = answered(with_corefile(case("healthy/healthy"), text), UNANSWERED, "SERVFAIL")
    said = found("corefile-zone-missing", evidence)
    assert len(said) == bool(says)
    assert all(says in finding.message for finding in said)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f".:53 {{\n kubernetes in-addr.arpa\n{FORWARD}}}", "no kubernetes plugin for cluster"),
        (
            f".:53 {{\n{CLUSTER}{FORWARD}}}\nsvc.cluster.local:53 {{\n{FORWARD}}}",
            "in the block of line 5, which takes these names from the block that has it",
        ),
        (f".:53 {{\n{CLUSTER}{FORWARD}}}", ""),
    ],
)
def test_names_of_the_cluster(text: str, says: str) -> None:
    healthy = with_corefile(case("healthy/healthy"), text)
    evidence = answered(healthy, r"reach\.|reach6\.|svc\.", "NXDOMAIN")
    said = found("corefile-zone-missing", evidence)
    assert len(said) == bool(says)
    assert all(says in finding.message for finding in said)


def test_a_zone_that_the_environment_tells_leaves_a_doubt() -> None:
    text = f"cluster.local:53 {{\n{CLUSTER}}}\n{{$ZONE}}:53 {{\n{FORWARD}}}"
    evidence = answered(with_corefile(case("healthy/healthy"), text), UNANSWERED, "REFUSED")
    (finding,) = found("corefile-zone-missing", evidence)
    assert finding.confidence is Confidence.LIKELY


def test_a_snippet_with_a_hyphen_in_its_name_is_kept() -> None:
    text = "(common-part) {\n    errors\n}\n. {\n    import common-part\n}\n"
    kept = corefile.parse(corefile.allow_listed(text))
    assert kept == corefile.parse(text)
    assert [plugin.name for plugin in kept.blocks[0].plugins] == ["errors"]
