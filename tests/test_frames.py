"""The runner's log back into transcripts, however it is cut, torn or made up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl_dnsdebug.model import Transcript
from kubectl_dnsdebug.plan import frames

WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=30)
ID = WORD.filter(lambda word: word != "=")
COMMAND = st.tuples(st.lists(WORD, min_size=1, max_size=3), st.lists(LINE), st.integers(0, 255))
COMMANDS = st.dictionaries(ID, COMMAND, max_size=4)


def framed(id: str, argv: Iterable[str], lines: Iterable[str], code: int) -> list[str]:
    """A record as the runner prints it, long lines in pieces of ten."""
    parts = []
    for line in lines:
        rest = line
        while len(rest) > 10:
            parts.append(f"{id} + {rest[:10]}")
            rest = rest[10:]
        parts.append(f"{id} > {rest}")
    return [f"{id} $ {' '.join(argv)}", *parts, f"{id} . {code} {len(parts)}"]


def read(lines: Iterable[str]) -> dict[str, Transcript]:
    return {each.probe: each for each in frames.read(lines, "v")}


@settings(max_examples=60, deadline=None)
@given(COMMANDS, st.randoms(use_true_random=False))
def test_what_ran_side_by_side_comes_back(commands: dict, random: object) -> None:  # type: ignore[type-arg]
    queues = [framed(id, *command) for id, command in commands.items()]
    lines = []
    while any(queues):
        queue = random.choice([each for each in queues if each])  # type: ignore[attr-defined]
        lines.append(queue.pop(0))
    found = read(lines)
    assert found.keys() == commands.keys()
    for id, (argv, text, code) in commands.items():
        assert found[id] == Transcript(
            id=f"v#{id}",
            vantage="v",
            probe=id,
            argv=tuple(argv),
            out="\n".join(text),
            exit_code=code,
        )


@settings(max_examples=60, deadline=None)
@given(COMMANDS, st.data())
def test_a_log_cut_anywhere_has_no_short_answers(commands: dict, data: st.DataObject) -> None:  # type: ignore[type-arg]
    """Whole records before the cut are whole; the one that was cut has no exit code."""
    text = "".join(line + "\n" for id in commands for line in framed(id, *commands[id]))
    cut = text[: data.draw(st.integers(0, len(text)))]
    whole = read(text.split("\n"))
    for id, found in read(cut.split("\n")).items():
        if found.exit_code is None:
            assert found.failure == frames.CUT
        else:
            assert id in whole
            assert found.out == whole[id].out
            # Within the last number: its first digits are a number too, the count is not.
            assert found.exit_code == whole[id].exit_code


@settings(max_examples=60, deadline=None)
@given(COMMANDS, st.data())
def test_a_lost_line_is_noticed(commands: dict, data: st.DataObject) -> None:  # type: ignore[type-arg]
    for id, command in commands.items():
        lines = framed(id, *command)
        lost = data.draw(st.integers(0, len(lines) - 1))
        found = read(lines[:lost] + lines[lost + 1 :])
        assert all(each.exit_code is None and each.failure for each in found.values())


SIGNS = st.sampled_from(["$", ">", "+", ".", "!", "", "?"])
ANY_LINE = st.one_of(
    LINE,
    st.builds("{} {} {}".format, st.sampled_from("ab="), SIGNS, LINE),
    st.builds("{} . {} {}".format, st.sampled_from("ab"), st.integers(-1, 9**9), st.integers(0, 3)),
)


@given(st.lists(ANY_LINE))
def test_no_log_breaks_it_and_none_makes_an_exit_code(lines: list[str]) -> None:
    for found in frames.read(lines, "v"):
        assert (found.exit_code is None) == bool(found.failure)
        assert found.exit_code is None or any(
            line.startswith(f"{found.probe} . {found.exit_code} ") for line in lines
        )
        assert any(line.startswith(f"{found.probe} $ ") for line in lines)


@pytest.mark.parametrize(
    ("lines", "failure"),
    [
        (["a $ dig x", "a > y"], frames.CUT),
        (["a $ dig x", "a > y", "a . 0 2"], frames.CUT),
        (["a $ dig x", "a > y", "a . 0"], frames.CUT),
        (["a $ dig x", "a > y", "a . x 1"], frames.CUT),
        (["a $ dig x", "a > y", "a . -1 1"], frames.CUT),
        (["a $ dig x", "a > y", "a . 99999 1"], frames.CUT),
        (["a $ dig x", "a > y", "a . 0 1", "a > z"], frames.CUT),
        (["a $ dig x", "a . 0 0", "a . 0 0", "a $ dig x"], frames.CUT),
        (["a $ dig x", "a"], frames.CUT),
        (["a $ dig x", "a ! the image has no dig"], "the image has no dig"),
        (["a $ dig x", f"a > {'y' * (frames.LONGEST + 1)}", "a . 0 1"], frames.CUT),
    ],
)
def test_what_is_not_whole_says_so(lines: list[str], failure: str) -> None:
    (found,) = frames.read(lines, "v")
    assert (found.failure, found.exit_code, found.argv) == (failure, None, ("dig", "x"))
    assert len(found.out) <= frames.LONGEST


@pytest.mark.parametrize(
    "line",
    ["", " ", "sh: 1: cannot fork", "a > y", "a . 0 0", "= begin dnsdebug-runner/1", "= $ x"],
)
def test_what_belongs_to_no_probe_is_the_shell_s_own(line: str) -> None:
    assert frames.read([line], "v") == ()


@pytest.mark.parametrize(
    ("lines", "ended"),
    [
        (["= end 7"], True),
        (["a > = end 7"], False),
        (["= ! gave up after 15 s"], False),
        ([], False),
    ],
)
def test_the_end(lines: list[str], ended: bool) -> None:
    assert frames.finished(lines) is ended
