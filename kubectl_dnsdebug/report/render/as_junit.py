"""JUnit XML, for build servers: each check of each subject is a test case.

What reaches --fail-on is a failure, what was found below it passes and is told in the output, what
could not be checked is skipped. Names that fail without a known cause are an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from kubectl_dnsdebug.model import Finding, Severity
from kubectl_dnsdebug.report.render.style import Style, one_line
from kubectl_dnsdebug.report.render.verdict import proofs
from kubectl_dnsdebug.report.report import Report, everything
from kubectl_dnsdebug.report.unknowns import UNEXPLAINED, Unknown

# What no XML document may hold, even as a reference.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, style: Style) -> str:
    suites = Element("testsuites", name="kubectl-dnsdebug")
    subjects: dict[str, Element] = {}
    for subject, case in _cases(report):
        if subject not in subjects:
            subjects[subject] = SubElement(suites, "testsuite", name=subject)
            subjects[subject].set("timestamp", report.target.get("collected_at", ""))
        subjects[subject].append(case)
    for each in (*subjects.values(), suites):
        each.set("tests", str(sum(1 for _ in each.iter("testcase"))))
        for attribute, tag in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            each.set(attribute, str(sum(1 for _ in each.iter(tag))))
    suites.set("time", f"{report.timing.get('total', 0):.3f}")
    ElementTree.indent(suites)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, "unicode")}\n'
    return text if style.unicode else text.encode("ascii", "xmlcharrefreplace").decode()


def _cases(report: Report) -> Iterator[tuple[str, Element]]:
    seen: set[tuple[str, str]] = set()
    for cause in everything((*report.causes, *report.advice)):
        for whose in map(str, (cause.finding.subject, *cause.others)):
            if (key := (cause.finding.rule, whose)) not in seen:
                seen.add(key)
                yield whose, _found(cause.finding, whose, report)
    for each in report.unknown:
        yield str(each.subject), _unknown(each)
    for rule, subject in report.clear:
        yield str(subject), _case(rule, str(subject))


def _case(rule: str, subject: str) -> Element:
    return Element("testcase", classname=f"dnsdebug.{subject.partition('/')[0]}", name=rule)


def _found(found: Finding, subject: str, report: Report) -> Element:
    case = _case(found.rule, subject)
    lines = [
        found.message,
        *(f"proof: {each}" for each in proofs(found, report)),
        f"fix: {found.remedy}",
        f"check by hand: {found.verify}",
    ]
    text = _legal("\n".join(map(one_line, lines)))
    if found.severity.rank <= report.fail_on.rank:
        failure = SubElement(case, "failure", type=found.severity.value)
        failure.set("message", _legal(one_line(found.message)))
        failure.text = text
    else:
        label = "advice" if found.severity is Severity.INFO else found.severity.value
        SubElement(case, "system-out").text = f"{label}: {text}"
    return case


def _unknown(each: Unknown) -> Element:
    case = _case(each.rule, str(each.subject))
    tag = "error" if each.rule == UNEXPLAINED else "skipped"
    SubElement(case, tag, message=_legal(one_line(each.reason)))
    return case


def _legal(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
