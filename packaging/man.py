"""`make docs`: the manual page, written from the commands as click knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from kubectl_dnsdebug import __version__, cli

PAGE = Path(__file__).parent.parent / "docs" / "kubectl-dnsdebug.1"
ENVIRONMENT = {
    "KUBECONFIG": "The kubeconfig files, as for kubectl.",
    "KUBECTL_DNSDEBUG_IMAGE": "The image with the DNS tools; --image goes before it.",
    "NO_COLOR": "No colour, unless --color always asks for it.",
    "HTTPS_PROXY, NO_PROXY": "The way to the API server.",
    "SSL_CERT_FILE": "Certificate authorities, where the kubeconfig names none.",
    "XDG_CONFIG_HOME": "Where the settings file is looked for; ~/.config without it.",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The text of the page, in the macros of man(7)."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    context = click.Context(cli.root, info_name="kubectl dnsdebug")
    diagnose = cli.root.commands["diagnose"]
    examples, _, rest = cli.EXAMPLES.removeprefix("\b\nExamples:\n").partition("\nExit codes: ")
    codes, _, note = rest.partition("\n")
    first, *_ = (cli.root.help or "").split("\n\n")
    yield '.\\" Written by `make docs` from the commands: change those.'
    yield f'.TH KUBECTL-DNSDEBUG 1 "" "kubectl-dnsdebug {__version__}" "User Commands"'
    yield from (".nh", ".ad l")  # names and flags are for copying
    yield ".SH NAME"
    yield f"kubectl\\-dnsdebug \\- {_text(first[0].lower() + first[1:].rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield ".B kubectl dnsdebug"
    yield "[\\fIFLAGS\\fR] \\fITARGET\\fR..."
    yield ".br"
    yield ".B kubectl dnsdebug"
    yield "\\fICOMMAND\\fR [\\fIFLAGS\\fR] [\\fIARGUMENTS\\fR]"
    yield ".SH DESCRIPTION"
    yield _text(first)
    yield ".PP"
    yield _text(f"{diagnose.help} {note}")
    yield ".SH FLAGS"
    yield from _options(diagnose, context)
    yield ".SH COMMANDS"
    for name, command in sorted(cli.root.commands.items()):
        if not command.hidden:
            yield from _command(name, command, diagnose, context)
    yield ".SH EXIT STATUS"
    yield _text(codes)
    yield ".SH ENVIRONMENT"
    for name, meaning in ENVIRONMENT.items():
        yield from (".TP", f".B {_text(name)}", _text(meaning))
    yield ".SH FILES"
    yield from (".TP", ".I ~/.config/kubectl\\-dnsdebug/config.toml")
    yield "Defaults of the image, the pull secret and the time-out."
    yield ".SH EXAMPLES"
    for line in examples.splitlines():
        said = line.strip()
        if said.startswith("# "):
            yield from (".PP", _text(said[2:]))
        else:
            yield from (".PP", ".RS 4", ".EX", _text(said), ".EE", ".RE")
    yield ".SH SEE ALSO"
    yield "\\fBkubectl\\fR(1), \\fBresolv.conf\\fR(5), \\fBdig\\fR(1)"


def _command(
    name: str, command: click.Command, diagnose: click.Command, context: click.Context
) -> Iterator[str]:
    """A command with the flags that are its own; of those of a diagnosis the names are enough."""
    arguments = [
        f"[\\fI{param.human_readable_name.upper()}\\fR]"
        if not param.required
        else f"\\fI{param.human_readable_name.upper()}\\fR"
        for param in command.params
        if isinstance(param, click.Argument)
    ]
    yield f".SS {' '.join((_text(name), *arguments))}"
    yield _text(command.help or "")
    known = {_names(option): option.help for option in _shown(diagnose)}
    own = [each for each in _shown(command) if known.get(_names(each)) != each.help]
    for option in own:
        yield from _option(option, context)
    shared = [each.opts[-1] for each in _shown(command) if each not in own]
    if shared:
        yield ".PP"
        yield _text(f"As above: {', '.join(shared)}.")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in _shown(command):
        yield from _option(option, context)


def _option(option: click.Option, context: click.Context) -> Iterator[str]:
    found = option.get_help_record(context)
    if found:
        names, meaning = found
        yield from (".TP", f".B {_text(names)}", _text(meaning))


def _shown(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option) and not each.hidden]


def _names(option: click.Option) -> tuple[str, ...]:
    return tuple(option.opts)


def _text(text: str) -> str:
    """One line of words, none of which is a request to the formatter."""
    line = " ".join(re.sub("[\b]", "", text).split())
    line = line.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    main()
