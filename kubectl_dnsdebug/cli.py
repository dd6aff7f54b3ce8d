"""The command line: words to a request, the report to stdout, progress to stderr.

Everything heavy is imported late.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from kubectl_dnsdebug import __version__
from kubectl_dnsdebug.model import DnsdebugError
from kubectl_dnsdebug.terminal import conclude, live, questions, watching
from kubectl_dnsdebug.terminal.flags import (
    TargetOrCommand,
    connection_flags,
    deep_flags,
    keeping_flags,
    offer,
    probing_flags,
    report_flags,
)
from kubectl_dnsdebug.terminal.output import show
from kubectl_dnsdebug.terminal.settings import Diagnosing
from kubectl_dnsdebug.terminal.signals import Interrupted

EXAMPLES = """\b
Examples:
  # why does this pod not resolve names?
  kubectl dnsdebug pod/web -n shop
  # one pod of a deployment, and a name that matters
  kubectl dnsdebug deploy/front --name db.example.com
  # what would be made, and which permissions that needs
  kubectl dnsdebug pod/web --dry-run
  # where does each resolver find one name, and at what cost?
  kubectl dnsdebug resolve db.example.com --from pod/web
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
    subcommand_metavar="TARGET... | COMMAND [ARGS]...",
)
@click.version_option(__version__, message="kubectl-dnsdebug %(version)s")
def root() -> None:
    """Name the cause of a DNS failure in Kubernetes, with proof, fix and a check by hand.

    \b
    TARGET  to diagnose: a pod (web, pod/web), or something with pods, such as
            deploy/x sts/x ds/x rs/x job/x svc/x, or -l app=x;
            or nodes: node/x, nodes, or nodes -l pool=x
    """


@root.command(cls=Diagnosing, hidden=True)
@click.argument("targets", nargs=-1, shell_complete=offer("target"))
@click.option("-l", "--selector", default="", help="Label selector; one of its pods is picked.")
@click.option("--name", "names", multiple=True, help="A name to test besides the standard ones.")
@deep_flags
@click.option("--dry-run", is_flag=True, help="Print what would be made and what that needs.")
@click.option("-y", "--yes", is_flag=True, help="Go on with more than 50 nodes without a question.")
@probing_flags
@keeping_flags
@report_flags
@connection_flags
def diagnose(**given: Any) -> None:
    """Diagnose pods: TARGET is a pod, or deploy/x sts/x ds/x rs/x job/x svc/x, or -l app=x.

    Or nodes: node/x, nodes, or nodes -l pool=x.
    """
    from kubectl_dnsdebug.collect import nodes
    from kubectl_dnsdebug.collect import run as collect
    from kubectl_dnsdebug.terminal import dry_run, keep
    from kubectl_dnsdebug.terminal import nodes as of_nodes

    if not given["targets"] and not given["selector"]:
        raise click.UsageError("name a target, such as pod/web or -l app=web")
    for name in given["names"]:
        live.must_be_name(name, "--name")
    if on_nodes := nodes.named(given["targets"]):
        of_nodes.must_be_all_nodes(given["targets"], on_nodes, given)
    conclude.known_slugs(given["ignore"])
    keep.probe(given["save"], given["bundle"])
    with live.session(given) as session:
        if on_nodes:
            of_nodes.diagnose(session, on_nodes, given)
            return
        found = live.targets(session, given["targets"], given["selector"])
        request = live.request(given, found)
        if given["dry_run"]:
            draft = collect.draft(session, found, request, live.made_by(), given["pull_secrets"])
            show(dry_run.text(draft))
            return
        evidence = live.watched_run(session, found, request, given)
    conclude.conclude(evidence, given)


@root.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@keeping_flags
@report_flags
def replay(file: str, **given: Any) -> None:
    """Print the report of saved evidence, or of a bundle, again, without a cluster."""
    from kubectl_dnsdebug import evidence
    from kubectl_dnsdebug.terminal import keep

    conclude.known_slugs(given["ignore"])
    held = evidence.load(keep.text(file))
    try:
        conclude.conclude(held, given)
    # Facts are as the API gave them: what of them a file holds, only who reads them finds out.
    except (AttributeError, LookupError, TypeError, ValueError) as wrong:
        if os.environ.get("DNSDEBUG_DEBUG"):
            raise
        raise evidence.unfit(held.tool, wrong) from None


@root.command()
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in every namespace.")
@click.option("--run", "run_id", default="", help="Only what the run of this id made.")
@click.option("-y", "--yes", is_flag=True, help="Remove; without it they are only shown.")
@connection_flags
def cleanup(all_namespaces: bool, run_id: str, yes: bool, **given: Any) -> None:
    """Show what a killed run left, and remove it with --yes."""
    from kubectl_dnsdebug.collect import cleanup as cleaning

    with live.session(given) as session:
        found = cleaning.leftovers(session, None if all_namespaces else session.namespace, run_id)
        if not found:
            where = (
                "any namespace"
                if all_namespaces
                else f"namespace {session.namespace} (-A looks in all)"
            )
            show(f"nothing left by dnsdebug in {where}")
        elif not yes:
            for each in found:
                pod = f"pod/{each.namespace}/{each.name}"
                show(f"{pod}  {each.phase}  run {each.run}  since {each.since}")
            show("nothing was removed: repeat with --yes to remove these")
        else:
            fates = cleaning.sweep(session, found)
            for each, fate in fates:
                show(f"pod/{each.namespace}/{each.name}  {fate}")
            sys.exit(0 if all(fate == cleaning.REMOVED for _, fate in fates) else 1)


@root.command()
def rbac() -> None:
    """Print the smallest ClusterRole for each level of use, as YAML."""
    import yaml

    from kubectl_dnsdebug.collect.permissions import roles

    show("---\n".join(yaml.safe_dump(role, sort_keys=False) for role in roles()))


@root.command()
@click.argument("slug", required=False, shell_complete=offer("slug"))
def explain(slug: str | None) -> None:
    """List the causes the tool knows, or explain one."""
    from kubectl_dnsdebug.terminal import catalogue

    texts = catalogue.texts()
    if (slug or "") not in texts:
        raise click.UsageError(f"{slug}: no such rule; `kubectl dnsdebug explain` lists them")
    show(texts[slug or ""])


@root.command()
def version() -> None:
    """Print the version, as kubectl and its plugins do under this word."""
    show(f"kubectl-dnsdebug {__version__}")


for question in (*questions.COMMANDS, watching.watch):
    root.add_command(question)


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
        _fail(str(wrong), 2 if wrong.usage else 1)
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
