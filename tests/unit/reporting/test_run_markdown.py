"""A run as Markdown, beside an independent renderer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from pytest_llmjudge.data import Explanation, JudgeCheck, Record
from pytest_llmjudge.reporting.markup import joined
from pytest_llmjudge.reporting.run_markdown import run_sections
from tests.support.results import compared, exam, gate, pair, pairs, run, scored, subject, suite

RENDERER = MarkdownIt("commonmark").enable("table")
OURS = {
    *("h2", "h3", "p", "ul", "li", "strong", "code"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def rendered(document: str) -> tuple[set[str], list[str], str]:
    """Return the elements, the raw HTML and the text that come out of a document."""
    elements, html, texts = set(), [], []
    for block in RENDERER.parse(document):
        for token in [block, *(block.children or [])]:
            if token.type in {"html_block", "html_inline"}:
                html += [token.content]
            elif token.tag:
                elements.add(token.tag)
            if token.type in {"text", "text_special", "fence"}:
                texts.append(token.content)
    return elements, [one for one in html if one != "<!-- -->"], " ".join(texts)


def document(*suites: object, **more: object) -> str:
    return joined(list(run_sections(run(*suites, **more))))  # type: ignore[arg-type]


CHECK = JudgeCheck(
    fit=False,
    reason="it scored wrong answers 85",
    right=85.0,
    wrong=85.0,
    null=85.0,
    plea=85.0,
    auc=0.5,
    changed=0,
    asked=40,
    unscored=0,
    in_flight=1,
)


def test_all_parts_in_their_order() -> None:
    """The decision, its causes, the baseline, and what stands behind it."""
    text = document(
        suite(
            [scored("r0", 80), scored("r1", None, "error", cause="record", error="it is odd")],
            "incomplete",
            check=CHECK,
            comparison=compared(),
            gates=(gate("baseline", reason="dropped by 16.3 points"),),
        ),
        exam([subject("anatomy", 3, 4), subject("astronomy", 0, 0, "error")], "failed"),
        pairs([pair("r0", "a"), pair("r1", None, "error", cause="rig")]),
        notes=("a server was left out",),
    )

    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "## llm-judge: failed",
        "### Why",
        "### Beside the baseline",
        "### Judge and model",
        r"### MMLU: test\_m.py::test\_mmlu",
        r"### Subjects without a result in test\_m.py::test\_mmlu (1)",
        "### Preference",
        r"### Unscored in test\_a.py::test\_a (1)",
        r"### Infrastructure errors in test\_p.py::test\_pairs (1)",
        r"### Lowest scores in test\_a.py::test\_a",
    ]
    elements, html, content = rendered(text)
    assert elements == OURS
    assert [one.strip() for one in html] == [
        "<details><summary>what lost most (1)</summary>",
        "</details>",
        "<details><summary>2 subjects</summary>",
        "</details>",
    ]
    for words in (
        "test_a.py::test_a: baseline: dropped by 16.3 points",
        "NOT FIT, it scored wrong answers 85",
        "note: a server was left out",
        "r1: it is odd",
    ):
        assert words in content


HOSTILE = (
    "</details><script>x</script> | `a` ``` [x](http://e.org) ![i](http://e.org/i.png) @bob #1 "
    "\x1b[31m \u202e <b>\n\n# heading\n\n| a |\n| --- |\n```\n</summary>\n- item\n<!-- \\"
)


def test_a_hostile_run_is_text() -> None:
    """In every place where a record, an answer, a judge or a cause is shown."""
    record = Record(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {})
    low = replace(scored("r", 1, "failed", model_response=HOSTILE), record=record)
    lost = replace(scored("r", None, "error", cause="rig", error=HOSTILE), record=record)
    missing = replace(subject("anatomy", 0, 0, "error"), error=HOSTILE)
    text = document(
        suite(
            [low, lost],
            "incomplete",
            judge_label=HOSTILE,
            gates=(gate("average", reason=HOSTILE), gate("baseline", reason=HOSTILE)),
            comparison=compared(flips=((HOSTILE, HOSTILE),), note=HOSTILE),
        ),
        exam([missing], "incomplete"),
        pairs([replace(pair("r", None, cause="record"), error=HOSTILE)]),
        notes=(HOSTILE,),
    )

    elements, html, content = rendered(text)

    assert elements == OURS
    assert {one.strip() for one in html} == {
        "<details><summary>what lost most (1)</summary>",
        "<details><summary>1 subject</summary>",
        "</details>",
    }
    assert content.count("<script>") >= 10
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(("number", "listed"), [(100, 100), (130, 100)])
def test_a_hundred_causes_are_named(number: int, listed: int) -> None:
    """The results file has the others."""
    lost = [scored(f"u{n}", None, "error", cause="rig", error=f"gone {n}") for n in range(number)]

    text = document(suite(lost, "incomplete"))

    assert text.count(": gone ") == listed
    assert ("- and 30 more, which the results file names" in text) == (number > listed)


def test_records_of_one_cause_have_one_line() -> None:
    """With the first ten of them."""
    lost = [scored(f"u{n}", None, "error", cause="rig", error="gone") for n in range(12)]

    text = document(suite(lost, "incomplete"))

    assert f"(12)\n\n- {', '.join(f'u{n}' for n in range(10))} and 2 more: gone\n" in text


def test_ten_lowest_scores() -> None:
    """The worst first, and long answers as their beginning."""
    records = [scored(f"r{n}", 100 - n, model_response="x" * 5000) for n in range(30)]

    lines = document(suite(records)).splitlines()

    rows = [line.split(" | ") for line in lines if line.endswith("x… |")]
    assert [row[0] for row in rows] == [f"| {71 + n}" for n in range(10)]
    assert all(len(row[-1]) < 210 for row in rows)


def test_explanations() -> None:
    """All of them, the worst first and whole; those that could not be had for all are left out."""
    text = f"**It** says <b>no</b> | `x` {'word ' * 80}end."
    said, none = Explanation(text), Explanation("", "llama3: it wrote nothing; read it")
    down = Explanation("", "http://a: is not answering; start it", is_infrastructure=True)
    records = [scored(f"r{n}", 40 - n, explanation=said) for n in range(12)]
    records += [scored("none", 90, explanation=none), scored("down", 91, explanation=down)]

    made = document(suite(records))

    elements, html, shown = rendered(made)
    rows = [line for line in made.splitlines() if line.endswith("end. |")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {29 + n}" for n in range(12)]
    assert text in shown
    assert "(none: llama3: it wrote nothing; read it)" in shown
    assert "is not answering" not in made
    assert (elements <= OURS, html) == (True, [])
