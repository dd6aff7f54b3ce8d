"""What ill nodes share, on more nodes than a float can count the choices of."""

from __future__ import annotations

from kubectl_dnsdebug.model import Role
from kubectl_dnsdebug.observe import sweep, traits
from kubectl_dnsdebug.observe.observed import Observed
from kubectl_dnsdebug.observe.sweep import Health
from tests.sweeps import OnNode, control, default, evidence

ILL = {Role.CONTROL: control("t", outside="t"), Role.DEFAULT: default("t")}


def test_half_of_very_many_nodes_are_ill_and_share_a_pool() -> None:
    blue, green = {"pool": "blue"}, {"pool": "green"}
    seen = Observed(
        evidence(
            (
                *(OnNode(name=f"a{n}", told=ILL, labels=blue) for n in range(600)),
                *(OnNode(name=f"b{n}", labels=green) for n in range(600)),
            ),
            logs=(),
        )
    )
    nodes = sweep.swept(seen)
    ill = [node for node in nodes if node.health is Health.ILL]
    fine = [node for node in nodes if node.health is Health.FINE]
    assert (len(ill), len(fine)) == (600, 600)
    assert "pool=blue" in [trait.value for trait in traits.shared(seen, ill, fine)]
