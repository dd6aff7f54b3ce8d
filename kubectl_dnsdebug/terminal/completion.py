"""Shell completion: what could be typed next, with names from the cluster, quickly or not at all.

kubectl asks a program named `kubectl_complete-dnsdebug` (this one, under that name); bash, zsh and
fish ask for `kubectl-dnsdebug` itself in click's way. A prompt waits for the answer: nothing heavy
is loaded, one small request is made, and every failure is silence.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, ShellComplete

if TYPE_CHECKING:
    from http.client import HTTPConnection

    from kubectl_dnsdebug.api.credentials import Credentials
    from kubectl_dnsdebug.api.kubeconfig import Access, Flags

PATIENCE = 2.0  # seconds; a credential plugin may need one
_NO_FILES = ":4"  # the last line to kubectl: do not offer file names as well
_FILES = ":0"

_APPS = "/apis/apps/v1"
# The kinds a target may have, by the shortest name, and where the API keeps them.
_KINDS = {
    "pod": ("/api/v1", "pods"),
    "deploy": (_APPS, "deployments"),
    "sts": (_APPS, "statefulsets"),
    "ds": (_APPS, "daemonsets"),
    "rs": (_APPS, "replicasets"),
    "job": ("/apis/batch/v1", "jobs"),
    "svc": ("/api/v1", "services"),
    "node": ("/api/v1", "nodes"),
}
_LONG = {plural.removesuffix("s"): short for short, (_, plural) in _KINDS.items()}
_LONG |= {"no": "node", "nodes": "node"}
# Of every object only the columns that `kubectl get` would print, the name first.
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def answer_kubectl(root: click.Command, words: Sequence[str]) -> None:
    """Print what may follow the words, the last of which is begun or empty, as kubectl asks."""
    *before, begun = words or [""]
    items = ShellComplete(root, {}, "", "").get_completions(before, begun)
    plain = [item for item in items if item.type == "plain"]
    lines = [f"{item.value}\t{item.help}" if item.help else item.value for item in plain]
    lines.append(_NO_FILES if plain or not items else _FILES)
    click.echo("\n".join(lines))


def target(context: click.Context, begun: str) -> list[CompletionItem]:
    """Pods by their name, anything else as kind/name."""
    kind, slash, name = begun.partition("/")
    if not slash:
        return _items(context, "pod", begun)
    short = _LONG.get(kind, kind)
    return _items(context, short, name, before=f"{kind}/") if short in _KINDS else []


def namespace(context: click.Context, begun: str) -> list[CompletionItem]:
    """Namespaces of the cluster."""
    return _offer(lambda: _names(_access(context), "/api/v1/namespaces"), begun)


def kube_context(context: click.Context, begun: str) -> list[CompletionItem]:
    """Contexts of the kubeconfig; nobody is asked."""

    def names() -> list[str]:
        from kubectl_dnsdebug.api import kubeconfig

        return kubeconfig.contexts(_flags(context), os.environ)

    return _offer(names, begun)


def slug(_: click.Context, begun: str) -> list[CompletionItem]:
    """Rules by their slug."""
    from kubectl_dnsdebug.terminal import catalogue

    return [CompletionItem(slug) for slug in catalogue.texts() if slug and slug.startswith(begun)]


def _items(context: click.Context, kind: str, begun: str, before: str = "") -> list[CompletionItem]:
    def names() -> list[str]:
        access = _access(context)
        group, plural = _KINDS[kind]
        place = "" if kind == "node" else f"/namespaces/{access.namespace}"
        return _names(access, f"{group}{place}/{plural}")

    return _offer(names, begun, before)


def _offer(names: Callable[[], list[str]], begun: str, before: str = "") -> list[CompletionItem]:
    """What begins so, in order; nothing when the names cannot be had in time."""
    found: list[str] = []

    def get() -> None:
        # Nobody reads an error at a prompt, and a traceback would garble it.
        with suppress(Exception):
            found.extend(names())

    worker = threading.Thread(target=get, daemon=True)
    worker.start()
    worker.join(PATIENCE)
    return [CompletionItem(before + name) for name in sorted(found) if name.startswith(begun)]


def _flags(context: click.Context) -> Flags:
    from kubectl_dnsdebug.api.kubeconfig import Flags

    fields = Flags.__dataclass_fields__
    given = {name: value for name, value in context.params.items() if name in fields and value}
    return Flags(**given)


def _access(context: click.Context) -> Access:
    from kubectl_dnsdebug.api import kubeconfig

    return kubeconfig.load(_flags(context), os.environ)


def _names(access: Access, path: str) -> list[str]:
    """The names in a collection of the API, by one request over a connection of our own.

    The session of live commands stands on the Kubernetes client, which takes longer to load than
    the prompt should wait.
    """
    import json
    from urllib.parse import urlsplit

    from kubectl_dnsdebug.api.credentials import log_in
    from kubectl_dnsdebug.hygiene import clean

    # A credential plugin must not ask for a password in the middle of a command line.
    sys.stdin = io.StringIO()
    credentials = log_in(access)
    asked = f"{urlsplit(access.server).path}{path}?includeObject=None&limit=500"
    with closing(_connection(access, credentials)) as connection:
        connection.request("GET", asked, headers={**dict(credentials.headers), "Accept": _TABLE})
        body: dict[str, Any] = json.loads(connection.getresponse().read())
    if "rows" in body:
        names = [row["cells"][0] for row in body["rows"]]
    else:
        names = [item["metadata"]["name"] for item in body["items"]]
    return [clean(name) for name in names]


def _connection(access: Access, credentials: Credentials) -> HTTPConnection:
    """To the server, through an HTTP proxy if one leads there."""
    from base64 import b64encode
    from http.client import HTTPConnection, HTTPSConnection
    from urllib.parse import unquote, urlsplit

    from kubectl_dnsdebug.api import tls

    server, proxy = urlsplit(access.server), urlsplit(access.proxy)
    host, port = server.hostname or "", server.port
    if server.scheme != "https":
        return HTTPConnection(host, port, timeout=PATIENCE)
    context = tls.context(access, credentials)
    if not proxy.hostname:
        return HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    connection = HTTPSConnection(
        proxy.hostname, proxy.port or 80, timeout=PATIENCE, context=context
    )
    secret = b64encode(f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode())
    shown = {"Proxy-Authorization": f"Basic {secret.decode()}"} if proxy.username else {}
    connection.set_tunnel(host, port or 443, shown)
    return connection
