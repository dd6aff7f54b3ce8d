"""The cluster's certificates: one authority, the API server's certificate, one per client."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from tests.cluster.layout import CONTROL_PLANE, NODES, Layout
from tests.cluster.shell import batch

NAME = "dnsdebug-test"
CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "kubelet-client": "/O=system:masters/CN=apiserver-kubelet-client",
    "controllers": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
} | {f"node-{node}": f"/O=system:nodes/CN=system:node:{node}" for node in NODES}


def create(layout: Layout, first_service_ip: str) -> None:
    """Write all keys and certificates to `pki/`. Elliptic curves: RSA keys would cost seconds."""
    folder = layout.state / "pki"
    folder.mkdir(parents=True)
    new = "openssl req -x509 -days 365 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    signed = f"{new} -CA ca.crt -CAkey ca.key -addext basicConstraints=critical,CA:FALSE"
    names = [
        *(f"DNS:{name}" for name in ("localhost", "kubernetes", "kubernetes.default.svc")),
        *(f"IP:{address}" for address in ("127.0.0.1", first_service_ip)),
        f"IP:{layout.node_address(CONTROL_PLANE)}",
    ]
    lines = [
        f"cd {shlex.quote(str(folder))}",
        f"{new} -subj /CN={NAME}-ca -keyout ca.key -out ca.crt",
        "openssl ecparam -genkey -name prime256v1 -noout -out service-accounts.key",
        f"{signed} -subj /CN=kube-apiserver -addext subjectAltName={','.join(names)}"
        " -keyout apiserver.key -out apiserver.crt",
    ]
    lines += [
        f"{signed} -subj {subject} -keyout {client}.key -out {client}.crt"
        for client, subject in CLIENTS.items()
    ]
    batch(*lines)


def write_kubeconfig(layout: Layout, client: str, path: Path) -> None:
    folder = layout.state / "pki"
    path.parent.mkdir(parents=True, exist_ok=True)
    user = {
        "client-certificate": str(folder / f"{client}.crt"),
        "client-key": str(folder / f"{client}.key"),
    }
    server = {"server": layout.api_server, "certificate-authority": str(folder / "ca.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "clusters": [{"name": NAME, "cluster": server}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": client}}],
    }
    path.write_text(json.dumps(config, indent=1))
    path.chmod(0o600)
