"""The way to the API server: plain requests and streams of lines, with every status as data.

    session = open_session(kubeconfig.load(flags, os.environ))
    pod = session.get("/api/v1/namespaces/default/pods/web")
    if pod.status == 404: ...

Safe to use from several threads at once. JSON and `Reply.text` come cleaned of hostile characters;
`Reply.content` and the lines of a stream are as sent, for whoever must first verify a checksum.
"""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Timeout
from urllib3.exceptions import HTTPError, InsecureRequestWarning, ProtocolError, ReadTimeoutError

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.api import tls
from kubectl_dnsdebug.api.credentials import Credentials, LoginError, log_in
from kubectl_dnsdebug.api.forward import Forward, handshake
from kubectl_dnsdebug.api.kubeconfig import Access
from kubectl_dnsdebug.api.replies import Reply, Stream, ahead, read
from kubectl_dnsdebug.api.unreachable import ClusterError, ClusterTimeout, explain, look_up
from kubectl_dnsdebug.hygiene import one_line
from kubectl_dnsdebug.model import Json

__all__ = ["ClusterError", "ClusterTimeout", "Reply", "Session", "Stream", "open_session"]

CONNECT_TIMEOUT = 5.0  # seconds for the name, the connection and TLS together
ANSWER_TIMEOUT = 30.0  # seconds for a request when the user set no limit
RETRY_BUDGET = 5.0  # seconds of waiting in one request, however long the server asks for
RETRY_PAUSE = 2.0  # seconds of the longest single wait
BROKEN_TRIES = 3  # connections in a row that may break under one request
CONNECTIONS = 16  # kept open for parallel use


class _Call(NamedTuple):
    method: str
    url: str
    body: bytes | None = None
    content_type: str = ""
    streamed: bool = False
    headers: Mapping[str, str] = MappingProxyType({})


