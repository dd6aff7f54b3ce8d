"""A DNS server on a high port of loopback, for UDP and TCP, that a test tells what to say."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rrset

Say = Callable[[dns.message.Message], dns.message.Message]


def address(query: dns.message.Message) -> dns.message.Message:
    """192.0.2.1 for every name."""
    return record(query, "A", "192.0.2.1")


def record(query: dns.message.Message, type: str, *texts: str) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.AA
    name = query.question[0].name
    answer.answer.append(dns.rrset.from_text(name, 5, dns.rdataclass.IN, type, *texts))
    return answer


def servfail(query: dns.message.Message) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer


class DnsServer:
    """Answers with `say` on `port`; `asked` are the names of the questions, in order."""

    def __init__(self, say: Say = address, host: str = "127.0.0.1") -> None:
        self.say = say
        self.asked: list[str] = []
        self.tcp = socket.create_server((host, 0))
        self.port: int = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, self.port))
        self._threads = [threading.Thread(target=each) for each in (self._serve_udp, self._accept)]

    def __enter__(self) -> DnsServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes the threads that wait; closing alone would not.
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.udp.sendto(b"", self.udp.getsockname())
        for thread in self._threads:
            thread.join()
        self.tcp.close()
        self.udp.close()

    def _answer(self, wire: bytes) -> dns.message.Message:
        query = dns.message.from_wire(wire)
        self.asked.append(str(query.question[0].name))
        return self.say(query)

    def _serve_udp(self) -> None:
        while True:
            wire, peer = self.udp.recvfrom(65_535)
            if not wire:
                return
            self.udp.sendto(self._answer(wire).to_wire(max_size=65_535), peer)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                wire = connection.recv(length, socket.MSG_WAITALL)
                said = self._answer(wire).to_wire(max_size=65_535)
                connection.sendall(struct.pack("!H", len(said)) + said)
