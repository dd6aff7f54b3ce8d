"""The command line: words to a request, the report to stdout, progress to stderr.

Everything heavy is imported late.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.model import DnsdebugError, Severity
from kubectl_dnsdebug.terminal.flags import (
    TargetOrCommand,
    connection_flags,
    keeping_flags,
    offer,
    report_flags,
)
from kubectl_dnsdebug.terminal.settings import DEFAULT_IMAGE, Diagnosing
from kubectl_dnsdebug.terminal.signals import Interrupted, signals_raise

if TYPE_CHECKING:
    from kubectl_dnsdebug.api.cluster import Session
    from kubectl_dnsdebug.collect.targets import Target
    from kubectl_dnsdebug.model import Evidence

# Of the namespaces that every cluster has, the one that Pod Security usually exempts.
DEEP_NAMESPACE = "kube-system"
_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")


EXAMPLES = """\b
Examples:
  # why does this pod not resolve names?
  kubectl dnsdebug pod/web -n shop
  # one pod of a deployment, and a name that matters
  kubectl dnsdebug deploy/front --name db.example.com
  # what would be made, and which permissions that needs
  kubectl dnsdebug pod/web --dry-run
  # keep the evidence, look at it again elsewhere
  kubectl dnsdebug pod/web --save evidence.json
  kubectl dnsdebug replay evidence.json

