"""Why the API server cannot be reached, in one sentence, and what to check."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from kubectl_dnsdebug.api.kubeconfig import Access
from kubectl_dnsdebug.hygiene import one_line
from kubectl_dnsdebug.model import DnsdebugError

# OpenSSL's numbers of why a certificate is refused.
_EXPIRED, _NOT_YET = 10, 9
_WRONG_NAME = (62, 64)


class ClusterError(DnsdebugError):
    """The API server cannot be reached or does not accept us; the text says what to check."""


class ClusterTimeout(ClusterError):
    """The server took the request and stayed silent. For one object among many this is a gap."""


def explain(error: BaseException, access: Access) -> ClusterError:
    """The failure of a request that got no answer, in one sentence."""
    where = f"cannot reach the API server {access.server} (context {one_line(access.context)}): "
    if isinstance(error, ProxyError):
        proxy = urlsplit(access.proxy)
        why = _why(error.original_error, access)
        name = f"{proxy.scheme}://{proxy.hostname}:{proxy.port}"
        return ClusterError(f"{where}its proxy {name} fails: {why}")
    return ClusterError(where + _why(error, access))


def look_up(access: Access, timeout: float) -> int:
    """How many addresses the server, or its proxy, has; ClusterError after `timeout` seconds.

    The system's own wait for a name has no bound.
    """
    url = urlsplit(access.proxy or access.server)
    found: list[int] = []
    failed: list[OSError] = [socket.gaierror("no answer in time")]

    def look() -> None:
        try:
            found.append(len(socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_STREAM)))
        except OSError as error:
            failed.append(error)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(timeout)
    if not found:
        raise explain(failed[-1], access) from failed[-1]
    return found[0]


def _why(error: BaseException, access: Access) -> str:
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, NameResolutionError | socket.gaierror):
            return (
                f"the name {urlsplit(access.server).hostname} does not resolve on this machine: "
                "check its DNS and VPN"
            )
        if isinstance(cause, ssl.SSLError):
            return _tls(cause)
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused: nothing listens there; check that the cluster is up"
        if isinstance(cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError):
            return "the connection is cut each time: check what stands between here and there"
    if any(isinstance(cause, ConnectTimeoutError | ReadTimeoutError) for cause in causes):
        return "nothing answers in time: check that the cluster is up, the VPN and the firewall"
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return one_line(str(system[-1].strerror if system else error))


def _tls(error: ssl.SSLError) -> str:
    reason = one_line(getattr(error, "verify_message", "") or error.reason or str(error))
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (_EXPIRED, _NOT_YET):
            return f"its certificate is out of date ({reason}): check the clock here and there"
        if error.verify_code in _WRONG_NAME:
            return f"its certificate is for another name ({reason}): use that, or --tls-server-name"
        return (
            f"its certificate is not signed by the CA we trust ({reason}): fetch the kubeconfig "
            "anew; or something intercepts TLS"
        )
    if "WRONG_VERSION_NUMBER" in reason:
        return "it does not speak TLS: its URL may have to begin with http://"
    if "ALERT" in reason.upper():
        return f"it refused our TLS, often the client certificate ({reason}): log in again"
    return f"TLS failed ({reason})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies beneath it; the HTTP library keeps causes in several places."""
    todo, seen = [error], set[int]()
    while todo:
        found = todo.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        inner = [found.__cause__, found.__context__, *found.args]
        if isinstance(found, SSLError | ProxyError):
            inner += [getattr(found, "original_error", None)]
        todo += [item for item in inner if isinstance(item, BaseException)]
