"""A run's results as JUnit XML: the file that pytest writes, made from results alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data.cases import SampleCase
from pytest_llmjudge.data.summary import NONE
from pytest_llmjudge.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_llmjudge.data.summary import RunSummary

__all__ = ["junit_xml", "suite_properties"]

_ELEMENTS: Final = {"failed": "failure", "error": "error", "not run": "skipped"}
_COUNTS: Final = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def junit_xml(name: str, run: RunSummary, cases: Sequence[Sequence[SampleCase]], cause: str) -> str:
    """Return a run as JUnit XML, with a test case for each sample and each gate.

    Args:
        name: Of the whole.
        run: What became of it.
        cases: The samples of each of its suites.
        cause: Name of the property that says why a gate did not pass.
    """
    root = ET.Element("testsuites", name=name)
    suite = ET.SubElement(root, "testsuite", name="llm-judge", timestamp=printable(run.created))
    _add_properties(suite, suite_properties(run))
    for summary, samples in zip(run.summaries, cases, strict=True):
        gates = [
            SampleCase(
                gate.name,
                gate.outcome,
                "" if gate.outcome == "passed" else gate.reason,
                properties=() if gate.cause is None else ((cause, gate.cause),),
            )
            for gate in summary.gates
        ]
        for one in (*samples, *gates):
            _add_case(suite, summary.name, one)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for element, attribute in _COUNTS.items():
        suite.set(attribute, str(len(suite.findall(f"testcase/{element}"))))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_case(suite: ET.Element, name: str, one: SampleCase) -> None:
    group, test = _place(f"{name}[{_escaped(one.id)}]")
    case = ET.SubElement(suite, "testcase", classname=printable(group), name=printable(test))
    if one.seconds is not None:
        case.set("time", f"{one.seconds:.3f}")
    _add_properties(case, one.properties)
    if one.outcome in _ELEMENTS:
        why = ET.SubElement(case, _ELEMENTS[one.outcome], message=printable(one.reason))
        texts = one.texts if one.outcome == "failed" else ()
        why.text = printable("\n".join([one.reason, *(f"{key}: {text}" for key, text in texts)]))


def _place(node: str) -> tuple[str, str]:
    """Return the class and the name of a node id as pytest writes them."""
    path, bracket, item = node.partition("[")
    parts = path.split("::")
    parts[0] = parts[0].replace("/", ".").removesuffix(".py")
    return ".".join(parts[:-1]), f"{parts[-1]}{bracket}{item}"


def _escaped(text: str) -> str:
    """Return an id as pytest has it in a node id, unless an ini option forbids that."""
    return text.encode("unicode_escape").decode("ascii")


def _add_properties(element: ET.Element, properties: Iterable[tuple[str, str]]) -> None:
    found = list(properties)
    if found:
        parent = ET.SubElement(element, "properties")
        for name, value in found:
            ET.SubElement(parent, "property", name=printable(name), value=printable(value))


def suite_properties(run: RunSummary) -> Iterator[tuple[str, str]]:
    """Yield names and values; as a run has one test suite, each name ends with that of ours."""
    for suite in run.summaries:
        figures = {
            "outcome": suite.outcome,
            suite.measure.replace(" ", "_"): suite.value,
            "interval": suite.interval,
            "change": suite.change,
            **dict(suite.counts),
            "judge": suite.judge or NONE,
        }
        if suite.model is not None:
            figures["checkpoint"] = suite.model.path
            figures["fingerprint"] = suite.model.fingerprint
        for name, value in figures.items():
            if value != NONE:
                # A name of a file may hold what XML cannot.
                yield f"llm_judge_{name}[{printable(suite.name)}]", value
