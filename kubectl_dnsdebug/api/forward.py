"""A TCP connection to a port of a pod, by way of the API server and the pod's kubelet.

The API server speaks WebSocket for it: the request is upgraded like any other, so that proxy, TLS,
credentials and impersonation are those of the session. Each message begins with its channel: 0 is
the connection, 1 what went wrong; on each the first message is the port alone.
"""

from __future__ import annotations

import base64
import os
import struct
import time
from contextlib import suppress
from typing import IO, Any, cast

from urllib3 import BaseHTTPResponse

from kubectl_dnsdebug.api.replies import Reply, decode
from kubectl_dnsdebug.hygiene import one_line

_DATA, _ERROR = 0, 1
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_LARGEST = 1 << 20  # bytes of one frame: far more than a kubelet sends at once


class ForwardError(Exception):
    """The connection failed; the text says what the kubelet or the network said of it."""


def handshake() -> dict[str, str]:
    """The headers that ask for the upgrade."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
    }


class Forward:
    """The open connection. When it was refused, `reply` says how and nothing can be sent."""

    def __init__(self, reply: Reply, response: BaseHTTPResponse | None) -> None:
        self.reply = reply
        self._response = response
        self._received = b""
        self._greeted: set[int] = set()

    @property
    def is_open(self) -> bool:
        return self._response is not None

    def send(self, data: bytes) -> None:
        """Raises ForwardError."""
        try:
            self._socket.sendall(_frame(_BINARY, bytes([_DATA]) + data))
        except OSError as error:
            raise ForwardError(f"sending failed: {error}") from error

    def receive(self, count: int, timeout: float) -> bytes:
        """Exactly so many bytes. Raises ForwardError, TimeoutError when they do not come."""
        deadline = time.monotonic() + timeout
        while len(self._received) < count:
            self._received += self._next(deadline)
        found, self._received = self._received[:count], self._received[count:]
        return found

    def close(self) -> None:
        if self._response is not None:
            with suppress(OSError):
                self._socket.sendall(_frame(_CLOSE, b""))
            with suppress(OSError):
                self._socket.close()
            self._response.close()

    def _next(self, deadline: float) -> bytes:
        """What the next message brings of the connection, if anything."""
        kind, content = self._read_frame(deadline)
        if kind == _PING:
            self._socket.sendall(_frame(_PONG, content))
        if kind == _CLOSE:
            raise ForwardError("the connection was closed")
        if kind not in (_CONTINUED, _TEXT, _BINARY) or not content:
            return b""
        channel, data = content[0], content[1:]
        if channel not in self._greeted:
            self._greeted.add(channel)
            data = data[2:]  # the port
        if channel == _ERROR and data:
            raise ForwardError(one_line(decode(data), 600))
        return data if channel == _DATA else b""

    def _read_frame(self, deadline: float) -> tuple[int, bytes]:
        first, second = self._read(2, deadline)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._read(2, deadline))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._read(8, deadline))
        if length > _LARGEST:
            raise ForwardError("what came back is no port-forward")
        return first & 0x0F, self._read(length, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            found = self._file.read(count)
        except TimeoutError:
            raise
        except OSError as error:
            raise ForwardError(f"reading failed: {error}") from error
        if len(found) < count:
            raise ForwardError("the connection was closed")
        return found

    @property
    def _socket(self) -> Any:
        if self._response is None:
            raise ForwardError(self.reply.message)
        return cast(Any, self._response).connection.sock

    @property
    def _file(self) -> IO[bytes]:
        # The reader of the reply may hold the first bytes of the connection already.
        return cast(IO[bytes], cast(Any, self._response)._fp.fp)


def _frame(kind: int, content: bytes) -> bytes:
    """One whole frame; a client must mask what it sends."""
    size = len(content)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
    else:
        head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(content))
