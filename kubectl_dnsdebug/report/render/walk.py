"""The screen of a walk: candidates by resolvers, then a verdict line for each."""

from __future__ import annotations

from collections.abc import Iterator

from tabulate import tabulate

from kubectl_dnsdebug.parse.search import Reply, Stop
from kubectl_dnsdebug.report.exits import Exit
from kubectl_dnsdebug.report.render.style import Style, Tone, one_line, wrap
from kubectl_dnsdebug.report.steps import Client, Said
from kubectl_dnsdebug.report.walks import Resolution


def render(found: Resolution, style: Style) -> str:
    lines = [*_head(found, style)]
    if found.candidates:
        lines += ["", *_grid(found, style), ""]
    for client in found.clients:
        lines += _verdict(client, style)
    if found.in_hosts:
        text = f"The pod's /etc/hosts has it ({found.in_hosts}): programs do not ask DNS."
        lines += wrap(text, style.width)
    for each in found.advice:
        lines += wrap(each, style.width, first="advice  ")
    if found.gap:
        lines += wrap(f"could not be tested: {found.gap}", style.width)
    lines += ["", *_end(found, style)]
    return style.final("\n".join(line.rstrip() for line in lines) + "\n")


def _head(found: Resolution, style: Style) -> Iterator[str]:
    title = style.paint(one_line(found.name), Tone.TITLE)
    yield f"{title} as typed in {found.pod} ({found.libc or 'libc not seen'})"
    if found.conf:
        searched = " ".join(found.conf.search) or "none"
        servers = " ".join(found.conf.nameservers) or "none"
        text = f"nameservers {servers}; search {searched}; ndots {found.conf.ndots}"
        yield from wrap(text, style.width)


def _grid(found: Resolution, style: Style) -> Iterator[str]:
    """Under each resolver the turn at which it asks that candidate."""
    turns = {
        client.walk.libc: {step.name: n for n, step in enumerate(client.walk.steps, 1)}
        for client in found.clients
    }
    rows = [
        [
            one_line(each.name),
            cell(each.a),
            cell(each.aaaa),
            *(str(turn.get(each.name, "-")) for turn in turns.values()),
        ]
        for each in found.candidates
    ]
    text = tabulate(
        rows,
        headers=["candidate", "A", "AAAA", *(libc.value for libc in turns)],
        tablefmt="plain",
        disable_numparse=True,
    )
    head, *body = text.splitlines()
    yield style.paint(head, Tone.TITLE)
    yield from body


def cell(said: Said | None) -> str:
    """What one family of a candidate got, and when."""
    if said is None:
        return "?"
    what = said.records[0] if said.records else said.reply.value.upper()
    what += f" +{len(said.records) - 1}" if len(said.records) > 1 else ""
    if said.reply is Reply.SILENCE or said.ms is None:
        return what
    return f"{what} {said.ms:.0f} ms"


def _verdict(client: Client, style: Style) -> Iterator[str]:
    tone = fares(client)
    name = client.walk.libc.value + (" (the pod's)" if client.own else "")
    first, *rest = wrap(f"{name}: {sentence(client)}", style.width - 3)
    yield f"{style.mark(tone)} {style.paint(first, tone)}"
    yield from (f"  {line}" for line in rest)


def fares(client: Client) -> Tone:
    """Whether that resolver finds an address."""
    return {Stop.ANSWERED: Tone.GOOD, Stop.UNKNOWN: Tone.DOUBTFUL}.get(client.walk.stop, Tone.BAD)


def sentence(client: Client) -> str:
    """What comes of the walk, and what it costs."""
    if client.walk.found:
        text = f"resolves to {', '.join(client.addresses)} as {client.walk.found}"
    elif client.says:
        text = f'fails: "{client.says}". {client.walk.why.rstrip(".")}'
    else:
        text = f"not known: {client.walk.why.rstrip('.')}"
    return f"{text}; {client.queries} queries, {_time(client.seconds)}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _end(found: Resolution, style: Style) -> Iterator[str]:
    tone, text = ending(found)
    yield f"{style.mark(tone)} {style.paint(f'{text}. Exit code {found.exit_code}.', tone)}"


def ending(found: Resolution) -> tuple[Tone, str]:
    """The verdict of the whole walk."""
    known = [client for client in found.clients if client.own]
    failing = [client.walk.libc.value for client in known or found.clients if client.says]
    whose = "the pod's own resolver" if known else "glibc, musl and Go alike"
    return {
        Exit.HEALTHY: (Tone.GOOD, f"it resolves with {whose}"),
        Exit.CAUSES: (Tone.BAD, f"it does not resolve with {', '.join(failing)}"),
    }.get(found.exit_code, (Tone.DOUBTFUL, "inconclusive: it could not be tested"))


def turns(client: Client) -> dict[str, tuple[Tone, str]]:
    """What that resolver does at each candidate that it asks, in its order."""
    last = client.walk.steps[-1].name if client.walk.steps else ""
    ends = {
        Stop.ANSWERED: (Tone.GOOD, "found"),
        Stop.GAVE_UP: (Tone.BAD, "stops here"),
        Stop.EXHAUSTED: (Tone.BAD, "end of the list"),
        Stop.UNKNOWN: (Tone.DOUBTFUL, "not known"),
    }
    found = {}
    for number, step in enumerate(client.walk.steps, 1):
        tone, words = ends[client.walk.stop] if step.name == last else (Tone.QUIET, "goes on")
        found[step.name] = (tone, f"{number}. {words}")
    return found
