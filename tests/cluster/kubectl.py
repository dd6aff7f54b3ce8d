"""The cluster's API by way of kubectl, as its administrator."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.shell import ClusterError, run


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

    def exec(self, namespace: str, pod: str, *words: str) -> str:
        """What a program printed in the pod's first container, whatever its exit code.

        Raises ClusterError when it could not be run: silence must not pass for an answer.
        """
        argv = (f"--kubeconfig={self.kubeconfig}", "exec", "-n", namespace, pod, "--", *words)
        deadline = time.monotonic() + 15
        while True:
            done = run(self.program, *argv, check=False)
            if not done.returncode or "command terminated with exit code" in done.stderr:
                return done.stdout
            # A kubelet that was restarted needs a moment until it knows its containers again.
            if time.monotonic() > deadline:
                raise ClusterError(f"kubectl exec {pod}: {done.stderr.strip()}")
            time.sleep(0.2)

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
