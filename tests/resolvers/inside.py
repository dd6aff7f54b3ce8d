"""Run in a network of its own, with files of its own: one client on every script.

Reads `{"client": [WORD...], "scripts": [{"conf": TEXT, "name": NAME, "says": {ABSOLUTE: [REPLY for
A, REPLY for AAAA]}}]}` on stdin, and prints for each script `{"asked": [ABSOLUTE...], "found":
BOOL, "out": TEXT}`. A name that the script does not have is NXDOMAIN.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rrset

ADDRESS = {"A": "192.0.2.7", "AAAA": "2001:db8::7"}
RCODES = {
    "nxdomain": dns.rcode.NXDOMAIN,
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "other": dns.rcode.NOTIMP,
}
FILES = {"resolv.conf": "", "nsswitch.conf": "hosts: dns\n", "hosts": "127.0.0.1 localhost\n"}


class Scripted(threading.Thread):
    """Answers on port 53 of loopback as told, and remembers the names."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.says: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))

    def run(self) -> None:
        while True:
            wire, peer = self.socket.recvfrom(65_535)
            query = dns.message.from_wire(wire)
            question = query.question[0]
            name = str(question.name).lower()
            type = dns.rdatatype.to_text(question.rdtype)
            self.asked.append(name)
            reply = self.says.get(name, ["nxdomain", "nxdomain"])[type == "AAAA"]
            if reply != "silence":
                self.socket.sendto(_answer(query, type, reply).to_wire(), peer)


def _answer(query: dns.message.Message, type: str, reply: str) -> dns.message.Message:
    answer = dns.message.make_response(query, recursion_available=True)
    if reply == "answer" and type in ADDRESS:
        name = query.question[0].name
        answer.answer.append(dns.rrset.from_text(name, 5, dns.rdataclass.IN, type, ADDRESS[type]))
    elif reply in RCODES:
        answer.set_rcode(RCODES[reply])
    return answer


def _own_files() -> Path:
    """Lay files of our own over those of the machine; gives the one that is resolv.conf."""
    folder = Path(tempfile.mkdtemp(prefix="resolvers."))
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", folder / name, f"/etc/{name}"], check=True)
    return folder / "resolv.conf"


def main() -> None:
    work: dict[str, Any] = json.load(sys.stdin)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    conf = _own_files()
    server = Scripted()
    server.start()
    results = []
    for script in work["scripts"]:
        conf.write_text(script["conf"])
        server.says = script["says"]
        server.asked = []
        words = [*work["client"], script["name"]]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        found = any(address in ran.stdout for address in ADDRESS.values())
        asked = list(dict.fromkeys(server.asked))
        results.append({"asked": asked, "found": found, "out": ran.stdout + ran.stderr})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
