"""The scripted DNS server of the LAN: `python upstream_server.py CONFIG.json ADDRESS...`

The file is read again whenever it changes. Per address (or for "*") it holds `records`, of
{name: [address, ...]}, and `rules`, the first of which that matches decides:

    {"name": "corp.example", "type": "AAAA", "do": "drop"}

`name` matches itself and all below it ("." everything); `type` may be "*". `do` is one of drop,
servfail, refused, nxdomain, empty, truncate, big, or an address (a wildcard); `delay` (seconds)
comes before the answer. Without a rule: the record, else NXDOMAIN with a short SOA.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

RCODES = {
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "nxdomain": dns.rcode.NXDOMAIN,
}
TTL = 5
BIG = [f"203.0.113.{host}" for host in range(1, 121)]


@dataclass(slots=True)
class Script:
    """What one address answers, followed in its file."""

    path: Path
    address: str
    _seen: int = 0
    _config: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        changed = self.path.stat().st_mtime_ns
        if changed != self._seen:
            everything = json.loads(self.path.read_text())
            self._config = everything.get(self.address, everything["*"])
            self._seen = changed
        return self._config

    def rule(self, name: dns.name.Name, kind: str) -> dict[str, Any]:
        for rule in self.config()["rules"]:
            if name.is_subdomain(dns.name.from_text(rule["name"])) and rule["type"] in ("*", kind):
                return dict(rule)
        return {"do": "answer"}

    def answer(self, query: dns.message.Message, *, tcp: bool) -> tuple[float, bytes | None]:
        """Seconds to wait, and the reply or nothing."""
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        rule = self.rule(question.name, kind)
        delay, action = float(rule.get("delay", 0)), rule["do"]
        if action == "drop":
            return delay, None
        reply = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        records = self.config()["records"].get(str(question.name).rstrip(".").lower())
        if action == "big":
            records = BIG
        elif action[0].isdigit():
            records = [action]
        if action in RCODES:
            reply.set_rcode(RCODES[action])
        elif action == "truncate" and not tcp:
            reply.flags |= dns.flags.TC
        elif records is None and action == "answer" and question.name != dns.name.root:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif records and kind == "A" and action != "empty":
            reply.answer.append(dns.rrset.from_text_list(question.name, TTL, "IN", "A", records))
        if not reply.answer and reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            soa = f"ns.invalid. hostmaster.invalid. 1 60 60 60 {TTL}"
            reply.authority.append(dns.rrset.from_text(dns.name.root, TTL, "IN", "SOA", soa))
        room = 65535 if tcp else max(512, query.payload)
        try:
            return delay, reply.to_wire(max_size=room)
        except dns.exception.TooBig:
            short = dns.message.make_response(query, recursion_available=True, our_payload=1232)
            short.flags |= dns.flags.TC
            return delay, short.to_wire()

    async def reply(self, wire: bytes, *, tcp: bool) -> bytes | None:
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        delay, answer = self.answer(query, tcp=tcp)
        await asyncio.sleep(delay)
        return answer


class Datagrams(asyncio.DatagramProtocol):
    """DNS over UDP: each query in its own task, so that a delay holds up nobody else."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        task = asyncio.ensure_future(self.handle(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def handle(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if (answer := await self.script.reply(data, tcp=False)) is not None:
            self.transport.sendto(answer, addr)


async def serve_stream(
    script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """DNS over TCP: messages behind a length of two bytes, until the client hangs up."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            if (answer := await script.reply(await reader.readexactly(size), tcp=True)) is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
    writer.close()


async def serve(path: Path, addresses: list[str]) -> None:
    loop = asyncio.get_running_loop()
    keep: list[object] = []
    for address in addresses:
        script = Script(path, address)
        datagrams, stream = partial(Datagrams, script), partial(serve_stream, script)
        keep.append(await loop.create_datagram_endpoint(datagrams, local_addr=(address, 53)))
        keep.append(await asyncio.start_server(stream, address, 53))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2:]))
