"""A small API server that says what a test tells it to, for what a real one cannot be made to do.

with FakeApi() as api:
    api.on("/api/v1/nodes", status(429, "TooManyRequests"), Answer(body={"items": []}))
    api.on("/api/v1/pods", Answer(lines=['{"type": "ADDED", ...}'], hold=True))
    session = open_session(api.access())
    ...
    assert [seen.method for seen in api.seen] == ["GET", "GET"]
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kubectl_dnsdebug.api.kubeconfig import Access, Flags, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. A dict or list is sent as JSON, text and bytes as they are (a log).

    `delay` comes first, in seconds (for ever: `never`). `drop` resets the connection instead of
    answering, `cut` after half of the body or all of the lines. `lines` are sent one by one as they
    come, chunked; with `hold` the answer then stays open.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    never: bool = False
    drop: bool = False
    cut: bool = False
    lines: Iterable[str] | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived. Header names are in lower case; one given twice is joined."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    certificate: str = ""  # common name of the client's


Script = Answer | Callable[[Seen], Answer]


def status(code: int, reason: str, message: str = "", **headers: str) -> Answer:
    """A failure in the API's own form."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason}
    return Answer(status=code, body=body | {"message": message or reason}, headers=headers)


class FakeApi:
    """The server; see the top of this file.

    With a certificate it speaks TLS; `ca` is what `access` and it trust.
    """

    def __init__(
        self, certificate: Path | None = None, key: Path | None = None, ca: Path | None = None
    ) -> None:
        self.ca = ca
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._scripts: dict[tuple[str, str], list[Script]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
            if ca:
                tls.load_verify_locations(ca)
                tls.verify_mode = ssl.CERT_OPTIONAL
            # The handshake is left to the thread of each connection.
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=partial(self._server.serve_forever, 0.01))

    def on(self, path: str, *answers: Script, method: str = "GET") -> None:
        """Answer a path so, one after the other; the last answer stays. Other paths are 404."""
        self._scripts[method, path] = list(answers)

    def access(self, **flags: Any) -> Access:
        """The way in, as the user's flags would give it."""
        flags.setdefault("certificate_authority", str(self.ca or ""))
        return load(Flags(server=self.url, **flags), {}, service_account=Path("nowhere"))

    def answer(self, seen: Seen) -> Answer:
        """What comes next for this request."""
        with self._lock:
            self.seen.append(seen)
            script = self._scripts.get((seen.method, seen.path))
            if not script:
                return status(404, "NotFound", f"{seen.path} not found")
            found = script.pop(0) if len(script) > 1 else script[0]
        return found if isinstance(found, Answer) else found(seen)

    def __enter__(self) -> FakeApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet, as a real server sends them
    # A thread that waits for the next request must end when the client keeps its connection.
    timeout = 30

    def __init__(self, api: FakeApi, *args: Any) -> None:
        self.api = api
        super().__init__(*args)

    def _handle(self) -> None:
        url = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
        seen = Seen(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers=headers,
            body=json.loads(content) if content else None,
            certificate=self._common_name(),
        )
        answer = self.api.answer(seen)
        self.api.closing.wait(3600 if answer.never else answer.delay)
        if answer.drop or answer.never:
            self._reset()
        elif answer.lines is None:
            self._whole(answer)
        else:
            self._stream(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_CONNECT = _handle

    def _common_name(self) -> str:
        if not isinstance(self.connection, ssl.SSLSocket):
            return ""
        subject: Any = (self.connection.getpeercert() or {}).get("subject", ())
        return "".join(value for ((name, value),) in subject if name == "commonName")

    def _whole(self, answer: Answer) -> None:
        content, kind = answer.body, "text/plain"
        if isinstance(content, dict | list):
            content, kind = json.dumps(content), "application/json"
        content = (content or "").encode() if not isinstance(content, bytes) else content
        self._start(answer, {"Content-Type": kind, "Content-Length": str(len(content))})
        self.wfile.write(content[: len(content) // 2] if answer.cut else content)
        self.wfile.flush()
        if answer.cut:
            self._reset()

    def _stream(self, answer: Answer) -> None:
        kind = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        self._start(answer, kind)
        self.wfile.flush()
        for line in answer.lines or ():
            content = f"{line}\n".encode("utf-8", "surrogateescape")
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
            self.wfile.flush()
        if answer.hold:
            self.api.closing.wait(3600)
        if answer.cut:
            self._reset()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _start(self, answer: Answer, headers: Mapping[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        """End the connection with a reset, not in order."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def make_certificate(
    folder: Path, name: str, *, days: int = 30, host: str = "127.0.0.1", issuer: str = ""
) -> tuple[Path, Path]:
    """NAME.pem and NAME.key, for an address or a name; its own CA without an issuer."""
    certificate, key, request = (folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
    kind = "IP" if host[0].isdigit() else "DNS"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{host}"]
    fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key]
    if not issuer:
        _openssl("req", "-x509", *fresh, "-out", certificate, *subject, "-days", days)
        return certificate, key
    _openssl("req", *fresh, "-out", request, *subject)
    ca = ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial"]
    more = ["-days", days, "-copy_extensions", "copy", "-out", certificate]
    _openssl("x509", "-req", "-in", request, *ca, *more)
    return certificate, key


def _openssl(*arguments: Any) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()
