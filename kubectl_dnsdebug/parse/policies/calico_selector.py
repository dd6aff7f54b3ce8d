"""Calico's selector expressions: `k8s-app == 'kube-dns' && !has(test)`."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign>\|\||&&|==|!=|[!(){},])|(?P<word>[\w./-]+))"
)
_DEEPEST = 50  # parentheses within each other that anybody may mean


class _Unreadable(Exception):
    pass


def selects(expression: str, labels: Mapping[str, str]) -> bool | None:
    """Whether it matches an object of these labels; None when it cannot be read. Empty is all."""
    if not expression.strip():
        return True
    try:
        return _Reader(expression, labels).whole()
    except _Unreadable:
        return None


class _Reader:
    def __init__(self, expression: str, labels: Mapping[str, str]) -> None:
        self.labels = labels
        self.tokens = list(_tokens(expression))
        self.depth = 0

    def whole(self) -> bool:
        found = self.either()
        if self.tokens:
            raise _Unreadable
        return found

    def either(self) -> bool:
        found = self.both()
        while self.took("||"):
            found = self.both() or found
        return found

    def both(self) -> bool:
        found = self.one()
        while self.took("&&"):
            found = self.one() and found
        return found

    def one(self) -> bool:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unreadable
        try:
            return self.term()
        finally:
            self.depth -= 1

    def term(self) -> bool:
        if self.took("!"):
            return not self.one()
        if self.took("("):
            found = self.either()
            self.need(")")
            return found
        word = self.next()
        if self.took("("):
            return self.call(word)
        return self.compared(word)

    def call(self, word: str) -> bool:
        if word == "has":
            found = self.next() in self.labels
            self.need(")")
            return found
        self.need(")")
        if word not in ("all", "global"):
            raise _Unreadable
        return word == "all"  # `global()` is for what is in no namespace

    def compared(self, label: str) -> bool:
        value = self.labels.get(label)
        match self.next():
            case "==":
                return value == self.text()
            case "!=":
                return value != self.text()
            case "in":
                return value in self.set()
            case "not":
                self.need("in")
                return value not in self.set()
            case "contains":
                return self.text() in (value or "")
            case "starts":
                self.need("with")
                return (value or "").startswith(self.text())
            case "ends":
                self.need("with")
                return (value or "").endswith(self.text())
        raise _Unreadable

    def set(self) -> list[str]:
        self.need("{")
        found: list[str] = []
        while not self.took("}"):
            found.append(self.text())
            self.took(",")
        return found

    def text(self) -> str:
        token = self.next()
        if token[0] not in "'\"":
            raise _Unreadable
        return token[1:-1]

    def next(self) -> str:
        if not self.tokens:
            raise _Unreadable
        return self.tokens.pop(0)

    def took(self, token: str) -> bool:
        if self.tokens[:1] != [token]:
            return False
        self.tokens.pop(0)
        return True

    def need(self, token: str) -> None:
        if not self.took(token):
            raise _Unreadable


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        if match is None:
            raise _Unreadable
        found.append(match[0].strip())
        at = match.end()
    return found
