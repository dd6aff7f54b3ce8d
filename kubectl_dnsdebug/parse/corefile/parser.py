"""The Corefile's text: words, statements, blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kubectl_dnsdebug.parse.corefile.blocks import Corefile, Plugin, ServerBlock, zones_of


@dataclass(frozen=True, slots=True)
class Token:
    """One word, unquoted, and the line of its text on which it starts."""

    text: str
    line: int
    quoted: bool = False
    file: str = ""  # the imported text it comes from


# A quoted word may hold blanks and line ends; elsewhere # starts a comment, even inside a word.
_WORD = re.compile(r'"((?:\\.|[^"\\])*)"?|(#[^\n]*)|([^\s#]+)', re.DOTALL)


def tokens_of(text: str, file: str = "") -> Iterator[Token]:
    """The words of the text; comments are left out."""
    line, start = 1, 0
    for match in _WORD.finditer(text):
        line += text.count("\n", start, match.start())
        start = match.start()
        if match[1] is not None:
            yield Token(match[1].replace('\\"', '"'), line, True, file)
        elif word := (match[3] or "").removeprefix("\ufeff"):
            yield Token(word, line, False, file)


def take(tokens: list[Token]) -> list[Token]:
    """Pop one statement from the end of `tokens`, which are in reverse: the words of one line up to
    an opening brace, that brace also when it stands on the next line, or a closing brace alone."""
    line = [tokens.pop()]
    if line[0].text == "}":
        return line
    while tokens and line[-1].text != "{":
        following = tokens[-1]
        ends = following.text == "}" or not _same_line(line[-1], following)
        if ends and following.text != "{":
            break
        line.append(tokens.pop())
    return line


def _same_line(before: Token, token: Token) -> bool:
    return (before.line + before.text.count("\n"), before.file) == (token.line, token.file)


def parse(text: str, files: Mapping[str, str] | None = None) -> Corefile:
    """Never raises. Snippets are put in their place, and of `files` (name -> text) those an import
    names; other imports and {$VARIABLES} stay as they are."""
    return _Parser(list(tokens_of(text)), files or {}).parse()


_PORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443}


class _Parser:
    """Takes the tokens from the front; what an import brings is put back in front of the rest."""

    def __init__(self, tokens: list[Token], files: Mapping[str, str]) -> None:
        self.tokens = tokens[::-1]
        self.files = files
        self.snippets: dict[str, list[Token]] = {}
        self.problems: list[str] = []
        self.imports: list[str] = []
        self.left = 100  # imports still expanded: a text that imports itself must end

    def parse(self) -> Corefile:
        blocks: list[ServerBlock] = []
        imports: list[str] = []
        while self.tokens:
            line = self._line()
            self.imports = []
            if line[0].text == "import":
                self._expand(line)
                imports += self.imports
                continue
            if line[0].text == "}":
                if self.tokens:  # at the very end CoreDNS takes it for an empty zone
                    self.problems.append(f"line {line[0].line}: a brace closes nothing")
                continue
            opened = line[-1].text == "{"
            keys = line[:-1] if opened else line
            if len(keys) == 1 and re.fullmatch(r"\(.+\)", keys[0].text) and opened:
                self.snippets[keys[0].text[1:-1]] = self._body(keys[0].line)
                continue
            while keys and keys[-1].text.endswith(",") and self.tokens and not opened:
                more = self._line()
                opened = more[-1].text == "{"
                keys += more[:-1] if opened else more
            blocks += self._blocks(keys or line, self._plugins(line[0].line, opened))
        self._overlaps(blocks)
        return Corefile(blocks=tuple(blocks), imports=tuple(imports), problems=tuple(self.problems))

    def _line(self) -> list[Token]:
        line = take(self.tokens)
        for token in line:
            if len(token.text) > 1 and token.text.endswith("{") and not token.quoted:
                self.problems.append(f"line {token.line}: no blank before the brace")
        return line

    def _body(self, start: int) -> list[Token]:
        body: list[Token] = []
        depth = 1
        while self.tokens:
            token = self.tokens.pop()
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                return body
            body.append(token)
        self.problems.append(f"line {start}: a brace is not closed")
        return body

    def _expand(self, line: Sequence[Token]) -> None:
        pattern = line[1].text if len(line) > 1 else ""
        if pattern in self.snippets:
            found = self.snippets[pattern]
        else:
            last = pattern.rpartition("/")[2]
            names = sorted(name for name in self.files if fnmatchcase(name, last))
            found = [token for name in names for token in tokens_of(self.files[name], name)]
            if not names:
                self.imports.append(pattern)
        if found and self.left:
            self.left -= 1
            self.tokens += found[::-1]

    def _plugins(self, start: int, opened: bool) -> list[Plugin]:
        plugins: list[Plugin] = []
        while self.tokens:
            line = self._line()
            if line[0].text == "}":
                return plugins
            if line[0].text == "import":
                self._expand(line)
                continue
            block: tuple[tuple[str, ...], ...] = ()
            words = [token.text for token in line]
            if words[-1] == "{":
                words.pop()
                block = _lines(self._body(line[0].line))
            name, *args = words or ["{"]
            plugin = Plugin(
                name=name, args=tuple(args), block=block, line=line[0].line, file=line[0].file
            )
            plugins.append(plugin)
        if opened:
            self.problems.append(f"line {start}: a brace is not closed")
        return plugins

    def _blocks(self, keys: Sequence[Token], plugins: Sequence[Plugin]) -> Iterator[ServerBlock]:
        listeners: dict[tuple[str, int], list[str]] = {}
        for word in (token.text.removesuffix(",") for token in keys):
            scheme, _, rest = word.rpartition("://")
            scheme = scheme or "dns"
            tail = rest.rpartition(":")[2] if ":" in rest else ""
            port = int(tail) if re.fullmatch(r"\d{1,5}", tail) else _PORTS.get(scheme, 53)
            listeners.setdefault((scheme, port), []).extend(zones_of(word))
        for (scheme, port), zones in listeners.items():
            yield ServerBlock(
                zones=tuple(zones),
                port=port,
                scheme=scheme,
                plugins=tuple(plugins),
                imports=tuple(self.imports),
                line=keys[0].line,
            )

    def _overlaps(self, blocks: Iterable[ServerBlock]) -> None:
        taken: set[tuple[str, int, str]] = set()
        for block in blocks:
            if block.named("bind") or block.named("view"):
                continue  # these may share a zone and a port
            for zone in block.zones:
                key = (block.scheme, block.port, zone)
                if key in taken:
                    what = f"{block.scheme}://{zone}:{block.port}"
                    self.problems.append(f"line {block.line}: {what} is already defined")
                taken.add(key)


def _lines(tokens: Iterable[Token]) -> tuple[tuple[str, ...], ...]:
    lines: list[list[Token]] = []
    for token in tokens:
        if lines and _same_line(lines[-1][-1], token):
            lines[-1].append(token)
        else:
            lines.append([token])
    return tuple(tuple(token.text for token in line) for line in lines)
