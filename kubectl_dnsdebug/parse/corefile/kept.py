"""What of a Corefile may be kept: some plugins take credentials inline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import dropwhile

from kubectl_dnsdebug.parse.corefile.blocks import is_standard
from kubectl_dnsdebug.parse.corefile.parser import Token, take, tokens_of

# Directives that take no secret inline; of all others only the name is kept.
_KEPT = frozenset(
    (  # noqa: SIM905 - one word a line would fill a screen
        "acl any auto autopath bind bufsize cache cancel chaos debug dns64 errors fanout file "
        "forward grpc header health hosts import k8s_external kubernetes loadbalance local log "
        "loop metadata minimal multisocket nsid pprof prometheus proxy ready reload rewrite root "
        "secondary template timeouts transfer view whoami"
    ).split()
)
_DIRECTIVE = re.compile(r"[a-z][a-z0-9_]*")
# A zone with scheme and port, an address range, or the name of a snippet; a brace stuck to it is
# a mistake worth keeping.
_ADDRESS = re.compile(
    r"(?:(?:[a-z0-9]+://)?[\w.*-]*(?::\d+)?|[0-9a-fA-F.:]+/\d+(?::\d+)?|\([\w.-]+\))[,{]?"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*@")


class _In(Enum):
    """Where a statement stands."""

    TOP = auto()
    SERVER = auto()
    KEPT = auto()
    DROPPED = auto()  # its words go, its braces stay
    HIDDEN = auto()


def allow_listed(text: str) -> str:
    """The text without comments and without the arguments of unknown directives.

    Every word stays on its line. Doing it twice changes nothing.
    """
    return _written(_kept(list(tokens_of(text))[::-1]))


def _kept(tokens: list[Token]) -> Iterator[Token]:
    """The words to keep; `tokens` are in reverse."""
    within = [_In.TOP]
    while tokens:
        line = take(tokens)
        if line[0].text == "}":
            if len(within) == 1 or within.pop() is not _In.HIDDEN:
                yield line[0]
            continue
        brace = line[-1:] if line[-1].text == "{" else []
        words = line[: len(line) - len(brace)]
        kept, inner = _judge(within[-1], words, bool(brace))
        yield from kept
        if brace:
            within.append(inner)
            if inner is not _In.HIDDEN:
                yield brace[0]


def _is_plugin(word: str) -> bool:
    return word in _KEPT or is_standard(word)


def _judge(place: _In, words: list[Token], opened: bool) -> tuple[list[Token], _In]:
    """Which words of a statement to keep, and what its block is."""
    head = words[0].text if words else ""
    if place is _In.KEPT:
        return words, _In.KEPT
    if place in (_In.DROPPED, _In.HIDDEN):
        return [], _In.HIDDEN
    if head in _KEPT:
        return words, _In.KEPT
    if is_standard(head) or (place is _In.SERVER and _DIRECTIVE.fullmatch(head)):
        return words[:1], _In.DROPPED
    # A brace that sticks to a word opens no block; what follows that word alone would be another.
    glued = head.endswith("{") and bool(_ADDRESS.fullmatch(head))
    if place is _In.TOP and (opened or glued):
        addresses = (word for word in words if _ADDRESS.fullmatch(word.text))
        # The name of a plugin that comes first would be one.
        return [*dropwhile(lambda word: _is_plugin(word.text), addresses)], _In.SERVER
    return [], _In.HIDDEN


def _written(tokens: Iterable[Token]) -> str:
    text, line, depth = "", 1, 0
    for token in tokens:
        word = _CREDENTIALS.sub("", token.text)
        if token.quoted:
            word = '"' + word.replace('"', '\\"') + '"'
        depth -= word == "}"
        if line < token.line:
            text += "\n" * (token.line - line) + "    " * depth
            line = token.line
        elif text:
            text += " "
        text += word
        line += word.count("\n")
        depth += word == "{"
    return text + "\n" if text else ""
