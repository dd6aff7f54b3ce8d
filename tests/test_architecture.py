"""The layers of the program: who may import whom, held as data."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "kubectl_dnsdebug"
NAME = PACKAGE.name
MAX_LINES = 350

# Folders are the layers, in the order of the flow; what stands alone is a layer of its own.
# Pure: facts and transcripts in, a report out. No clock, no chance, no network, no environment,
# so that a replay is the same to the byte.
PURE: dict[str, set[str]] = {
    "__init__": set(),
    "model": set(),
    "hygiene": set(),
    "evidence": {"model", "hygiene"},
    "parse": {"model", "dns"},
    "observe": {"model", "parse"},
    "plan": {"model", "observe"},
    "anonymize": {"model", "evidence", "observe", "parse"},
    "reason": {"model", "observe"},
    "rules": {"model", "parse", "observe", "reason"},
    "report": {
        "model",
        "parse",
        "observe",
        "reason",
        "tabulate",
        "rich",
        "click",
        "yaml",
        "jinja2",
        "markupsafe",
    },
}

# Live: what talks to a cluster, a terminal or a file.
LIVE: dict[str, set[str]] = {
    "api": {"model", "hygiene", "yaml", "urllib3", "kubernetes"},
    "collect": {"model", "hygiene", "parse", "observe", "plan", "api", "dns"},
    "terminal": {
        "model",
        "hygiene",
        "evidence",
        "anonymize",
        "observe",
        "reason",
        "rules",
        "report",
        "api",
        "collect",
        "click",
        "rich",
        "yaml",
    },
}

LAYERS = PURE | LIVE

# The command line joins everything, but loads these only in the command that needs them:
# `explain` and `replay` neither wait for the Kubernetes client nor depend on it.
ON_DEMAND = {"kubernetes", "api", "collect"} - {"signals", "flags"}

NOT_PURE = {
    "asyncio",
    "concurrent",
    "datetime",
    "http",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}


class Import(NamedTuple):
    """One imported thing: a layer of the package, or the top name of another package."""

    what: str
    line: int
    at_start: bool


MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(dotted: str) -> str:
    """The layer a module belongs to: a folder is one layer."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def dotted_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    """The full names that one import statement loads."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = package.split(".")
    parents = base[: len(base) - node.level + 1] if node.level else []
    module = ".".join([*parents, *filter(None, [node.module])])
    # `from . import model` names a module of the package.
    return [f"{module}.{alias.name}" for alias in node.names] if module == NAME else [module]


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, and whether it happens when the module is loaded."""
    package = dotted_name(path) if path.stem == "__init__" else dotted_name(path).rpartition(".")[0]

    def walk(node: ast.AST, at_start: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported(node, package):
                top = name.split(".")[0]
                what = layer_of(name) if top == NAME else top
                yield Import("__init__" if what == "__version__" else what, node.lineno, at_start)
        inner = at_start and not (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        )
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inner)

    yield from walk(ast.parse(path.read_text()), at_start=True)


def module_id(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = layer_of(dotted_name(path))
    if layer in ("cli", "__main__"):
        early = [i for i in imports(path) if i.at_start and i.what in ON_DEMAND]
        assert not early, f"import these inside the command that needs them: {early}"
        return
    assert layer in LAYERS, f"{path.name} is in no layer: add it to the table here"
    # Rules never call each other; only their list knows them.
    own = set() if layer == "rules" and path.stem != "__init__" else {layer}
    allowed = LAYERS[layer] | own | {"__init__"} | sys.stdlib_module_names
    wrong = [i for i in imports(path) if i.what not in allowed]
    assert not wrong, f"layer {layer} may not import these: {wrong}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if layer_of(dotted_name(p)) in PURE], ids=module_id
)
def test_a_pure_module_has_no_clock_chance_network_or_environment(path: Path) -> None:
    wrong = [i for i in imports(path) if i.what in NOT_PURE]
    assert not wrong, f"below the line: {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_a_module_can_be_held_in_mind(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_the_table_has_no_cycle() -> None:
    order = list(LAYERS)
    later = {
        (layer, other)
        for layer, allowed in LAYERS.items()
        for other in allowed & LAYERS.keys()
        if order.index(other) >= order.index(layer)
    }
    assert not later, f"a layer stands below those it imports: {later}"


def test_loading_the_command_line_loads_no_kubernetes_client() -> None:
    if not (PACKAGE / "cli.py").exists():
        pytest.skip("no command line yet")
    script = f"import sys, json, {NAME}.cli; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", script], text=True))
    assert not {"kubernetes", f"{NAME}.api.cluster"} & set(loaded)


def test_one_module_knows_the_kubernetes_client() -> None:
    knowing = {module_id(p) for p in MODULES for i in imports(p) if i.what == "kubernetes"}
    assert knowing <= {"api/cluster.py"}
