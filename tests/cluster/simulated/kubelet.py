"""The logs of simulated pods: a server that the API server takes for their nodes' kubelets.

python -m tests.cluster.simulated.kubelet KUBECONFIG CERTIFICATE KEY ANSWERS
"""

from __future__ import annotations

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kubectl_dnsdebug.api import kubeconfig
from kubectl_dnsdebug.api.cluster import Session, open_session
from kubectl_dnsdebug.plan.manifests import ROLE
from tests.cluster.simulated.answers import Answers, load
from tests.cluster.simulated.nodes import KUBELET_PORT, Kind


class Server(ThreadingHTTPServer):
    """Answers GET /containerLogs/NAMESPACE/POD/CONTAINER from what pods of its kind said."""

    daemon_threads = True

    def __init__(self, session: Session, answers: Answers) -> None:
        super().__init__(("", KUBELET_PORT), Handler)
        self.session = session
        self.answers = answers

    def log_of(self, namespace: str, pod: str) -> str | None:
        found = self.session.get(f"/api/v1/namespaces/{namespace}/pods/{pod}").body
        try:
            kind = Kind(found["spec"]["nodeName"].split("-")[1])
            return self.answers[kind][found["metadata"]["labels"][ROLE]].log
        except (KeyError, ValueError):
            return None


class Handler(BaseHTTPRequestHandler):
    """One request of the API server."""

    server: Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0].split("/"):
            case ["", "containerLogs", namespace, pod, _]:
                log = self.server.log_of(namespace, pod)
            case _:
                log = None
        body = (log or "not found\n").encode()
        self.send_response(404 if log is None else 200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(config: str, certificate: str, key: str, answers: str) -> None:
    session = open_session(kubeconfig.load(kubeconfig.Flags(kubeconfig=config), {}))
    server = Server(session, load(Path(answers)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
