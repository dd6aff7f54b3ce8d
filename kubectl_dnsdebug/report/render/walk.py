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
            _cell(each.a),
            _cell(each.aaaa),
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


def _cell(said: Said | None) -> str:
    if said is None:
        return "?"
    what = said.records[0] if said.records else said.reply.value.upper()
    what += f" +{len(said.records) - 1}" if len(said.records) > 1 else ""
    if said.reply is Reply.SILENCE or said.ms is None:
        return what
    return f"{what} {said.ms:.0f} ms"


def _verdict(client: Client, style: Style) -> Iterator[str]:
    tone = {Stop.ANSWERED: Tone.GOOD, Stop.UNKNOWN: Tone.DOUBTFUL}.get(client.walk.stop, Tone.BAD)
    if client.walk.found:
        text = f"resolves to {', '.join(client.addresses)} as {client.walk.found}"
    elif client.says:
        text = f'fails: "{client.says}". {client.walk.why.rstrip(".")}'
    else:
        text = f"not known: {client.walk.why.rstrip('.')}"
    cost = f"{client.queries} queries, {_time(client.seconds)}"
    name = client.walk.libc.value + (" (the pod's)" if client.own else "")
    first, *rest = wrap(f"{name}: {text}; {cost}", style.width - 3)
    yield f"{style.mark(tone)} {style.paint(first, tone)}"
    yield from (f"  {line}" for line in rest)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _end(found: Resolution, style: Style) -> Iterator[str]:
    known = [client for client in found.clients if client.own]
    failing = [client.walk.libc.value for client in known or found.clients if client.says]
    whose = "the pod's own resolver" if known else "glibc, musl and Go alike"
    tone, text = {
        Exit.HEALTHY: (Tone.GOOD, f"it resolves with {whose}"),
        Exit.CAUSES: (Tone.BAD, f"it does not resolve with {', '.join(failing)}"),
    }.get(found.exit_code, (Tone.DOUBTFUL, "inconclusive: it could not be tested"))
    yield f"{style.mark(tone)} {style.paint(f'{text}. Exit code {found.exit_code}.', tone)}"
