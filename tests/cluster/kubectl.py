"""The cluster's API by way of kubectl, as its administrator."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

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

    def get(self, *words: str) -> dict[str, Any]:
        """The object or list that `kubectl get` names."""
        found: dict[str, Any] = json.loads(self("get", "-o", "json", *words))
        return found

    def pods(self, namespace: str, name: str = "", *, labels: str = "") -> dict[str, Any]:
        """One pod, or the list of those with these labels.

        Asked of the API server itself: whoever waits looks many times a second, and a process for
        each look would keep the machine from what is waited for.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{name}".rstrip("/")
        config = json.loads(self.kubeconfig.read_text())
        server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cafile=server["certificate-authority"])
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        where = urlsplit(server["server"])
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        connection = HTTPSConnection(str(where.hostname), where.port, context=context, timeout=30)
        try:
            connection.request("GET", path + query)
            reply = connection.getresponse()
            found: dict[str, Any] = json.loads(reply.read())
        except (OSError, HTTPException, ValueError) as wrong:
            raise ClusterError(f"GET {path}: {wrong}") from None
        finally:
            connection.close()
        if reply.status != 200:
            raise ClusterError(f"GET {path}: {found.get('message', reply.status)}")
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
