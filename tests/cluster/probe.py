"""Ask DNS questions from where the cluster's pods and nodes stand, to prove what bites."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.cluster.network import Node
from tests.cluster.shell import ClusterError, run

Runner = Callable[[Sequence[str]], str]

# What dig says when no DNS message came back, and what that means.
NO_REPLY = (
    ("connection refused", "refused"),
    ("network unreachable", "unreachable"),
    ("host unreachable", "unreachable"),
    ("timed out", "timeout"),
    ("no servers could be reached", "timeout"),
    ("couldn't get address", "no-server"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What dig got: an rcode in capitals, or in small letters why there was no answer."""

    status: str
    addresses: tuple[str, ...]
    text: str

    @property
    def ok(self) -> bool:
        return self.status == "NOERROR" and bool(self.addresses)


def parse(text: str) -> Reply:
    """Read dig's ordinary output."""
    if found := re.search(r"status: ([A-Z]+),", text):
        answers = re.findall(r"^[^;\s]\S*\s+\d+\s+IN\s+(?:A|AAAA)\s+(\S+)$", text, re.MULTILINE)
        return Reply(status=found[1], addresses=tuple(answers), text=text)
    status = next((meaning for words, meaning in NO_REPLY if words in text), "silent")
    return Reply(status=status, addresses=(), text=text)


def dig_words(
    name: str,
    *,
    server: str | None = None,
    kind: str = "A",
    tcp: bool = False,
    port: int = 53,
    source_port: int | None = None,
    seconds: int = 2,
) -> list[str]:
    """The command line of one query. Without a server the resolv.conf of the place is used."""
    return [
        "dig",
        *([f"@{server}"] if server else []),
        *(["-p", str(port)] if port != 53 else []),
        *(["-b", f"0.0.0.0#{source_port}"] if source_port else []),
        *("+tries=1", f"+time={seconds}", "+tcp" if tcp else "+notcp"),
        *(name, kind),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vantage:
    """A place to ask from."""

    name: str
    run: Runner

    def dig(self, name: str, **options: object) -> Reply:
        """One query, without the search list; see dig_words for the options."""
        return parse(self.run(dig_words(name, **options)))  # type: ignore[arg-type]

    def getent(self, name: str) -> str:
        """The addresses that the place's own C library finds, as getent prints them."""
        return self.run(["getent", "ahosts", name]).strip()

    def resolv_conf(self) -> str:
        return self.run(["cat", "/etc/resolv.conf"])

    def expect(self, status: str | set[str], name: str, **options: object) -> Reply:
        """Ask, and raise ClusterError unless the status is (one of) these."""
        reply = self.dig(name, **options)
        wanted = {status} if isinstance(status, str) else status
        if reply.status not in wanted:
            asked = " ".join(dig_words(name, **options))  # type: ignore[arg-type]
            raise ClusterError(
                f"does not bite: {asked} from {self.name} gave {reply.status}, "
                f"not {' or '.join(sorted(wanted))}\n{reply.text.strip()}"
            )
        return reply


def in_pod(pid: Callable[[], int], name: str) -> Vantage:
    """From inside a container, whose image must have the programs. `pid` finds a process of it."""

    def runner(words: Sequence[str]) -> str:
        # As `kubectl exec` does, without kubectl, kubelet and runtime for each question.
        return run("nsenter", "-t", str(pid()), "-m", "-n", "-u", "--", *words, check=False).stdout

    return Vantage(name=f"pod/{name}", run=runner)


def on_node(node: Node) -> Vantage:
    """From the node itself, by this machine's own dig."""
    return Vantage(name=f"node/{node.name}", run=lambda words: node.run(*words, check=False))
