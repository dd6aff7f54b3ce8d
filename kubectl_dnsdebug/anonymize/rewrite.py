"""Evidence without the cluster's names and addresses, from which the same verdict follows.

Names become tokens, the same everywhere, that sort as the names did. Addresses keep their kind
(private, documentation, public) and what they share with each other: two of one network are of one
network afterwards. What the rules know by name stays: Kubernetes' own names and components, labels
of well-known domains, loopback and link-local addresses, public resolvers.

Free text (logs, events, messages) is rewritten by the same tables, and whatever looks like a host
name or an address in it. A secret in other words stays what it is: read before you share.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from kubectl_dnsdebug import evidence as files
from kubectl_dnsdebug.anonymize.addresses import Addresses
from kubectl_dnsdebug.anonymize.vocabulary import KEPT, KEPT_DOMAINS, TOP_LEVEL
from kubectl_dnsdebug.model import Evidence
from kubectl_dnsdebug.parse import summary

# Keys under which the API holds names. A name under the others is a word of the API.
_NAMES = {
    "name",
    "namespace",
    "nodeName",
    "hostname",
    "subdomain",
    "serviceAccountName",
    "externalName",
    "clusterDomain",
    "address",
    "image",
    "value",
}
_LISTS = {"values", "hostnames", "searches"}
_LABELS = {"labels", "matchLabels", "selector"}
_NO_NAMES = {"ports", "options", "conditions", "resources"}
_NAMED_IDS = re.compile(
    r"(?:pod|node|namespace|log|log-previous|configmap|configz|events|node-events|deployments|daemonsets|"
    r"networkpolicies|endpointslices|sibling|swept|system-pods|may)/([^/]+)(?:/([^/ =]+)$)?"
)
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOTTED = re.compile(rf"{_WORD}(?:\.{_WORD})*")
_MASKED = re.compile(rf"({_DOTTED.pattern})(/\d{{1,2}}(?![\w.]))?")
_IPV6 = re.compile(
    r"(?<![\w:])((?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?)"
    r"(?![\w:])(/\d{1,3})?"
)
_OPAQUE = re.compile(
    r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=sha256:)[0-9a-f]{64})\b"
)
_VERSION = re.compile(r"[A-Za-z-]*\d+(?:\.\d[\w-]*)+")
_NUMBER = re.compile(r"v?\d+[a-z]{0,2}")
# Tokens sort between the names that stay as their originals did: which Service is the first of its
# namespace decides what was asked.
_FENCES = (("coredns", "a"), ("kube-dns", "d"), ("node-local-dns", "l"), ("rke2-coredns", "p"))


def anonymize(evidence: Evidence, key: bytes) -> Evidence:
    """The evidence in tokens. With a new random `key` nobody finds the addresses by trying all."""
    data = json.loads(files.dump(replace(evidence, context="anonymized")))
    _forget_arguments(data["facts"])
    names, addresses = set(_names(data)), Addresses(key)
    seen = set(names)

    def noted(word: str) -> str:
        seen.add(word)
        return word

    # Once to see every name there is, for tokens keep their order.
    _Rewriter(noted, names, addresses).value(data)
    tokens = _tokens(seen)
    changed = _Rewriter(lambda word: tokens.get(word, word), names, addresses).value(data)
    return files.load(json.dumps(changed))


def _forget_arguments(facts: list[Any]) -> None:
    """The command line of a user's container decides nothing here, and may hold anything."""
    for fact in facts:
        if fact["id"].startswith("pod/") and not fact["id"].startswith("pod/kube-system/"):
            for container in fact.get("data", {}).get("spec", {}).get("containers", ()):
                container.pop("args", None)


def _names(data: Any) -> Iterator[str]:
    request = data["request"]
    texts = [*request["targets"], *request.get("picked_by", ()), *request.get("names", ())]
    texts += [text.partition("/")[2] or text for text in texts]
    texts += [request.get("image", "")]
    for vantage in data.get("vantages", ()):
        texts += [vantage.get(key, "") for key in ("node", "pod", "container")]
    for transcript in data.get("transcripts", ()):
        if transcript["probe"] in ("conf", "app"):
            texts += re.findall(
                r"^(?:\S+ )?(?:search|domain)\s+(.*)", transcript.get("out", ""), re.M
            )
    for fact in data["facts"]:
        if match := _NAMED_IDS.match(fact["id"]):
            texts += filter(None, match.groups())
        texts += _held(fact.get("data", {}), "")
        for told in fact.get("data", {}).get("summaries", {}).values():
            texts += re.findall(r"^conf (?:search|domain)\s+(.*)", told, re.M)
    for text in texts:
        for dotted in _DOTTED.findall(text):
            *labels, last = dotted.lower().split(".")
            yield from (label for label in labels if not _stays(label))
            if not _stays(last) and not (labels and last in TOP_LEVEL):
                yield last


def _held(value: Any, under: str) -> Iterator[str]:
    """The strings of an API object that are names."""
    if isinstance(value, dict):
        for key, held in value.items():
            if isinstance(held, str):
                if under in _LABELS or (key in _NAMES and under not in _NO_NAMES):
                    yield held
            else:
                yield from _held(held, under if under in _NO_NAMES else key)
    elif isinstance(value, list):
        for each in value:
            if isinstance(each, str) and under in _LISTS:
                yield each
            else:
                yield from _held(each, under)


