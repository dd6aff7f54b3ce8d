"""What `--dry-run` prints: the objects as YAML, and the permissions that they need."""

from __future__ import annotations

from kubectl_dnsdebug.collect import node_plan, sweep
from kubectl_dnsdebug.collect.node_plan import NodePlan
from kubectl_dnsdebug.collect.run import Draft
from kubectl_dnsdebug.model import Evidence, State


def text(draft: Draft) -> str:
    """The objects as YAML, with the permissions and whether they are there."""
    import yaml

    lines = ["# Nothing was made. A run would make these, and remove all but ephemeral containers:"]
    for spot, manifest in zip(draft.spots, draft.manifests, strict=True):
        what = (
            f"ephemeral container in pod/{spot.namespace}/{spot.host}"
            if spot.role.value == "target"
            else f"pod/{spot.namespace}/{spot.host}"
        )
        lines += ["---", f"# {spot.id}: {what}, {spot.plan.cost} DNS queries at most"]
        lines.append(yaml.safe_dump(manifest, sort_keys=False, width=100).rstrip())
    return "\n".join([*lines, "---", *_permissions(draft.evidence)]) + "\n"


def plan(draft: NodePlan) -> str:
    """What a run over nodes would cost, in words."""
    request, count = draft.evidence.request, len(draft.fit)
    at_once = min(count, node_plan.IN_FLIGHT)
    lines = [
        f"{count} nodes, {at_once} at a time, by pods in namespace {draft.home}:",
        f"  pods         {count * draft.pods}, each removed as soon as it has told; "
        f"{draft.pods} more on the node's own network for each node that is ill",
        f"  DNS queries  {count * draft.queries} at most",
        f"  requests     about {count * draft.pods * 2}, {sweep.RATE:.0f} a second at most",
        f"  time         about {draft.seconds:.0f} s, {request.timeout:.0f} s at most (--timeout)",
    ]
    if draft.unfit:
        lines.append(f"  not tried    {len(draft.unfit)}, each with its reason in the report")
    return "\n".join(lines)


def of_nodes(draft: NodePlan) -> str:
    """The plan, the pods of one node as YAML, and the permissions."""
    import yaml

    lines = ["# Nothing was made. A run would look at", *_commented(plan(draft))]
    for node in draft.fit[:1]:
        lines.append(f"# The pods of the first, {node}; those of the others are like them.")
        for place, role in enumerate(draft.plans):
            spot = draft.spot(role, node, 1)
            only = " only if the first ones find it ill," if place >= draft.pods else ""
            what = f"{spot.id}: pod/{spot.namespace}/{spot.host}"
            lines += ["---", f"# {what},{only} {spot.plan.cost} DNS queries at most"]
            text = yaml.safe_dump(draft.manifest(spot), sort_keys=False, width=100)
            lines.append(text.rstrip())
        for spot in draft.hosts([node]):
            where = "and on the others" if draft.named else "and on others that are ill"
            lines += ["---", f"# {spot.id}: pod/{spot.namespace}/{spot.host}, {where}"]
            text = yaml.safe_dump(draft.manifest(spot), sort_keys=False, width=100)
            lines.append(text.rstrip())
    lines += ["---", *(f"# not tried: node/{name}: {why}" for name, why in draft.unfit.items())]
    return "\n".join([*lines, *_permissions(draft.evidence)]) + "\n"


def _commented(text: str) -> list[str]:
    return [f"# {line}" for line in text.splitlines()]


def _permissions(evidence: Evidence) -> list[str]:
    lines = ["# Permissions:"]
    for fact in evidence.facts:
        if fact.id.startswith("may/"):
            _, namespace, what = fact.id.split("/", 2)
            allowed = "yes" if fact.data.get("allowed") else "NO"
            has = f"unknown: {fact.reason}" if fact.state is State.UNKNOWN else allowed
            lines.append(f"#   {what} in {namespace}: {has}")
    return lines