class Session:
    """An open way to one cluster. `requests` counts the HTTP requests sent, retries too."""

    def __init__(self, access: Access, credentials: Credentials) -> None:
        self.context = access.context
        self.namespace = access.namespace
        self.server = access.server
        self.requests = 0
        self._access = access
        self._credentials = credentials
        self._pool = _pool(access, credentials)
        self._connect_timeout = 0.0  # 0 until the name of the server has been looked up
        self._answered = False
        self._ahead = 0.0
        self._streams: set[Stream] = set()
        self._lock = threading.Lock()
        self._login = threading.Lock()
        self._closed = threading.Event()

    def now(self) -> datetime:
        """The time by the cluster's clock, which stamps logs and events: ours may be wrong."""
        return datetime.fromtimestamp(time.time() + self._ahead, UTC)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Reply:
        """Send one request and wait for the whole answer, `timeout` seconds at most.

        A broken connection is retried for every verb: creating can be repeated because names are
        fixed, so a 409 AlreadyExists may be our own first try. 429 and 503 are retried for some
        seconds, then returned.

        Raises ClusterError when the server cannot be reached or answers 401, ClusterTimeout when
        it is silent.
        """
        content = None if body is None else json.dumps(body).encode()
        call = _Call(method, self._url(path, query), content, content_type)
        reply, _ = self._ask(call, timeout or self._access.request_timeout or ANSWER_TIMEOUT)
        return reply

    def get(self, path: str, **query: str) -> Reply:
        """Read one object or a list."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Json, **query: str) -> Reply:
        """Create an object."""
        return self.request("POST", path, body=body, query=query)

    def patch(
        self, path: str, body: Json, content_type: str = "application/strategic-merge-patch+json"
    ) -> Reply:
        """Change an object, by default the way that merges lists by name."""
        return self.request("PATCH", path, body=body, content_type=content_type)

    def delete(self, path: str, body: Json | None = None, **query: str) -> Reply:
        """Remove an object; `body` may hold DeleteOptions."""
        return self.request("DELETE", path, body=body, query=query)

    @contextmanager
    def lines(
        self, path: str, *, query: Mapping[str, str] | None = None, timeout: float
    ) -> Iterator[Stream]:
        """Open a stream that lasts `timeout` seconds at most: `with session.lines(...) as stream`.

        Raises as `request` does.
        """
        started = time.monotonic()
        reply, response = self._ask(_Call("GET", self._url(path, query), streamed=True), timeout)
        stream = Stream(reply, response, max(0.0, started + timeout - time.monotonic()))
        with self._lock:
            self._streams.add(stream)
        try:
            yield stream
        finally:
            with self._lock:
                self._streams.discard(stream)
            stream.release()

    @contextmanager
    def watch(
        self, path: str, *, query: Mapping[str, str] | None = None, timeout: float
    ) -> Iterator[Iterator[tuple[str, Json]]]:
        """Watch a collection: `with session.watch(...) as events`; see `Stream.events`."""
        # The server ends it too, should we vanish.
        asked = {**(query or {}), "watch": "1", "timeoutSeconds": str(math.ceil(timeout))}
        with self.lines(path, query=asked, timeout=timeout) as stream:
            yield stream.events()

    @contextmanager
    def forwarded(self, path: str, port: int, timeout: float) -> Iterator[Forward]:
        """A connection to a port of the pod whose `portforward` is at that path.

        Raises as `request` does.
        """
        headers = handshake()
        call = _Call("GET", self._url(path, {"ports": str(port)}), streamed=True, headers=headers)
        forward = Forward(*self._ask(call, timeout))
        try:
            yield forward
        finally:
            forward.close()

    def close_streams(self) -> None:
        """End every open stream, from any thread; the session stays usable, for cleaning up."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.close()

    def close(self) -> None:
        """End streams, waits and connections."""
        self._closed.set()
        self.close_streams()
        self._pool.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        # An empty or dotted name would turn the request for one object into one for all of them.
        if any(part in ("", ".", "..") for part in path.removeprefix("/").split("/")):
            raise ValueError(f"not a path of one thing: {path!r}")
        url = self.server + quote(path, safe="/:~")
        return f"{url}?{urlencode(query)}" if query else url

    def _ask(self, call: _Call, timeout: float) -> tuple[Reply, BaseHTTPResponse | None]:
        """Send until there is an answer worth returning; for a stream, its response unread."""
        deadline = time.monotonic() + timeout
        give_up = min(deadline, time.monotonic() + RETRY_BUDGET)
        used, renewed = self._credentials, False
        for tries in itertools.count(1):
            if used.expires and used.expires < time.time():
                used = self._log_in_again(used)
            try:
                response = self._send(call, used, deadline)
                if call.streamed and response.status in (101, 200):
                    return Reply(status=response.status), response
                reply = read(response, deadline)
            except (HTTPError, TimeoutError) as error:
                self._recover(error, tries, give_up, timeout)
                continue
            if reply.status == 401:
                if renewed:
                    raise self._rejected(reply)
                used, renewed = self._log_in_again(used, refused=reply), True
                continue
            pause = _pause(reply.status, response.headers.get("Retry-After"), tries)
            if pause is None or not self._wait(pause, give_up):
                return reply, None
        raise AssertionError("counting has no end")

    def _send(self, call: _Call, credentials: Credentials, deadline: float) -> BaseHTTPResponse:
        headers = HTTPHeaderDict(credentials.headers)
        headers["Accept"] = "application/json, */*"
        headers["User-Agent"] = f"kubectl-dnsdebug/{__version__}"
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        headers.update(call.headers)
        connect = self._connect_timeout or self._look_up()
        left = max(0.001, deadline - time.monotonic())
        with self._lock:
            self.requests += 1
        sent = time.time()
        response: BaseHTTPResponse = self._pool.urlopen(
            call.method,
            call.url,
            body=call.body,
            headers=headers,
            # A stream has its own alarm, which must come first.
            timeout=Timeout(connect=min(connect, left), read=left + call.streamed),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        if not self._answered:
            self._ahead = ahead(response, sent)
        self._answered = True
        return response

    def _recover(self, error: Exception, tries: int, give_up: float, timeout: float) -> None:
        """Wait before one more try, or raise what the failure means."""
        if isinstance(error, TimeoutError) or (
            self._answered and isinstance(error, ReadTimeoutError)
        ):
            raise ClusterTimeout(
                f"the API server {self.server} gave no answer within {timeout:.3g} s"
            ) from error
        passing = isinstance(error, ProtocolError) or isinstance(
            error.__cause__, ConnectionRefusedError
        )
        if not (passing and tries < BROKEN_TRIES and self._wait(0.2 * tries, give_up)):
            raise explain(error, self._access) from error

    def _look_up(self) -> float:
        # Addresses are tried in turn, each with its own timeout: they share what is left.
        started = time.monotonic()
        addresses = look_up(self._access, CONNECT_TIMEOUT)
        left = CONNECT_TIMEOUT - (time.monotonic() - started)
        self._connect_timeout = max(1.0, left / addresses)
        return self._connect_timeout

    def _wait(self, seconds: float, deadline: float) -> bool:
        """Wait, unless that would pass the deadline or the session is closed."""
        if time.monotonic() + seconds > deadline:
            return False
        return not self._closed.wait(seconds)

    def _log_in_again(self, used: Credentials, refused: Reply | None = None) -> Credentials:
        """Newer credentials than those used; raises ClusterError when there can be none."""
        with self._login:
            if self._credentials is used:
                renewable = self._access.user_entry.keys() & {"exec", "tokenFile"}
                if refused and not renewable:
                    raise self._rejected(refused)
                fresh = _log_in(self._access)
                if fresh.key != used.key:
                    self._pool = _pool(self._access, fresh)
                self._credentials = fresh
            return self._credentials

    def _rejected(self, reply: Reply) -> ClusterError:
        user = one_line(self._access.user) or "without a name"
        return ClusterError(
            f"the API server {self.server} does not accept the credentials of user {user} (context "
            f"{one_line(self.context)}): {reply.message}; they are wrong or expired, log in again"
        )


def open_session(access: Access) -> Session:
    """Get credentials, running the credential plugin if there is one; nothing is sent yet.

    Raises ClusterError when credentials cannot be had or certificates cannot be used.
    """
    return Session(access, _log_in(access))


def _log_in(access: Access) -> Credentials:
    try:
        return log_in(access)
    except LoginError as error:
        raise ClusterError(str(error)) from error


def _pool(access: Access, credentials: Credentials) -> PoolManager:
    """Connections as the Kubernetes client makes them, with TLS and the proxy settled by us."""
    # The client takes a third of a second to load: not before somebody goes to a cluster.
    from kubernetes.client import Configuration  # type: ignore[import-untyped]
    from kubernetes.client.rest import RESTClientObject  # type: ignore[import-untyped]

    settings = Configuration(host=access.server)
    settings.verify_ssl = not access.cluster_entry.get("insecure-skip-tls-verify")
    settings.tls_server_name = access.cluster_entry.get("tls-server-name")
    # Its own reading of the environment lets HTTP_PROXY stand for HTTPS.
    settings.proxy, settings.no_proxy = access.proxy or None, ""
    if proxy_user := urlsplit(access.proxy).username:
        secret = f"{proxy_user}:{urlsplit(access.proxy).password or ''}"
        settings.proxy_headers = urllib3.make_headers(proxy_basic_auth=secret)
    if not settings.verify_ssl:
        # The user asked for it; a warning for each connection helps nobody.
        urllib3.disable_warnings(InsecureRequestWarning)
    try:
        pool: PoolManager = RESTClientObject(settings, maxsize=CONNECTIONS).pool_manager
    except (ValueError, AssertionError) as error:
        raise ClusterError(f"the proxy of {access.server} cannot be used: {error}") from error
    if access.server.startswith("https:"):
        try:
            pool.connection_pool_kw["ssl_context"] = tls.context(access, credentials)
        except LoginError as error:
            raise ClusterError(str(error)) from error
    return pool


def _pause(status: int, retry_after: str | None, tries: int) -> float | None:
    """How long to wait before asking again, None when the answer stands."""
    if status not in (429, 503):
        return None
    asked = float(retry_after) if retry_after and retry_after.isdecimal() else 0.25 * 2**tries / 2
    return min(asked, RETRY_PAUSE)
