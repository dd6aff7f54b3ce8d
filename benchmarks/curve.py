"""The numbers of a sweep by the number of nodes, kept as a file and shown as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

NUMBERS = Path(__file__).with_name("sweep.json")
WIDTH = 40
MEMORY_BAR = 300.0  # MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One sweep, and the replay of its evidence. Times in seconds, sizes in MB."""

    nodes: int
    wall: float
    cpu: float
    memory: float
    requests: int
    evidence: float
    replay_wall: float
    replay_memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The points in the order of their size, and the machine they were measured on."""

    machine: str
    points: tuple[Point, ...]


def save(curve: Curve, path: Path = NUMBERS) -> None:
    path.write_text(json.dumps(asdict(curve), indent=1) + "\n")


def load(path: Path = NUMBERS) -> Curve:
    data = json.loads(path.read_text())
    return Curve(machine=data["machine"], points=tuple(Point(**each) for each in data["points"]))


def picture(curve: Curve) -> str:
    """A table, and bars: memory against what it may be, and what one node costs at each size."""
    columns: dict[str, Callable[[Point], str]] = {
        "nodes": lambda p: f"{p.nodes:,}",
        "wall": lambda p: f"{p.wall:.1f} s",
        "CPU": lambda p: f"{p.cpu:.1f} s",
        "memory": lambda p: f"{p.memory:.0f} MB",
        "requests": lambda p: f"{p.requests:,}",
        "evidence": lambda p: f"{p.evidence:.2f} MB",
        "replay": lambda p: f"{p.replay_wall:.1f} s",
        "its memory": lambda p: f"{p.replay_memory:.0f} MB",
    }
    rows = [list(columns), *([show(p) for show in columns.values()] for p in curve.points)]
    lines = ["".join(f"{cell:>11}" for cell in row) for row in rows]
    lines += _bars(curve.points, "memory, MB", lambda p: p.memory, most=MEMORY_BAR)
    lines += _bars(curve.points, "CPU for each node, ms", lambda p: p.cpu / p.nodes * 1000)
    lines += _bars(curve.points, "requests for each node", lambda p: p.requests / p.nodes)
    return "\n".join([*lines, "", curve.machine]) + "\n"


def _bars(
    points: Sequence[Point], what: str, value: Callable[[Point], float], most: float = 0
) -> list[str]:
    full = most or max(map(value, points))
    lines = ["", what + (f" (of {most:.0f})" if most else "")]
    for point in points:
        bar = "#" * round(value(point) / full * WIDTH)
        lines.append(f"{point.nodes:>11,}  {bar} {value(point):.0f}")
    return lines