def _stays(word: str) -> bool:
    word = word.lower()
    return word in KEPT or bool(_NUMBER.fullmatch(word)) or word.startswith("dnsdebug-")


def _tokens(names: set[str]) -> dict[str, str]:
    """A token for each name; one that starts with a component's name keeps that."""
    tails = {name: _tail(name) for name in names}
    ranked = sorted(set(tails.values()))
    digits = len(str(len(ranked)))
    taken = {tail: f"{_prefix(tail)}{n:0{digits}}x" for n, tail in enumerate(ranked, 1)}
    return {name: name[: len(name) - len(tail)] + taken[tail] for name, tail in tails.items()}


def _tail(name: str) -> str:
    """What follows the longest leading words that stay."""
    parts = name.split("-")
    for count in range(len(parts) - 1, 0, -1):
        if "-".join(parts[:count]) in KEPT:
            return "-".join(parts[count:])
    return name


def _prefix(name: str) -> str:
    return next((prefix for fence, prefix in _FENCES if name < fence), "s")


class _Rewriter:
    """Puts what `token` says in place of each name, in any string of the evidence."""

    def __init__(self, token: Callable[[str], str], names: set[str], addresses: Addresses) -> None:
        self._token, self._names, self._addresses = token, names, addresses

    def value(self, value: Any, under: str = "") -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each, under) for each in value]
        if isinstance(value, dict):
            if under == "summaries":
                return {role: self._summary(text) for role, text in value.items()}
            # Keys are words of the API, but those of labels are the user's.
            own = under in _LABELS
            return {
                self.text(key) if own else key: held
                if key in ("timing", "counts", "format", "tool", "collected_at")
                else self.value(held, key)
                for key, held in value.items()
            }
        return value

    def _summary(self, text: str) -> str:
        """The gist of a node's probes, signed anew where it was whole: its tokens are no names."""
        head, line_break, body = text.removesuffix("\n").partition("\n")
        lines = [
            " ".join(("a", self.text(words[1]), *words[2:]))
            if len(words := line.split(" ")) > 2 and words[0] == "a"
            else self.text(line)
            for line in body.split("\n")
        ]
        changed = "\n".join(lines)
        signed = head.replace(summary.checksum(body), summary.checksum(changed))
        return f"{signed}{line_break}{changed}"

    def text(self, text: str) -> str:
        pieces, end = [], 0
        for match in _IPV6.finditer(text):
            if address := self._addresses.mapped(match[1], match[2] or ""):
                pieces += [self._words(text[end : match.start()]), address]
                end = match.end()
        return "".join((*pieces, self._words(text[end:])))

    def _words(self, text: str) -> str:
        text = _OPAQUE.sub(lambda match: self._addresses.opaque(match[0]), text)
        return _MASKED.sub(self._dotted, text)

    def _dotted(self, match: re.Match[str]) -> str:
        word, mask = match[1], match[2] or ""
        labels = word.split(".")
        if len(labels) == 1:
            return self._single(word) + mask
        if labels[-1].lower() == "arpa":
            return self._reverse(labels) + mask
        for start in range(len(labels) - 4, -1, -1):
            run = labels[start : start + 4]
            if address := self._addresses.mapped(".".join(run), mask if start == 0 else ""):
                rest = "" if start == 0 else mask
                before = self._labels(labels[:start])
                after = [self._label(each) for each in labels[start + 4 :]]
                return ".".join([*before, address, *after]) + rest
        if _VERSION.fullmatch(word) or word.lower().endswith(KEPT_DOMAINS):
            return word + mask
        return ".".join(map(self._label, labels)) + mask

    def _labels(self, labels: list[str]) -> list[str]:
        """Ids of probes may join one address to another."""
        for start in range(len(labels) - 4, -1, -1):
            if address := self._addresses.mapped(".".join(labels[start : start + 4]), ""):
                after = map(self._label, labels[start + 4 :])
                return [*self._labels(labels[:start]), address, *after]
        return list(map(self._label, labels))

    def _label(self, label: str) -> str:
        """Where in a name it stands must not matter: ids of probes join names to other words."""
        low = label.lower()
        known = _stays(low) or (low in TOP_LEVEL and low not in self._names)
        return label if known else self._token(low)

    def _single(self, word: str) -> str:
        """A word by itself, as it is written; one with hyphens may begin or end with a name."""
        if _stays(word):
            return word
        if word in self._names:
            return self._token(word)
        parts = word.split("-")
        for count in range(len(parts) - 1, 0, -1):
            head, tail = "-".join(parts[:count]), "-".join(parts[count:])
            if head in self._names:
                return f"{self._token(head)}-{tail}"
            if (last := "-".join(parts[-count:])) in self._names:
                return f"{'-'.join(parts[:-count])}-{self._token(last)}"
        return word

    def _reverse(self, labels: list[str]) -> str:
        """A name of the reverse tree: its digits are an address, or the beginning of one."""
        tree = labels[-2].lower()
        size, kind = (4, str.isdecimal) if tree == "in-addr" else (32, str.isalnum)
        digits: list[str] = []
        rest = labels[:-2]
        while rest and len(digits) < size and kind(rest[-1]) and len(rest[-1]) <= 3:
            digits.append(rest.pop())
        told = self._addresses.reverse(digits, tree)
        return ".".join([*map(self._label, rest), *told, *labels[-2:]])
