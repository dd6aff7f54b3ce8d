"""What dig, nslookup and getent printed, as typed answers. The text decides; exit codes mislead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubectl_dnsdebug.model import Answer, Status, Transcript
from kubectl_dnsdebug.parse.dig import message, stub
from kubectl_dnsdebug.parse.dig.outcome import BOTH, Question, Result, absolute, last

__all__ = ["BOTH", "FORWARDED", "absolute", "read"]

# A question that we put ourselves over a port-forward, told in dig's words.
FORWARDED = "port-forward"


def read(transcript: Transcript) -> tuple[Answer, ...]:
    """One Answer for each question of a dig command, in its order; one for an nslookup or getent.

    Nothing for any other command. Never raises: text without an outcome is GARBLED, a command that
    never ran NOT_RUN. `server` is empty where the tool does not say whom it asked.

    getent hides the resolver's reason, so no address is NO_ADDRESS: neither NXDOMAIN nor silence.
    `tc` in `flags` of an answer over TCP: the one over UDP was cut short, and dig asked again.
    """
    tool = transcript.argv[0].rpartition("/")[2] if transcript.argv else ""
    if tool not in _TOOLS:
        return ()
    ask, listen = _TOOLS[tool]
    questions = ask(transcript.argv[1:])
    results = _results(transcript, questions, listen)
    return tuple(
        Answer(
            id=transcript.id,
            vantage=transcript.vantage,
            tool=tool,
            server=result.server or question.server,
            port=result.port or question.port,
            transport=result.transport or question.transport,
            name=absolute(question.name),
            type=question.type,
            status=result.status,
            records=result.records,
            authority=result.authority,
            flags=result.flags,
            ms=result.ms,
            clock=result.clock,
            source_port=question.source_port,
            via_search=question.search and not question.name.endswith("."),
            detail=result.detail,
        )
        for question, result in zip(questions, results, strict=True)
    )


# sh: not found, not executable; `timeout` of coreutils and of BusyBox ended it
_CANNOT_RUN = (126, 127)
_ENDED = (124, 143)


def _results(
    transcript: Transcript,
    questions: Sequence[Question],
    listen: Callable[[Sequence[Question], Sequence[str]], Sequence[Result]],
) -> Sequence[Result]:
    lines = transcript.out.splitlines()
    if transcript.exit_code is None or transcript.exit_code in _CANNOT_RUN:
        why = transcript.failure or last(lines)
        return [Result(status=Status.NOT_RUN, detail=why)] * len(questions)
    results = listen(questions, lines)
    if transcript.exit_code not in _ENDED:
        return results
    ended = Result(status=Status.TIMEOUT, detail="it was still waiting when its time was up")
    return [ended if result.status in _NO_OUTCOME else result for result in results]


_NO_OUTCOME = (Status.GARBLED, Status.NO_ADDRESS)
_TOOLS = {
    "dig": (message.questions, message.results),
    FORWARDED: (message.questions, message.results),
    "nslookup": (stub.nslookup_question, stub.nslookup_result),
    "getent": (stub.getent_question, stub.getent_result),
}
