"""What `--dry-run` prints: the objects as YAML, and the permissions that they need."""

from __future__ import annotations

from kubectl_dnsdebug.collect.run import Draft
from kubectl_dnsdebug.model import State


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
    lines += ["---", "# Permissions:"]
    for fact in draft.evidence.facts:
        if fact.id.startswith("may/"):
            _, namespace, what = fact.id.split("/", 2)
            allowed = "yes" if fact.data.get("allowed") else "NO"
            has = f"unknown: {fact.reason}" if fact.state is State.UNKNOWN else allowed
            lines.append(f"#   {what} in {namespace}: {has}")
    return "\n".join(lines) + "\n"
