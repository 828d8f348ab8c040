"""The page of a history: what it says, what it draws, and what it may do."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.decisions.history import BY_CREATED, make_history
from pytest_llmjudge.kinds.history import read_run
from pytest_llmjudge.reporting.html.history import history_page
from pytest_llmjudge.reporting.html.trend import draw_trend
from tests.support import results
from tests.support.history import NAME, judged, write_run
from tests.unit.reporting.html.test_page import HOSTILE, Reader

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_llmjudge.data import AnyResult
    from pytest_llmjudge.data.history import History

FIRST = [90, 80, 85, 70, 95, 88, 60, 40]
LOWER = [70, 65, 80, 40, 95, 60, 50, 30]


def follow(folder: Path, *suites: AnyResult) -> History:
    """Write a results file for each suite, a month apart, and read them as a history."""
    paths = [write_run(folder / f"{month}.json", month, one) for month, one in enumerate(suites, 1)]
    return make_history([read_run(path) for path in paths], BY_CREATED)


def page(history: History) -> str:
    return history_page(history, BY_CREATED, "0.1.0")


@pytest.fixture(name="judges")
def follow_two_judges(tmp_path: Path) -> History:
    """Return a history with a drop, and with another judge in the last run."""
    return follow(
        tmp_path,
        judged(FIRST, "one.pth"),
        judged(LOWER, "two.pth"),
        judged(FIRST, "two.pth"),
        judged(FIRST, "two.pth", judge="def"),
    )


def test_what_it_says(judges: History) -> None:
    """Runs, figures, drops, why runs are apart, records that flip, and that it is no gate."""
    read = Reader(page(judges))

    for text in (
        "4 runs from 2026-01-01 09:00 to 2026-04-01 09:00 UTC",
        "History of 1 suite",
        "Judged · 8 records · 1 of 2 pairs of neighbours shows a drop",
        "2.json 2026-02-01 09:00 61.25 43.6 to 78.9 -14.8 0.0078 drop model: two.pth",
        "not compared with 3.json: results of different judges do not compare",
        "Records that flipped most often: 1 of 1",
        "r3 1 1 70 40 70 | 70",
        "A history describes; the gate [baseline] decides.",
    ):
        assert text in read.text
    assert len(read.named("tbody")) == 3
    (drawing,) = read.named("svg")
    assert drawing["aria-label"] == (
        "Average over time: 76.00 in the first of 4 runs, 76.00 in the last. Worse than the run "
        "before: 1. Not compared with the run before: 1. The table below has all figures."
    )


def test_what_it_may_do(judges: History) -> None:
    """Its own style, no script, and nothing from anywhere."""
    text = page(judges)
    read = Reader(text)

    policy = read.named("meta")[1]["content"]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    assert read.named("script") == []


def test_texts_of_strangers(tmp_path: Path) -> None:
    """Names, models and ids are shown letter by letter."""
    made = [judged(scores, HOSTILE, name=HOSTILE, prefix=HOSTILE) for scores in (FIRST, LOWER)]

    text = page(follow(tmp_path, *made))

    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "\x00" not in text


def test_lines_join_what_compares(judges: History) -> None:
    """A line over three runs, none to the run of another judge, and a dot that is a drop."""
    chart = draw_trend(judges, judges.suites[0])

    kinds = [line.kind for line in chart.plot.lines]
    assert kinds.count("trend") == 1
    assert kinds.count("interval") == 4
    assert kinds.count("least") == 1
    (trend,) = (line.path for line in chart.plot.lines if line.kind == "trend")
    assert len(trend.split()) == 2 * 3
    dots = {group.kind: group.dots for group in chart.plot.groups}
    assert [dot.tooltip for dot in dots["bad"]] == [
        "2.json, 2026-02-01 09:00: 61.25 (43.6 to 78.9), change -14.8, drop"
    ]
    assert len(dots["value"]) == 4
    assert [name for _, name in chart.legend] == [
        "average, with its 95 % interval",
        "worse than the run before",
        "not compared with the run before",
    ]


def test_the_axis_holds_all_that_is_drawn(judges: History) -> None:
    """From the lowest to the highest bound, labelled in round steps."""
    axis = draw_trend(judges, judges.suites[0]).plot.y

    assert (axis.low, axis.high) == (40, 100)
    assert [label for _, label in axis.ticks] == ["40", "50", "60", "70", "80", "90", "100"]


@pytest.mark.parametrize("value", [0, 100])
def test_a_figure_without_an_interval(tmp_path: Path, value: int) -> None:
    """One record has none, and all that is drawn is one dot."""
    history = follow(tmp_path, judged([value]))

    chart = draw_trend(history, history.suites[0])

    assert [len(group.dots) for group in chart.plot.groups] == [1, 0]
    assert "interval" not in [line.kind for line in chart.plot.lines]
    assert "one run, which has no neighbour" in Reader(page(history)).text


def test_a_run_without_a_figure(tmp_path: Path) -> None:
    """It has a row and no dot; the line goes on behind it."""
    history = follow(tmp_path, judged(FIRST), judged([None, *LOWER[1:]]), judged(FIRST))

    chart = draw_trend(history, history.suites[0])

    assert [len(group.dots) for group in chart.plot.groups] == [2, 0]
    assert f"2.json 2026-02-01 09:00 - - {'-14.0'}" in Reader(page(history)).text


def test_pairs(tmp_path: Path) -> None:
    """A kind without a paired test has a chart and a table of its own."""
    made = results.pairs([results.pair("p0", "a"), results.pair("p1", "b")])

    read = Reader(page(follow(tmp_path, made, made)))

    assert "Win rate over time" in read.text
    assert "suites of this kind have no paired test" in read.text
    assert "A history describes" not in read.text
    assert NAME not in read.text
