"""The walk of one name as Markdown, to paste where a name is argued about."""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_dnsdebug.report.render.markdown import code, prose
from kubectl_dnsdebug.report.render.style import Style
from kubectl_dnsdebug.report.render.walk import cell, ending, sentence, turns
from kubectl_dnsdebug.report.walks import Resolution


def render(found: Resolution, style: Style) -> str:
    return style.final("\n".join(_lines(found)) + "\n")


def _lines(found: Resolution) -> Iterator[str]:
    _, words = ending(found)
    yield f"## {prose(found.name)} in {prose(str(found.pod))}"
    yield from ("", f"**{prose(words)}.** Exit code {found.exit_code}.")
    if found.conf:
        servers, searched = (
            prose(" ".join(each) or "none") for each in (found.conf.nameservers, found.conf.search)
        )
        libc = prose(found.libc or "libc not seen")
        text = f"{libc}; nameservers {servers}; search {searched}; ndots {found.conf.ndots}."
        yield from ("", text)
    if found.candidates:
        yield from ("", *_grid(found))
    yield ""
    for client in found.clients:
        whose = " (the pod's)" if client.own else ""
        yield f"- **{client.walk.libc.value}**{whose}: {prose(sentence(client))}"
    if found.in_hosts:
        yield f"- The pod's /etc/hosts has it: {code(found.in_hosts)}"
    yield from (f"- **Advice:** {prose(each)}" for each in found.advice)
    if found.gap:
        yield f"- **Could not be tested:** {prose(found.gap)}"


def _grid(found: Resolution) -> Iterator[str]:
    does = [turns(client) for client in found.clients]
    yield f"| candidate | A | AAAA | {' | '.join(c.walk.libc.value for c in found.clients)} |"
    yield f"|{' --- |' * (3 + len(does))}"
    for each in found.candidates:
        asks = [turn[each.name][1] if each.name in turn else "-" for turn in does]
        answers = map(prose, (each.name, cell(each.a), cell(each.aaaa)))
        yield f"| {' | '.join((*answers, *asks))} |"
