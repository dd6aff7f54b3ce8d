"""What comes back from the API server: whole replies, and streams that are still being written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from kubectl_dnsdebug.api.unreachable import ClusterError
from kubectl_dnsdebug.hygiene import clean, one_line, read_json
from kubectl_dnsdebug.model import Json

LARGEST = 256 << 20  # bytes of one reply
LONGEST_LINE = 8 << 20  # bytes; a watch event holds one object, and etcd takes 1.5 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the API server said. `body` is the parsed JSON, None when it is no JSON (a log).

    `content` are the bytes as sent.
    """

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
        return clean(decode(self.content), LARGEST)

    @property
    def reason(self) -> str:
        """The API's word for a failure: NotFound, Forbidden, AlreadyExists; "" without one."""
        return self._said("reason")

    @property
    def message(self) -> str:
        """The API's sentence about a failure on one line; else `HTTP 503` and what was said."""
        if said := self._said("message"):
            return said
        said = one_line(decode(self.content[:300]))
        if said.startswith("<"):
            said = "a web page, from something that stands before the API server"
        return f"HTTP {self.status}" + (f": {said}" if said else "")

    def _said(self, key: str) -> str:
        known = self.body if isinstance(self.body, dict) and not self.ok else {}
        return one_line(str(known.get(key) or ""), 600)


def ahead(response: BaseHTTPResponse, sent: float) -> float:
    """Seconds by which the server's clock is before ours; 0 where it does not say, or where what it
    says fits: it wrote whole seconds, some time between our asking (`sent`) and now."""
    try:
        told = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return 0.0
    return min(told - (sent - 1), 0.0) + max(told - time.time(), 0.0)


def decode(content: bytes) -> str:
    """UTF-8 as text; `encode("utf-8", "surrogateescape")` gives the very bytes back."""
    return content.decode("utf-8", "surrogateescape")


class Stream:
    """An answer that is still being written: a followed log or a watch. Iterating gives its lines.

    Lines come without their newline, as sent (see `decode`). The iteration ends when the server
    ends the answer, at the deadline, when the connection breaks, or at `close()` from any thread;
    `ended` then says which: "server", "deadline", "broken" or "closed". When the server refused,
    `reply` is not ok and there are no lines.
    """

    def __init__(self, reply: Reply, response: BaseHTTPResponse | None, timeout: float) -> None:
        self.reply = reply
        self.ended = "" if response else "server"
        self._response = response
        self._lock = threading.Lock()
        self._alarm = threading.Timer(timeout, partial(self._end, "deadline"))
        self._alarm.daemon = True
        if response:
            self._alarm.start()

    def __iter__(self) -> Iterator[str]:
        return map(decode, self._lines())

    def events(self) -> Iterator[tuple[str, Json]]:
        """The lines read as watch events: (type, object), cleaned.

        Types are ADDED, MODIFIED, DELETED, BOOKMARK. A refusal, at once or in the middle (code 410:
        the resource version is too old, list again), is one last ("ERROR", Status).
        """
        if not self.reply.ok:
            status = {"code": self.reply.status, "reason": self.reply.reason}
            yield "ERROR", {"kind": "Status", "message": self.reply.message, **status}
        for line in self._lines():
            try:
                event = read_json(line)
                kind, item = event["type"], event["object"]
            except (ValueError, KeyError, TypeError, RecursionError):
                self._end("broken")
                return
            yield kind, item
            if kind == "ERROR":
                return

    def close(self) -> None:
        """End the stream; safe from any thread, and twice."""
        self._end("closed")

    def release(self) -> None:
        """Give the connection up; for the thread that reads, when it is done."""
        self.close()
        if self._response:
            self._response.close()

    def _end(self, why: str) -> None:
        with self._lock:
            if self.ended:
                return
            self.ended = why
            self._alarm.cancel()
            if self._response:
                # Wakes the thread that waits for the next line; closing would not.
                with suppress(OSError, ValueError, RuntimeError):
                    self._response.shutdown()

    def _lines(self) -> Iterator[bytes]:
        rest = bytearray()
        for piece in self._pieces():
            start = len(rest)
            rest += piece
            while (end := rest.find(b"\n", start)) >= 0:
                yield bytes(rest[:end])
                del rest[: end + 1]
                start = 0
            if len(rest) > LONGEST_LINE:
                yield bytes(rest)
                rest.clear()
        if rest:
            yield bytes(rest)

    def _pieces(self) -> Iterator[bytes]:
        while self._response and not self.ended:
            try:
                piece = self._response.read1(1 << 16)
            # A stream that is ended from outside may fail in any of these ways.
            except (HTTPError, OSError, ValueError, AttributeError):
                self._end("broken")
                return
            if not piece:
                self._end("server")
                return
            yield piece


def read(response: BaseHTTPResponse, deadline: float) -> Reply:
    """Read a response to its end.

    Raises TimeoutError at the deadline (monotonic time), HTTPError when the connection breaks and
    ClusterError when this is not the API.
    """
    content = bytearray()
    for piece in response.stream(1 << 16):
        content += piece
        if time.monotonic() > deadline or len(content) > LARGEST:
            response.close()
            raise TimeoutError
    kind = response.headers.get("Content-Type", "")
    if response.status < 400 and ("text/html" in kind or response.status >= 300):
        where = one_line(response.headers.get("Location", "")) or "a web page"
        raise ClusterError(f"this is no Kubernetes API but leads to {where}: log in there again")
    if response.status == 404 and "text/html" in kind:
        # The API says so in JSON or plain text: this one knows nothing of what is in the cluster.
        raise ClusterError(
            "this is no Kubernetes API but a web server without such a page: check the address of "
            "the server in the kubeconfig"
        )
    if b"HTTP request to an HTTPS server" in content[:200]:
        raise ClusterError("the API server speaks TLS: its URL must begin with https://")
    body: Any = None
    if "json" in kind and content:
        try:
            body = read_json(bytes(content))
        except (ValueError, RecursionError) as error:
            raise ClusterError(f"the API server sent broken JSON: {error}") from error
    return Reply(status=response.status, body=body, content=bytes(content))
