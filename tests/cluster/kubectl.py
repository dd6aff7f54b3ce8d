"""The cluster's API by way of kubectl, as its administrator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.shell import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """Runs kubectl; every call raises ClusterError with kubectl's own words when it fails."""

    program: Path
    kubeconfig: Path

    def __call__(
        self, *words: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> str:
        config = f"--kubeconfig={self.kubeconfig}"
        return run(self.program, config, *words, stdin=stdin, check=check, timeout=timeout).stdout

    def get(self, *words: str) -> dict[str, Any]:
        """The object or list that `kubectl get` names."""
        found: dict[str, Any] = json.loads(self("get", "-o", "json", *words))
        return found

    def exists(self, *words: str) -> bool:
        return bool(self("get", "-o", "name", "--ignore-not-found", *words).strip())

    def apply(self, manifest: Mapping[str, Any]) -> None:
        self("apply", "-f", "-", stdin=json.dumps(manifest))

    def replace(self, manifest: Mapping[str, Any]) -> None:
        """Put exactly this in place. `apply` merges a Service's two ports of one number."""
        self("replace", "-f", "-", stdin=json.dumps(manifest))

    def delete(self, *words: str) -> None:
        """Delete and wait until it is gone; what is not there is fine."""
        self("delete", "--ignore-not-found", "--wait", "--timeout=60s", *words)

    def wait(self, condition: str, *words: str, timeout: float = 60) -> None:
        self("wait", f"--for={condition}", f"--timeout={timeout:g}s", *words, timeout=timeout + 5)
