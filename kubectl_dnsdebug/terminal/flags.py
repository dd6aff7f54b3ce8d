"""The flags that commands share, and how the first word chooses between target and command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from kubectl_dnsdebug.model import PATIENCE, Severity
from kubectl_dnsdebug.terminal.settings import DEFAULT_IMAGE

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PLAIN_FORMATS = ("table", "json", "yaml")  # of what is no diagnosis
WALK_FORMATS = (*PLAIN_FORMATS, "markdown", "html")
# Of the namespaces that every cluster has, the one that Pod Security usually exempts.
DEEP_NAMESPACE = "kube-system"
LONGEST = 86_400  # seconds of a run: API and timers would refuse far larger numbers half-way
FORMATS = ("table", "short", "json", "yaml", "markdown", "html", "junit")


def offer(what: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Complete by a function of the completion module, which only a completing shell loads."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        from kubectl_dnsdebug.terminal import completion

        found: list[CompletionItem] = getattr(completion, what)(context, begun)
        return found

    return complete


def connection_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """kubectl's flags, in kubectl's words."""
    flags = [
        click.option(
            "-n",
            "--namespace",
            default="",
            shell_complete=offer("namespace"),
            help="Namespace; the context's by default.",
        ),
        click.option(
            "--context",
            default="",
            shell_complete=offer("kube_context"),
            help="Context of the kubeconfig to use.",
        ),
        click.option(
            "--kubeconfig", type=click.Path(), default="", help="Path of the kubeconfig file."
        ),
        click.option("--cluster", default="", hidden=True),
        click.option("--user", default="", hidden=True),
        click.option("--as", "as_user", default="", help="User to impersonate."),
        click.option("--as-group", multiple=True, help="Group to impersonate; repeatable."),
        click.option("--as-uid", default="", hidden=True),
        click.option("--token", default="", hidden=True),
        click.option("-s", "--server", default="", hidden=True),
        click.option("--certificate-authority", default="", hidden=True),
        click.option("--client-certificate", default="", hidden=True),
        click.option("--client-key", default="", hidden=True),
        click.option("--tls-server-name", default="", hidden=True),
        click.option("--insecure-skip-tls-verify", is_flag=True, hidden=True),
        click.option(
            "--request-timeout", default="0", help="Time for one API request, such as 5s."
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


def patient(_: click.Context, __: click.Parameter, seconds: float) -> float:
    """Refuse a time-out in which no pod starts, and one that no clock could keep."""
    if seconds < 10:
        raise click.UsageError("--timeout must be at least 10 seconds: a pod has to start")
    if not seconds <= LONGEST:  # as "nan" is not
        raise click.UsageError(f"--timeout must be at most {LONGEST} seconds, a day")
    return seconds


def probing_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """How to stand in a pod and ask from there."""
    flags = [
        click.option(
            "--image",
            default=DEFAULT_IMAGE,
            envvar="KUBECTL_DNSDEBUG_IMAGE",
            show_envvar=True,
            help="Image with the DNS tools.",
        ),
        click.option(
            "--image-pull-secret",
            "pull_secrets",
            multiple=True,
            help="Pull secret for pods we make.",
        ),
        click.option(
            "--mode",
            type=click.Choice(["ephemeral", "sibling"]),
            default="ephemeral",
            help="Stand in the pod, or in a pod like it that is removed afterwards.",
        ),
        click.option(
            "--timeout",
            default=PATIENCE,
            show_default=True,
            callback=patient,
            help="Seconds for the whole run.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


def deep_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whether the node itself is looked at, and from where."""
    flags = [
        click.option(
            "--deep",
            is_flag=True,
            help="Look at the node too: a privileged pod there that only reads.",
        ),
        click.option(
            "--deep-namespace",
            default=DEEP_NAMESPACE,
            show_default=True,
            help="Where that pod is made: a namespace that admits privileged pods.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


def report_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """How the report is judged and printed; the same live and replayed."""
    flags = [
        click.option("-o", "--output", type=click.Choice(FORMATS), default="table", help="Format."),
        click.option(
            "--fail-on",
            type=click.Choice([each.value for each in Severity]),
            default=Severity.ERROR.value,
            help="Exit 4 from this severity on.",
        ),
        click.option(
            "--ignore",
            multiple=True,
            metavar="SLUG",
            shell_complete=offer("slug"),
            help="Rule to leave out; repeatable.",
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="Colour.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


def keeping_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is kept of a run, and whether under its own names."""
    flags = [
        click.option(
            "--save", type=click.Path(dir_okay=False), help="Keep the evidence in a file."
        ),
        click.option(
            "--bundle",
            type=click.Path(dir_okay=False),
            help="Keep evidence and HTML report in a zip archive, to hand on.",
        ),
        click.option(
            "--anonymize",
            is_flag=True,
            help="Tokens for names and addresses, in the report and in what is kept.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


class TargetOrCommand(click.Group):
    """The first word that is no flag names the command; any other word is a target to diagnose."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = list(args)
        if not args:
            args = ["--help"]
        if not {"--help", "--version", "-h"} & set(args[:1]):
            place = _first_word(args, self.commands.values())
            if place is not None and args[place] in self.commands:
                args.insert(0, args.pop(place))
            else:
                args.insert(0, "diagnose")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The flags of a diagnosis too: it is the command that has no word of its own."""
        params = self.commands["diagnose"].get_params(ctx)
        flags = [p for p in params if isinstance(p, click.Option) and p.name != "help"]
        with formatter.section("Flags"):
            formatter.write_dl([found for p in flags if (found := p.get_help_record(ctx))])
        super().format_options(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The first word may become a command or a target, a first flag is one of `diagnose`."""
        command = self.commands["diagnose"]
        with command.make_context("diagnose", [], parent=ctx, resilient_parsing=True) as inner:
            flag = incomplete.startswith("-")
            completer = command if flag else command.params[0]
            return super().shell_complete(ctx, incomplete) + completer.shell_complete(
                inner, incomplete
            )


def _first_word(args: Sequence[str], commands: Iterable[click.Command]) -> int | None:
    """Where the first argument stands that is neither a flag nor a flag's value."""
    valued = {
        name
        for command in commands
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag
        for name in param.opts
    }
    skip = False
    for place, arg in enumerate(args):
        if skip:
            skip = False
        elif arg.startswith("-") and arg != "-":
            skip = arg in valued
        else:
            return place
    return None
