"""The curve of a sweep: its numbers, its picture, and that the readme shows the last one."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks import curve
from benchmarks.curve import Curve, Point
from benchmarks.sweep import README, largest, with_picture


def point(nodes: int, memory: float = 100.0) -> Point:
    return Point(
        nodes=nodes,
        wall=nodes / 10,
        cpu=nodes / 100,
        memory=memory,
        requests=5 * nodes,
        evidence=nodes / 1000,
        replay_wall=0.5,
        replay_memory=40.0,
    )


def test_numbers_are_kept(tmp_path: Path) -> None:
    made = Curve(machine="a machine", points=(point(10), point(100)))
    curve.save(made, tmp_path / "sweep.json")
    assert curve.load(tmp_path / "sweep.json") == made


def test_memory_is_shown_against_what_it_may_be() -> None:
    lines = curve.picture(Curve(machine="m", points=(point(10, 75), point(5000, 300)))).splitlines()
    at = lines.index("memory, MB (of 300)")
    assert lines[at + 1].count("#") == curve.WIDTH / 4
    assert lines[at + 2].count("#") == curve.WIDTH


def test_a_picture_takes_the_place_of_the_last_one() -> None:
    text = "# Numbers\n\n```text\nold\n```\n\nMore.\n"
    assert with_picture(text, "new\n") == "# Numbers\n\n```text\nnew\n```\n\nMore.\n"


def test_the_readme_shows_the_kept_numbers() -> None:
    shown = README.read_text()
    assert with_picture(shown, curve.picture(curve.load())) == shown


def test_a_process_has_a_largest_size() -> None:
    assert largest(os.getpid()) > 1
