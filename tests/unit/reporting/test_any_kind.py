"""Reports show what any kind of suite says of itself; here one that only this test knows."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.data import CheckpointReference, GateResult, Record, Rule
from pytest_llmjudge.data.page import (
    Drop,
    Lost,
    PageTable,
    Panel,
    Row,
    SuitePage,
    Term,
)
from pytest_llmjudge.data.summary import (
    Breakdown,
    Excerpt,
    Excerpts,
    Names,
    Overview,
    Part,
    RunSummary,
    Statement,
)
from pytest_llmjudge.kinds.rulings import Limit
from pytest_llmjudge.kinds.summaries import make_summary
from pytest_llmjudge.reporting.html import html_report
from pytest_llmjudge.reporting.html.payload import payload_of
from pytest_llmjudge.reporting.junit import suite_properties
from pytest_llmjudge.reporting.markup import joined
from pytest_llmjudge.reporting.run_markdown import run_sections
from pytest_llmjudge.reporting.terminal import short_lines, summary_lines
from tests.support.results import compared

if TYPE_CHECKING:
    from pytest_llmjudge.data.summary import Summary

KIND = SimpleNamespace(name="tokens", title="Tokens", measure=None)
ROW = Row(
    suite="test_t.py::test_0",
    record=Record("s0", "Count the tokens.", "", "", {}),
    outcome="passed",
    label="short",
    score=12.0,
    before=None,
    response="a b c",
    other=None,
    replies=(),
    error=None,
)


def summary(
    name: str,
    outcome: str = "passed",
    **more: Any,  # noqa: ANN401  # its fields
) -> Summary:
    """Make the summary of a suite that has no more than a measure and a gate."""
    result = SimpleNamespace(
        kind="tokens",
        name=name,
        path="texts.json",
        outcome=outcome,
        gates=(GateResult("length", outcome, "3.10 tokens are more than 3"),),
        comparison=None,
        checkpoint=CheckpointReference("new.pth", "f" * 64, 124_000_000),
    )
    return make_summary(
        KIND,  # type: ignore[arg-type]
        result,
        noun="text",
        measure="mean length",
        value="3.10",
        interval="2.90 to 3.30",
        wanted=("mean length <= 3", ""),
        rule=Rule(),
        causes=iter(["1 of 2 texts is too long"]),
        limits={"length": Limit("mean length <= 3", "within noise")},
        **more,
    )


RUN = RunSummary(
    "2026-01-02T03:04:05+00:00",
    (
        summary(
            "test_t.py::test_0",
            overview=Overview(
                ("suite of texts", "texts", "outcome"),
                ("test_t.py::test_0", "2"),
                title="Lengths",
                lines=(Statement("counted", "12 in all", is_named=True),),
            ),
            blocks=(
                "a line",
                Names("uncounted in test_t.py::test_0", (("s1", "it was not run"),)),
                Excerpts(
                    "longest in test_t.py::test_0",
                    (Excerpt("12", "s0", "a b c", "Count."),),
                    ("tokens", "text", "asked", "answer"),
                ),
            ),
            counts=(("tokens", "12"),),
        ),
        summary(
            "test_t.py::test_1",
            "failed",
            breakdowns=(
                Breakdown(
                    title="Languages",
                    settings="two of them",
                    headings=("language", "texts", "outcome"),
                    parts=(
                        Part("French", ("1",), "failed"),
                        Part("Danish", outcome="not run", error="no texts"),
                    ),
                    grouping="families",
                    groups=(Part("Romance", ("1",)),),
                    whole=Part("all", ("1",), "failed"),
                ),
            ),
        ),
    ),
)
PAGES = (
    SuitePage(
        panels=(Panel("Lengths", (("tokens", "12"),)),),
        terms=(Term("token", ("tokens",), "A part of a word."),),
        rows=(ROW,),
        drops=(Drop("Count the tokens.", "3", "4", "+1", row=0),),
    ),
    SuitePage(
        tables=(
            PageTable(
                "Languages",
                ("language", "texts", "outcome"),
                (Part("French", ("1",), "failed"),),
            ),
        ),
        rows=(ROW,),
        lost=(Lost("Count the tokens.", "", 0, ()),),
        losses=1,
    ),
)


def test_what_a_kind_says_with_little() -> None:
    """Outcome, model, gates and causes come from the result; wanted is what was asked of it."""
    passed, failed = summary("a"), summary("b", "failed")

    assert (passed.kind, passed.title, passed.wanted) == ("tokens", "Tokens", "mean length <= 3")
    assert (passed.change, passed.judge, passed.causes) == ("-", "", ())
    assert failed.causes == ("length: 3.10 tokens are more than 3", "1 of 2 texts is too long")


def test_a_terminal() -> None:
    """A table for the suites of a kind, what follows it, and each suite's own parts."""
    lines = ["".join(line[:2]) for line in summary_lines(RUN, 100, 1)]

    assert lines == [
        "model: new.pth (124.0M parameters, fingerprint ffffffffffff)",
        "suite of texts     texts  outcome",
        "test_t.py::test_0      2  passed: mean length <= 3 (within noise)",
        "counted (12 in all) (test_t.py::test_0)",
        "a line",
        "uncounted in test_t.py::test_0: 1",
        "       s1  it was not run",
        "longest in test_t.py::test_0: 1",
        '   12  s0  "a b c"',
        "Languages in test_t.py::test_1: two of them",
        "language  texts  outcome",
        "French        1  failed",
        "all           1  failed: mean length <= 3 failed (within noise)",
        "texts without a result in test_t.py::test_1: 1",
        "       Danish  no texts",
    ]
    assert "".join(next(iter(short_lines(RUN, 100, -1)))[:2]) == (
        "test_t.py::test_0: mean length 3.10; passed: mean length <= 3 (within noise)"
    )


