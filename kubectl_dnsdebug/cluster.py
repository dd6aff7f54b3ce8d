"""The way to the API server: plain requests and streams of lines, with every status as data.

    session = open_session(kubeconfig.load(flags, os.environ))
    pod = session.get("/api/v1/namespaces/default/pods/web")
    if pod.status == 404: ...

Safe to use from several threads at once. What comes back as JSON or `Reply.text` is cleaned of hostile
characters; `Reply.content` and the lines of a stream are as sent, for whoever must verify a checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from kubectl_dnsdebug.kubeconfig import Access
from kubectl_dnsdebug.model import DnsdebugError, Json


class ClusterError(DnsdebugError):
    """The API server cannot be reached or does not accept us; the text says what to check."""


class ClusterTimeout(ClusterError):
    """The server took the request and gave no answer in time. For one object among many this is a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the API server said. `body` is the parsed JSON, None when it is no JSON (a log)."""

    status: int
    body: Any = None
    content: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The content as text, cleaned."""
        raise NotImplementedError

    @property
    def reason(self) -> str:
        """The API's one-word reason of a failure: NotFound, Forbidden, AlreadyExists; "" when it gave none."""
        raise NotImplementedError

    @property
    def message(self) -> str:
        """The API's sentence about a failure on one line, or `HTTP 503` when it gave none."""
        raise NotImplementedError


class Stream:
    """An answer that is still being written: a followed log or a watch. Iterating gives its lines.

    Lines come without their newline, undecodable bytes as surrogates (`encode("utf-8", "surrogateescape")`
    gives the bytes back), uncleaned. The iteration ends when the server ends the answer, at the deadline, when the
    connection breaks, or at `close()` from any thread; `ended` then says which.
    When the server refused, `reply` is not ok and there are no lines.
    """

    reply: Reply  # for a stream that opened: its status alone
    ended: str = ""  # "", "server", "deadline", "broken" or "closed"

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def events(self) -> Iterator[tuple[str, Json]]:
        """The lines read as watch events: (type, object), cleaned.

        Types are ADDED, MODIFIED, DELETED, BOOKMARK. A refusal, of the request or in the middle (410, the
        resource version is too old: list again), is one last ("ERROR", Status).
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the stream; safe from any thread, and twice."""
        raise NotImplementedError


class Session:
    """An open way to one cluster. `requests` counts HTTP requests sent, retries too."""

    context: str
    namespace: str
    server: str
    requests: int

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
        """Send one request and wait for the whole answer, `timeout` seconds at most, retries included.

        A broken connection is retried for every verb: creating is repeatable because names are fixed, so
        a 409 AlreadyExists may be our own first try. 429 and 503 are retried within 5 s, then returned.
        Raises ClusterError when the server cannot be reached or answers 401, ClusterTimeout when
        it is silent.
        """
        raise NotImplementedError

    def get(self, path: str, **query: str) -> Reply:
        raise NotImplementedError

    def post(self, path: str, body: Json, **query: str) -> Reply:
        raise NotImplementedError

    def patch(
        self, path: str, body: Json, content_type: str = "application/strategic-merge-patch+json"
    ) -> Reply:
        raise NotImplementedError

    def delete(self, path: str, body: Json | None = None, **query: str) -> Reply:
        raise NotImplementedError

    def lines(
        self, path: str, *, query: Mapping[str, str] | None = None, timeout: float
    ) -> AbstractContextManager[Stream]:
        """Open a stream that lasts `timeout` seconds at most: `with session.lines(...) as stream`."""
        raise NotImplementedError

    def watch(
        self, path: str, *, query: Mapping[str, str] | None = None, timeout: float
    ) -> AbstractContextManager[Iterator[tuple[str, Json]]]:
        """Watch a collection: `with session.watch(...) as events`. See `Stream.events`; ends as a stream does."""
        raise NotImplementedError

    def close_streams(self) -> None:
        """End every open stream, from any thread; the session stays usable (for cleaning up)."""
        raise NotImplementedError

    def close(self) -> None:
        """End the streams and the connections."""
        raise NotImplementedError

    def __enter__(self) -> Session:
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError


def open_session(access: Access) -> Session:
    """Get credentials (running the exec plugin if there is one) and prepare TLS; nothing is sent yet.

    Raises ClusterError when credentials cannot be had or certificates cannot be used.
    """
    raise NotImplementedError