Exit codes: 0 healthy, 1 the tool failed, 2 usage, 3 inconclusive, 4 causes found.
Flags come after the plugin's name: kubectl dnsdebug -n shop pod/web.
"""


@click.group(
    cls=TargetOrCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXAMPLES,
)
@click.version_option(__version__, message="kubectl-dnsdebug %(version)s")
def root() -> None:
    """Name the cause of a DNS failure in Kubernetes, with proof, fix and a check by hand.

    \b
    kubectl dnsdebug TARGET...   diagnose; a target is a pod (web, pod/web) or something with
                                 pods: deploy/x sts/x ds/x rs/x job/x svc/x, or -l app=x
    """


@root.command(cls=Diagnosing, hidden=True)
@click.argument("targets", nargs=-1, shell_complete=offer("target"))
@click.option("-l", "--selector", default="", help="Label selector; one of its pods is picked.")
@click.option("--name", "names", multiple=True, help="A name to test besides the standard ones.")
@click.option(
    "--image",
    default=DEFAULT_IMAGE,
    envvar="KUBECTL_DNSDEBUG_IMAGE",
    show_envvar=True,
    help="Image with the DNS tools.",
)
@click.option(
    "--image-pull-secret", "pull_secrets", multiple=True, help="Pull secret for pods we make."
)
@click.option(
    "--mode",
    type=click.Choice(["ephemeral", "sibling"]),
    default="ephemeral",
    help="Stand in the pod, or in a pod like it that is removed afterwards.",
)
@click.option(
    "--deep", is_flag=True, help="Look at the node too: a privileged pod there that only reads."
)
@click.option(
    "--deep-namespace",
    default=DEEP_NAMESPACE,
    show_default=True,
    help="Where that pod is made: a namespace that admits privileged pods.",
)
@click.option("--timeout", default=30.0, show_default=True, help="Seconds for the whole run.")
@click.option("--dry-run", is_flag=True, help="Print what would be made and what that needs.")
@keeping_flags
@report_flags
@connection_flags
def diagnose(**given: Any) -> None:
    """Diagnose pods: TARGET is a pod, or deploy/x sts/x ds/x rs/x job/x svc/x, or -l app=x."""
    from kubectl_dnsdebug.collect import run as collect
    from kubectl_dnsdebug.collect import targets
    from kubectl_dnsdebug.terminal import dry_run, keep

    if not given["targets"] and not given["selector"]:
        raise click.UsageError("name a target, such as pod/web or -l app=web")
    if given["timeout"] < 10:
        raise click.UsageError("--timeout must be at least 10 seconds: a pod has to start")
    for name in given["names"]:
        if len(name) > 253 or not _NAME.fullmatch(name):
            raise click.UsageError(f"--name {name!r} is no DNS name")
    _known_slugs(given["ignore"])
    keep.probe(given["save"], given["bundle"])
    with _session(given) as session:
        found = targets.resolve(session, session.namespace, given["targets"], given["selector"])
        request = _request(given, found)
        if given["dry_run"]:
            draft = collect.draft(session, found, request, _made_by(), given["pull_secrets"])
            _print(dry_run.text(draft))
            return
        evidence = _watched_run(session, found, request, given)
    _conclude(evidence, given)


def _request(given: dict[str, Any], found: Sequence[Target]) -> Any:
    from kubectl_dnsdebug.model import Request

    return Request(
        targets=tuple(str(target.pod.subject) for target in found),
        picked_by=tuple(target.picked_by for target in found),
        names=given["names"],
        image=given["image"] or DEFAULT_IMAGE,
        mode=given["mode"],
        timeout=given["timeout"],
        deep=given["deep_namespace"] if given["deep"] else "",
    )


def _watched_run(
    session: Session, found: Sequence[Target], request: Any, given: dict[str, Any]
) -> Evidence:
    """The run, with signals turned into an orderly end."""
    from kubectl_dnsdebug import evidence
    from kubectl_dnsdebug.collect import cleanup
    from kubectl_dnsdebug.collect import run as collect
    from kubectl_dnsdebug.collect.ledger import Ledger
    from kubectl_dnsdebug.terminal.progress import progress

    ledger = Ledger()
    with signals_raise(), progress() as say:
        try:
            got = collect.run(
                session, found, request, _made_by(), ledger, say, tuple(given["pull_secrets"])
            )
        except BaseException:
            cleanup.settle(session, ledger)  # the signal may have come while it was doing this
            for entry in ledger.entries():
                if entry.fate not in ("", cleanup.REMOVED):
                    click.echo(f"{entry.what}: {entry.fate}", err=True)
            raise
    return evidence.load(evidence.dump(got))


def _session(given: dict[str, Any]) -> Session:
    from kubectl_dnsdebug.api import kubeconfig
    from kubectl_dnsdebug.api.cluster import open_session

    fields = kubeconfig.Flags.__dataclass_fields__
    flags = kubeconfig.Flags(**{name: given[name] for name in fields if name in given})
    return open_session(kubeconfig.load(flags, os.environ))


def _made_by() -> str:
    return f"kubectl-dnsdebug {__version__}"


def _known_slugs(slugs: Sequence[str]) -> None:
    from kubectl_dnsdebug.rules import RULES

    known = {rule.slug for rule in RULES}
    for slug in slugs:
        if slug not in known:
            raise click.UsageError(
                f"--ignore {slug}: no such rule; `kubectl dnsdebug explain` lists them"
            )


def _conclude(evidence: Evidence, given: dict[str, Any]) -> NoReturn:
    """Reason, print, keep, and leave with the code that says what was found."""
    from kubectl_dnsdebug.report import report
    from kubectl_dnsdebug.report.render import RENDERERS
    from kubectl_dnsdebug.rules import RULES
    from kubectl_dnsdebug.terminal import keep

    if given["anonymize"]:
        from kubectl_dnsdebug.anonymize import anonymize

        evidence = anonymize(evidence, os.urandom(32))
    made = report.build(
        evidence, RULES, fail_on=Severity(given["fail_on"]), ignore=tuple(given["ignore"])
    )
    _print(RENDERERS[given["output"]](made, _style(given["color"])))
    keep.keep(evidence, made, given["save"], given["bundle"])
    sys.exit(made.exit_code)


def _style(colour: str) -> Any:
    import shutil

    from kubectl_dnsdebug.report.render import Style

    terminal = sys.stdout.isatty()
    wanted = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        "→✓".encode(sys.stdout.encoding or "ascii")
        unicode = terminal
    except UnicodeEncodeError:
        unicode = False
    return Style(
        width=shutil.get_terminal_size((100, 24)).columns if terminal else 100,
        colour=colour == "always" or (colour == "auto" and wanted),
        unicode=unicode,
    )


def _print(text: str) -> None:
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the exit code still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnicodeEncodeError:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "ascii", "backslashreplace"))


@root.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@keeping_flags
@report_flags
def replay(file: str, **given: Any) -> None:
    """Print the report of saved evidence again, without a cluster."""
    from kubectl_dnsdebug import evidence

    _known_slugs(given["ignore"])
    text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8", "replace")
    _conclude(evidence.load(text), given)


@root.command()
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in every namespace.")
@click.option("--run", "run_id", default="", help="Only what the run of this id made.")
@click.option("-y", "--yes", is_flag=True, help="Remove; without it they are only shown.")
@connection_flags
def cleanup(all_namespaces: bool, run_id: str, yes: bool, **given: Any) -> None:
    """Show what a killed run left, and remove it with --yes."""
    from kubectl_dnsdebug.collect import cleanup as cleaning

    with _session(given) as session:
        found = cleaning.leftovers(session, None if all_namespaces else session.namespace, run_id)
        if not found:
            where = (
                "any namespace"
                if all_namespaces
                else f"namespace {session.namespace} (-A looks in all)"
            )
            _print(f"nothing left by dnsdebug in {where}")
        elif not yes:
            for each in found:
                pod = f"pod/{each.namespace}/{each.name}"
                _print(f"{pod}  {each.phase}  run {each.run}  since {each.since}")
            _print("nothing was removed: repeat with --yes to remove these")
        else:
            fates = cleaning.sweep(session, found)
            for each, fate in fates:
                _print(f"pod/{each.namespace}/{each.name}  {fate}")
            sys.exit(0 if all(fate == cleaning.REMOVED for _, fate in fates) else 1)


@root.command()
def rbac() -> None:
    """Print the smallest ClusterRole for each level of use, as YAML."""
    import yaml

    from kubectl_dnsdebug.collect.permissions import roles

    _print("---\n".join(yaml.safe_dump(role, sort_keys=False) for role in roles()))


@root.command()
@click.argument("slug", required=False, shell_complete=offer("slug"))
def explain(slug: str | None) -> None:
    """List the causes the tool knows, or explain one."""
    from kubectl_dnsdebug.terminal import catalogue

    texts = catalogue.texts()
    if (slug or "") not in texts:
        raise click.UsageError(f"{slug}: no such rule; `kubectl dnsdebug explain` lists them")
    _print(texts[slug or ""])


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The program. Exit codes are the report's, 1 for a failure of the tool, 2 for wrong usage."""
    called = Path(sys.argv[0]).stem
    if called == "kubectl_complete-dnsdebug":
        from kubectl_dnsdebug.terminal import completion

        completion.answer_kubectl(root, sys.argv[1:])
        sys.exit(0)
    # Set by the functions that click gives to shells; they know us by our file name.
    completing = "_KUBECTL_DNSDEBUG_COMPLETE"
    try:
        root.main(
            args=None if argv is None else list(argv),
            prog_name=called if completing in os.environ else "kubectl dnsdebug",
            complete_var=completing,
            standalone_mode=False,
        )
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except DnsdebugError as wrong:
        _fail(str(wrong), 1)
    except Interrupted as stop:
        _fail("interrupted; pods that were made are removed, unless said above", stop.code)
    except (KeyboardInterrupt, click.Abort):
        _fail("interrupted before anything was made", 130)
    except Exception as wrong:
        if os.environ.get("DNSDEBUG_DEBUG"):
            raise
        what = " ".join(f"{type(wrong).__name__}: {wrong}".split())[:300]
        _fail(
            f"internal error: {what}; this is a bug, please report it: "
            "rerun with DNSDEBUG_DEBUG=1 for the traceback",
            1,
        )
    sys.exit(0)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"error: {text}", err=True)
    sys.exit(code)
