"""The matrix as a table: names down, servers across, as wide as the screen allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tabulate import tabulate

from kubectl_dnsdebug.model import Status, Transport
from kubectl_dnsdebug.report.pictures import Cell, Form, Matrix, Row
from kubectl_dnsdebug.report.render.style import Style, Tone, one_line, word, wrap

INDENT = "  "
NODATA = "NODATA"  # the name is there, a record of that type is not
_NAMED_BY_FORM = (Form.KUBERNETES, Form.SERVICE, Form.HEADLESS, Form.EXTERNAL, Form.REVERSE)


def matrix(matrix: Matrix, style: Style) -> Iterator[str]:
    """One line when every answer was good, else the table and its legend."""
    cells = [cell for row in matrix.rows for cell in row.cells.values()]
    if not cells:
        return
    yield ""
    if all(cell.status is Status.NOERROR for cell in cells):
        slowest = max((cell.ms for cell in cells if cell.ms is not None), default=0)
        names, servers = _count(len(matrix.rows), "name"), _count(len(matrix.servers), "server")
        text = f"{names} asked of {servers}: all answered, in {slowest:.0f} ms or less"
        yield from wrap(text, style.width, first="names        ")
        return
    rows = [row for row in matrix.rows if row.tool == "dig" or _bad(row)]
    for lines in _first_that_fits(matrix, rows, style):
        yield from (INDENT + line for line in lines)
    yield from _terms(matrix, rows, style)


def _bad(row: Row) -> bool:
    return any(cell.status is not Status.NOERROR for cell in row.cells.values())


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _first_that_fits(matrix: Matrix, rows: Sequence[Row], style: Style) -> Iterator[list[str]]:
    """Whole names and labelled servers if there is room; else short ones, explained below."""
    addresses = [*matrix.servers]
    labels = {ip: f"{ip}\n{one_line(what)}" for ip, what in matrix.servers.items()}
    plain = {ip: ip for ip in addresses}
    keys = {ip: f"[{place}]" for place, ip in enumerate(addresses, 1)}
    widest = style.width - len(INDENT)
    layouts = ((labels, True), (labels, False), (plain, True), (plain, False), (keys, False))
    for heads, whole in layouts:
        lines = _table(rows, addresses, heads, style, whole=whole)
        if _width(rows, addresses, heads, whole=whole) <= widest:
            break
    else:
        # Too many servers for one table: several, one below the other.
        fits = next(
            (
                n
                for n in range(len(addresses), 1, -1)
                if _width(rows, addresses[:n], heads, whole=whole) <= widest
            ),
            1,
        )
        for start in range(0, len(addresses), fits):
            part = addresses[start : start + fits]
            yield [*_table(rows, part, heads, style, whole=whole), ""]
        lines = []
    yield lines
    if not whole:
        yield [*_names(rows, widest)]
    if heads is not labels:
        yield [*_servers(matrix, keys if heads is keys else plain, widest)]


def _table(
    rows: Sequence[Row],
    addresses: Sequence[str],
    heads: dict[str, str],
    style: Style,
    *,
    whole: bool,
) -> list[str]:
    body = [
        [_label(row, whole=whole), *(_cells(row, ip, style) for ip in addresses)] for row in rows
    ]
    text = tabulate(
        body,
        headers=["", *(heads[ip] for ip in addresses)],
        tablefmt="simple",
        disable_numparse=True,
        stralign="left",
    )
    return text.splitlines()


_PLAIN = Style(width=0, colour=False, unicode=True)


def _width(
    rows: Sequence[Row], addresses: Sequence[str], heads: dict[str, str], *, whole: bool
) -> int:
    return max(map(len, _table(rows, addresses, heads, _PLAIN, whole=whole)))


def _label(row: Row, *, whole: bool) -> str:
    name = row.form.value if row.form in _NAMED_BY_FORM and not whole else one_line(row.name)
    tool = "" if row.tool == "dig" else f"{row.tool} "
    kind = "" if row.type == "A+AAAA" else f" {row.type}"
    return f"{tool}{name}{kind}"


def _cells(row: Row, server: str, style: Style) -> str:
    """One cell: `ok 3ms`, over both transports `ok 3/5ms`; two lines where they do not agree."""
    cells = {way: cell for way in Transport if (cell := row.cells.get((server, way)))}
    if not cells:
        return style.paint("·" if style.unicode else "-", Tone.QUIET)
    words = {way: said(cell) for way, cell in cells.items()}
    tones = {way: tone(cell) for way, cell in cells.items()}
    if len(cells) == 2 and set(words.values()) == {"ok"}:
        return style.paint(f"ok {took(*cells.values())}".strip(), Tone.GOOD)
    if list(cells) == [Transport.UDP]:
        (cell,) = cells.values()
        text = f"{words[Transport.UDP]} {took(cell)}".strip()
        return style.paint(text, tones[Transport.UDP])
    return "\n".join(
        style.paint(f"{way.value.upper()} {words[way]} {took(cell)}".strip(), tones[way])
        for way, cell in cells.items()
    )


def said(cell: Cell) -> str:
    """What a cell comes to: `ok`, `TIMEOUT`, `1/5 TIMEOUT`, `NODATA`."""
    text = word(cell.status)
    if cell.status is Status.NOERROR and not cell.has_records:
        text = NODATA
    return text if cell.count == cell.asked else f"{cell.count}/{cell.asked} {text}"


def took(*cells: Cell) -> str:
    """Times matter where there is an answer to be had; a cell that is not all good has its word."""
    if any(cell.ms is None or cell.status is not Status.NOERROR for cell in cells):
        return ""
    return "/".join(f"{cell.ms:.0f}" for cell in cells) + "ms"


def tone(cell: Cell) -> Tone:
    """A name that is not there may be meant not to be; silence and refusal are bad."""
    if cell.status is Status.NOERROR:
        return Tone.GOOD if cell.has_records else Tone.QUIET
    return Tone.DOUBTFUL if cell.status is Status.NXDOMAIN else Tone.BAD


def _names(rows: Sequence[Row], width: int) -> Iterator[str]:
    """What the short words of the rows stand for."""
    named = {row.form: row.name for row in rows if row.form in _NAMED_BY_FORM}
    for form, name in named.items():
        yield from wrap(name, width, first=f"{form.value:<12}", rest=" " * 12)


def _servers(matrix: Matrix, heads: dict[str, str], width: int) -> Iterator[str]:
    widest = max(map(len, heads.values()))
    for ip, what in matrix.servers.items():
        text = what if heads[ip] == ip else f"{ip} {what}"
        yield from wrap(text, width, first=f"{heads[ip]:<{widest}}  ")


def _terms(matrix: Matrix, rows: Sequence[Row], style: Style) -> list[str]:
    """The legend: only what occurs."""
    cells = [cell for row in rows for cell in row.cells.values()]
    both = any(
        {(ip, way) for way in Transport} <= row.cells.keys()
        for row in rows
        for ip in matrix.servers
    )
    lossy = next((cell for cell in cells if cell.count != cell.asked), None)
    empty = any(c.status is Status.NOERROR and not c.has_records for c in cells)
    gaps = any(not any(ip == s for s, _ in row.cells) for row in rows for ip in matrix.servers)
    terms = ["times: the slowest over UDP/TCP"] if both else []
    terms += [f"{said(lossy)}: {lossy.count} of {lossy.asked} ended so"] if lossy else []
    terms += [f"{NODATA}: no record of that type"] if empty else []
    terms += [f"{'·' if style.unicode else '-'}: not asked"] if gaps else []
    return wrap("; ".join(terms), style.width, first=INDENT) if terms else []