def test_markdown() -> None:
    """The same, with headings."""
    text = joined(list(run_sections(RUN)))

    for line in (
        (
            "| test\\_t.py::test\\_0 | mean length 3.10 | 2.90 to 3.30 | mean length <= 3 | - "
            "| passed: mean length &lt;= 3 (within noise) |"
        ),
        "### Lengths",
        "| suite of texts | texts | outcome |",
        "- counted (12 in all) (test\\_t.py::test\\_0)",
        "### Languages: test\\_t.py::test\\_1",
        "| Romance | 1 |  |",
        "<details><summary>2 texts</summary>",
        "| Danish | - | **not run** |",
        "### Texts without a result in test\\_t.py::test\\_1 (1)",
        "### Uncounted in test\\_t.py::test\\_0 (1)",
        "### Longest in test\\_t.py::test\\_0",
        "| 12 | s0 | Count. | a b c |",
    ):
        assert line in text.splitlines(), line


def test_markdown_of_a_table_alone() -> None:
    """Where no line follows a table of a kind, nothing stands in its place."""
    (one, _) = RUN.summaries
    assert one.overview is not None
    suite = replace(one, overview=replace(one.overview, lines=()), blocks=())

    text = joined(list(run_sections(RunSummary("", (suite,)))))

    assert text.endswith(
        "| test\\_t.py::test\\_0 | 2 | passed: mean length &lt;= 3 (within noise) |\n"
    )


def test_the_page() -> None:
    """Its panels, terms, tables and rows; links lead to the rows of the suite itself."""
    page = html_report(RUN, PAGES, "0.1.0")

    assert '<p class="kind">Tokens ' in page
    assert "<div><dt>token</dt><dd>A part of a word.</dd></div>" in page
    assert "<caption>Languages</caption>" in page
    assert "Texts of <bdi>test_t.py::<wbr>test_0</bdi> that lost most" in page
    assert '<a href="#row-0">' in page
    assert "<h3>Lost texts of" in page
    assert '<a href="#row-1">' in page
    index = json.loads(payload_of([ROW]).index)
    assert index["outcomes"][index["outcome"][0]] == "short"


def test_a_page_of_a_kind_that_adds_nothing() -> None:
    """Cards and gates are there, and no table of records."""
    page = html_report(RUN, (SuitePage(), SuitePage()), "0.1.0")

    assert page.count('<span class="value">3.10</span>') == 2
    assert page.count("<strong><bdi>length</bdi></strong>") == 2
    assert 'id="records"' not in page


def test_junit_xml() -> None:
    """Measure, counts and model; a judge only where there is one."""
    properties = dict(suite_properties(RUN))

    assert {
        name.partition("[")[0]: value
        for name, value in properties.items()
        if name.endswith("test_0]")
    } == {
        "llm_judge_outcome": "passed",
        "llm_judge_mean_length": "3.10",
        "llm_judge_interval": "2.90 to 3.30",
        "llm_judge_tokens": "12",
        "llm_judge_checkpoint": "new.pth",
        "llm_judge_fingerprint": "f" * 64,
    }


def test_a_baseline() -> None:
    """What was compared follows the suite's own tables."""
    gates = (GateResult("baseline", "passed", "it is so"),)
    suite = replace(summary("test_t.py::test_0"), gates=gates, comparison=compared(-1.0))

    lines = ["".join(line[:2]) for line in summary_lines(RunSummary("", (suite,)), 1000)]

    assert lines[1] == "baseline of test_t.py::test_0: it is so"
