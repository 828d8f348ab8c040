"""The summary of a run at the widths of terminals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from pytest_llmjudge.data.summary import Excerpt, Excerpts
from pytest_llmjudge.reporting.blocks import block_lines
from pytest_llmjudge.reporting.terminal import short_lines, summary_lines
from tests.support.results import compared, exam, gate, pair, pairs, run, scored, subject, suite

CAUSE = 'http://127.0.0.1:1: llama3 wrote "no", which is no score; take a larger judge'
RUN = run(
    suite(
        [
            scored("r0", 80),
            scored("首都", 10, "failed", model_response="日本の首都は東京です。" * 20),
            scored("r2", None, "error", cause="record", error=CAUSE),
        ],
        "incomplete",
        min_average=55.0,
    ),
    pairs([pair("r0", "a"), pair("r1", "b")], gates=(gate("win-rate", "passed"),)),
    notes=("a server was left out",),
)
HEAD = [
    "judge: llama3 (ollama 0.24.0)",
    "model: new.pth (124.0M parameters)",
]


def rendered(columns: int, verbosity: int = 0) -> list[str]:
    lines = (short_lines if verbosity < 0 else summary_lines)(RUN, columns, verbosity)
    return [f"{line.text}{line.result}" for line in lines]


def test_at_60_columns() -> None:
    """Rows are stacked, texts are folded, and a response is cut where a wide letter ends."""
    assert rendered(60) == [
        *HEAD,
        "test_a.py::test_a",
        "  incomplete: score >= 50 failed (1 of 3 below, 1 with an",
        "    error); average >= 55 not run",
        "  records 3, scored 2, average -, 95 % interval -, min 10,",
        "  median 45, max 80",
        "unscored in test_a.py::test_a: 1",
        '       r2  http://127.0.0.1:1: llama3 wrote "no", which is',
        "         no score; take a larger judge",
        "lowest scores in test_a.py::test_a:",
        '   10  首都  "日本の首都は東京です。日本の首都は東京です。…',
        '   80  r0  "I say r0."',
        "test_p.py::test_pairs",
        "  passed: win rate >= 0.5 (within noise)",
        "  pairs 2, won 1, tied 0, lost 1, win rate 0.500,",
        "  95 % interval 0.095 to 0.905, length-controlled 0.500",
        'test_p.py::test_pairs: against the records\' field "human";',
        "  decided by llama3 (ollama 0.24.0); position bias in 0 % of",
        "  2 pairs; answers of 8 characters against 4",
        "lost in test_p.py::test_pairs: 1",
        '       r1  "this one"',
        "note: a server was left out",
    ]


def test_at_80_columns() -> None:
    """As where there is no terminal."""
    assert rendered(80) == [
        *HEAD,
        "test_a.py::test_a",
        "  incomplete: score >= 50 failed (1 of 3 below, 1 with an error); average >= 55",
        "    not run",
        "  records 3, scored 2, average -, 95 % interval -, min 10, median 45, max 80",
        "unscored in test_a.py::test_a: 1",
        '       r2  http://127.0.0.1:1: llama3 wrote "no", which is no score; take a',
        "         larger judge",
        "lowest scores in test_a.py::test_a:",
        '   10  首都  "日本の首都は東京です。日本の首都は東京です。日本の首都は東京です…',
        '   80  r0  "I say r0."',
        "test_p.py::test_pairs  passed: win rate >= 0.5 (within noise)",
        "  pairs 2, won 1, tied 0, lost 1, win rate 0.500, 95 % interval 0.095 to 0.905,",
        "  length-controlled 0.500",
        'test_p.py::test_pairs: against the records\' field "human"; decided by llama3',
        "  (ollama 0.24.0); position bias in 0 % of 2 pairs; answers of 8 characters",
        "  against 4",
        "lost in test_p.py::test_pairs: 1",
        '       r1  "this one"',
        "note: a server was left out",
    ]


def test_at_120_columns() -> None:
    """A table whose outcomes are folded."""
    lines = rendered(120)

    assert lines[2:6] == [
        ("suite              records  scored  average  95 % interval  min  median  max  outcome"),
        (
            "test_a.py::test_a        3       2        -              -   10      45   80  "
            "incomplete: score >= 50 failed (1 of 3"
        ),
        f"{' ' * 80}below, 1 with an error); average >= 55",
        f"{' ' * 80}not run",
    ]


def test_at_200_columns() -> None:
    """All in a line."""
    assert rendered(200)[2:10] == [
        ("suite              records  scored  average  95 % interval  min  median  max  outcome"),
        (
            "test_a.py::test_a        3       2        -              -   10      45   80  "
            "incomplete: score >= 50 failed (1 of 3 below, 1 with an error); average >= 55 not run"
        ),
        "unscored in test_a.py::test_a: 1",
        f"       r2  {CAUSE}",
        "lowest scores in test_a.py::test_a:",
        f'   10  首都  "{"日本の首都は東京です。" * 8}日本の首…',
        '   80  r0  "I say r0."',
        (
            "suite of pairs         pairs  won  tied  lost  win rate   95 % interval  "
            "length-controlled  outcome"
        ),
    ]


def test_a_quiet_run() -> None:
    """A line for each suite; below that one for all."""
    assert rendered(80, -1) == [
        "test_a.py::test_a: average -; incomplete: score >= 50 failed (1 of 3 below, 1",
        "  with an error); average >= 55 not run",
        "test_p.py::test_pairs: win rate 0.500; passed: win rate >= 0.5 (within noise)",
    ]
    assert rendered(80, -2) == ["llm-judge: of 2 suites 1 incomplete"]


@pytest.mark.parametrize(("verbosity", "listed"), [(0, 5), (1, 20), (2, 30)])
def test_more_records_when_asked(verbosity: int, listed: int) -> None:
    """Five, twenty, all."""
    lost = [scored(f"u{n}", None, "error", cause="rig", error=f"gone {n}") for n in range(30)]
    summary = run(suite([*(scored(f"r{n}", n) for n in range(30)), *lost], "incomplete"))

    lines = [line.text for line in summary_lines(summary, 80, verbosity)]

    assert sum('"I say r' in line for line in lines) == listed
    assert sum("  gone " in line for line in lines) == listed
    assert ("       and 25 more" in lines) == (listed == 5)
    assert ("       and 10 more" in lines) == (listed == 20)


@pytest.mark.parametrize(
    ("verbosity", "named"),
    [(0, "u0, u1, u2, u3, u4 and 2 more"), (1, "u0, u1, u2, u3, u4, u5, u6")],
)
def test_one_line_for_each_cause(verbosity: int, named: str) -> None:
    """With the records that have it, the first of them first."""
    errors = ["gone", *["down"] * 7, "gone"]
    names = ["r0", *(f"u{number}" for number in range(7)), "r1"]
    lost = [
        scored(name, None, "error", cause="rig", error=error)
        for name, error in zip(names, errors, strict=True)
    ]

    lines = [one.text for one in summary_lines(run(suite(lost, "incomplete")), 200, verbosity)]

    start = lines.index("infrastructure errors in test_a.py::test_a: 9")
    assert lines[start + 1 : start + 3] == ["       r0, r1  gone", f"       {named}  down"]
    assert not any(line.endswith(" more") for line in lines)


def test_subjects_of_a_large_exam_when_asked() -> None:
    """Thirteen subjects are pooled into categories, but with ``-v``."""
    summary = run(exam([subject(f"s{number}", 1, 2) for number in range(13)]))

    assert not any(line.text.startswith("s7 ") for line in summary_lines(summary, 80))
    assert any(line.text.startswith("s7 ") for line in summary_lines(summary, 80, 1))


def test_outcomes_are_told_apart() -> None:
    """So that a terminal may colour them, stacked or not."""
    for lines in (summary_lines(RUN, 60), summary_lines(RUN, 200), short_lines(RUN, 80, -1)):
        outcomes = [line.outcome for line in lines if line.outcome]
        assert list(dict.fromkeys(outcomes)) == ["incomplete", "passed"]


NAMES = st.text("abc/日é-", min_size=1, max_size=90)
SENTENCES = st.lists(NAMES, min_size=1, max_size=12).map(" ".join)


@given(
    st.lists(st.tuples(NAMES, SENTENCES, st.booleans()), min_size=1, max_size=6),
    NAMES,
    SENTENCES,
    st.sampled_from([60, 80, 120, 200]),
    st.integers(-2, 2),
)
def test_no_line_is_wider_than_the_terminal(
    rows: list[tuple[str, str, bool]], name: str, reason: str, columns: int, verbosity: int
) -> None:
    """But where one word is: an id, a name, a path."""
    records = [
        scored(one, 50, model_response=text)
        if is_scored
        else scored(one, None, "error", cause="rig", error=text)
        for one, text, is_scored in rows
    ]
    judged = suite(
        records,
        "failed",
        name=name,
        min_average=55.0,
        comparison=compared(),
        gates=(gate("baseline", reason=reason),),
    )
    summary = run(judged, exam([subject(name, 1, 3)]), notes=(reason,))

    lines = (short_lines if verbosity < 0 else summary_lines)(summary, columns, verbosity)

    for line in lines:
        text = f"{line.text}{line.result}"
        hang = len(text) - len(text.lstrip()) + 2
        longest = max(map(wcswidth, text.split()), default=0)
        assert wcswidth(text) <= columns or longest + hang > columns, text


def test_figures_of_excerpts_stand_below_each_other() -> None:
    """However many digits the first one has, those of scores have room for three."""
    losses = Excerpts("highest", (Excerpt("11.148", "a", "x"), Excerpt("8.898", "b", "y")))
    scores = Excerpts("lowest", (Excerpt("8", "a", "x"), Excerpt("91", "b", "y")))

    assert list(block_lines(losses, 80, None)) == [
        "highest: 2",
        '  11.148  a  "x"',
        '   8.898  b  "y"',
    ]
    assert list(block_lines(scores, 80, None))[1:] == ['    8  a  "x"', '   91  b  "y"']
