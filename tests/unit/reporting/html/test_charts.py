"""Charts: what they draw and say in words, and that they bring nothing that would run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data.page import (
    Histogram,
    Intervals,
    Measured,
    PeopleScatter,
    Scatter,
    Shares,
)
from pytest_llmjudge.reporting.html.charts import draw
from pytest_llmjudge.reporting.html.templates import template
from pytest_llmjudge.reporting.html.texts import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.reporting.html.drawing import Chart


def scores(values: Sequence[int], min_score: int | None) -> Chart:
    return draw(Histogram(tuple(values), min_score))


def paired(pairs: Sequence[tuple[float, float]], min_score: int | None) -> Chart:
    return draw(Scatter(tuple(pairs), min_score))


def people(pairs: Sequence[tuple[float, float]]) -> Chart:
    return draw(PeopleScatter(tuple(pairs)))


def intervals(measured: Sequence[Measured], wanted: float | None) -> Chart:
    return draw(Intervals(tuple(measured), wanted, "accuracy", "subject"))


def shares(*counts: int) -> Chart:
    won, tied, lost = counts
    return draw(Shares((won, tied, lost), ("won", "tied", "lost"), "pairs"))


HOSTILE = "</svg><script>x</script>\x00\ud83d"
ALL = [
    scores([0, 10, 55, 100, 100], 50),
    scores([70], None),
    paired([(10, 20), (50, 50), (90, 0)], 50),
    paired([(n % 101, n // 101 % 101) for n in range(5000)], None),
    people([(66.5, 70), (66.5, 70), (100, 100), (40, 20)]),
    people([(n % 101, n // 101 % 101) for n in range(5000)]),
    intervals([Measured(HOSTILE, 0.5, (0.2, 0.8), 0.7)], 0.25),
    intervals([Measured(f"s{n}", n / 60, (0.0, 1.0), None) for n in range(57)], None),
    shares(3, 0, 1),
]


def svg_of(chart: Chart) -> str:
    return template("chart.svg").render(chart=chart)


def drawing(chart: Chart) -> ET.Element:
    return ET.fromstring(svg_of(chart))  # noqa: S314  # we wrote it


def tooltips(chart: Chart) -> list[str | None]:
    return [element.text for element in drawing(chart).iter("title")]


def labels(chart: Chart) -> list[str | None]:
    return [element.text for element in drawing(chart).iter("text")]


def path(chart: Chart, kind: str) -> str:
    (element,) = drawing(chart).iterfind(f"path[@class='{kind}']")
    return element.attrib["d"]


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.text[:24])
def test_a_chart_is_only_a_drawing(chart: Chart) -> None:
    """It is XML; it has no script, style, link or id; and it says in words what it shows."""
    root = drawing(chart)

    assert {element.tag for element in root.iter()} <= {
        "svg",
        "g",
        "path",
        "text",
        "circle",
        "title",
    }
    names = {name for element in root.iter() for name in element.attrib}
    assert not any(name in {"id", "style", "href"} or name.startswith("on") for name in names)
    assert "http" not in svg_of(chart)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == safe_text(chart.text)
    assert len(chart.text) > 20


@given(st.text(st.characters(categories=None)))
def test_any_text_can_stand_in_a_page(text: str) -> None:
    """It can be written, and read back as XML; what was fit is as it was."""
    shown = safe_text(text)

    element = ET.Element("p")
    element.text = shown
    assert ET.fromstring(ET.tostring(element)).text in {shown, None}  # noqa: S314  # we wrote it
    assert not re.search("[\ufffe\uffff\x00\x1b\x85]", shown)
    if text.isprintable():
        assert shown == text


def test_scores_are_counted_in_steps() -> None:
    """100 belongs to the last step, and what is below min_score is marked."""
    chart = scores([0, 4, 5, 20, 99, 100], 20)

    assert chart.text == (
        "Distribution of 6 scores. Records by score: 0 to 4: 2, 5 to 9: 1, 20 to 24: 1, "
        "95 to 100: 2. 3 are below min_score 20."
    )
    assert [name for _, name in chart.legend] == ["3 reach min_score", "3 below", "min_score 20"]
    assert labels(chart) == [
        *("0", "20", "40", "60", "80", "100"),
        *("0", "1", "2"),
        *("score", "records"),
    ]
    assert path(chart, "value").count("z") == 4
    assert path(chart, "bad").count("z") == 2


def test_pairs_have_a_dot_for_each_place() -> None:
    """Equal pairs share a larger dot."""
    chart = paired([(10, 20), (10, 20), (50, 50)], None)

    assert chart.text == (
        "Scores of 3 records now against the baseline: 0 lower, 1 equal, 2 higher."
    )
    assert tooltips(chart) == [
        "50 before, 50 now: 1 record",
        "10 before, 20 now: 2 records",
    ]
    assert chart.note == ""
    small, large = (
        (one.attrib["cx"], one.attrib["cy"], float(one.attrib["r"]))
        for one in drawing(chart).iter("circle")
    )
    # The middle of the chart, and a tenth and a fifth of the way along its axes.
    assert small[:2] == ("243.8", "116")
    assert large[:2] == ("99.6", "178.4")
    assert large[2] > small[2]


def test_many_pairs_are_rounded() -> None:
    """52,000 records do not make 10,000 dots, and the chart says so; the words stay exact."""
    pairs = [(n % 101, n // 101 % 101) for n in range(52_000)]
    chart = paired(pairs, None)

    assert chart.note == "Scores are rounded to steps of 5 points."
    assert len(tooltips(chart)) <= 21 * 21
    assert f"{sum(now < was for was, now in pairs)} lower" in chart.text


def test_subjects_are_named_with_intervals() -> None:
    """The baseline has a mark of its own where there is one."""
    measured = [
        Measured("anatomy", 0.5, (0.4, 0.6), 0.7),
        Measured("zoology", 0.25, (0.1, 0.45), None),
    ]
    chart = intervals(measured, 0.25)

    assert chart.text == (
        "Accuracy by subject with 95 % intervals: anatomy 0.50 (0.40 to 0.60); "
        "zoology 0.25 (0.10 to 0.45)."
    )
    assert [mark for mark, _ in chart.legend] == ["dot accent", "ring", "dash"]
    assert len(list(drawing(chart).iter("circle"))) == 3
    assert tooltips(chart) == ["anatomy 0.50 (0.40 to 0.60)", "zoology 0.25 (0.10 to 0.45)"]
    assert labels(chart)[-3:] == ["anatomy", "zoology", "accuracy"]


def test_names_of_subjects_are_texts() -> None:
    """Markup in them is shown, and a long or wide one is cut where it would leave the chart."""
    names = HOSTILE, "a" * 27, "\u89e3" * 27
    chart = intervals([Measured(name, 0.5, (0.4, 0.6), None) for name in names], None)

    hostile, long, wide = labels(chart)[5:8]
    assert hostile == "</svg><script>x</script>\\…"
    assert long == "a" * 25 + "…"
    assert wide == "\u89e3" * 12 + "…"
    assert tooltips(chart)[0] == f"{safe_text(HOSTILE)} 0.50 (0.40 to 0.60)"
    assert float(path(chart, "axes")[1:].partition(" ")[0]) - 12 >= 12 * 12


def test_pairs_won_are_shares() -> None:
    """All three are shown, also where they are 0."""
    chart = shares(3, 0, 1)

    assert chart.text == "Of 4 pairs 3 are won, 0 tied and 1 lost."
    assert path(chart, "good") == "M0 48V0H330V48z"
    assert path(chart, "tied") == "M330 48V0H330V48z"
    assert path(chart, "bad") == "M330 48V0H440V48z"


def test_people_beside_the_judge() -> None:
    """Each place says how many records are there; the mean of several people may be a fraction."""
    chart = people([(66.5, 70), (66.5, 70), (100, 100), (40, 20)])

    assert chart.text == (
        "Scores of the judge against those of people, 4 records: 1 lower, 1 equal, 2 higher."
    )
    assert sorted(filter(None, tooltips(chart))) == [
        "100 people, 100 judge: 1 record",
        "40 people, 20 judge: 1 record",
        "66.5 people, 70 judge: 2 records",
    ]
    assert {"people", "judge"} <= set(labels(chart))
