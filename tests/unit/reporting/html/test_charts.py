"""Charts: what they say in words, and that they bring nothing that would run."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.reporting.html import charts
from pytest_llmjudge.reporting.html.charts import Measured
from pytest_llmjudge.reporting.html.texts import safe_text

if TYPE_CHECKING:
    from pytest_llmjudge.reporting.html.drawing import Chart

HOSTILE = "</svg><script>x</script>\x00\ud83d"
ALL = [
    charts.scores([0, 10, 55, 100, 100], 50),
    charts.scores([70], None),
    charts.paired([(10, 20), (50, 50), (90, 0)], 50),
    charts.paired([(n % 101, n // 101 % 101) for n in range(5000)], None),
    charts.intervals([Measured(HOSTILE, 0.5, (0.2, 0.8), 0.7)], 0.25),
    charts.intervals([Measured(f"s{n}", n / 60, (0.0, 1.0), None) for n in range(57)], None),
    charts.shares(3, 0, 1),
]


@pytest.mark.parametrize("chart", ALL, ids=lambda chart: chart.text[:24])
def test_a_chart_is_only_a_drawing(chart: Chart) -> None:
    """It is XML; it has no script, style, link or id; and it says in words what it shows."""
    root = ET.fromstring(str(chart.svg))  # noqa: S314  # we wrote it

    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not names & {"script", "style", "a", "image", "desc", "foreignObject"}
    assert not any({"id", "style", "href"} & set(element.attrib) for element in root.iter())
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", str(chart.svg))
    assert root.attrib["role"] == "img"
    assert len(root.attrib["aria-label"]) > 20


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


def dots(chart: Chart) -> list[str]:
    return re.findall(r"<title>([^<]*)</title>", str(chart.svg))


def test_scores_are_counted_in_steps() -> None:
    """100 belongs to the last step, and what is below min_score is told."""
    chart = charts.scores([0, 4, 5, 20, 99, 100], 20)

    assert chart.text == (
        "Distribution of 6 scores. Records by score: 0 to 4: 2, 5 to 9: 1, 20 to 24: 1, "
        "95 to 100: 2. 3 are below min_score 20."
    )
    assert [name for _, name in chart.legend] == ["3 reach min_score", "3 below", "min_score 20"]


def test_pairs_have_a_dot_for_each_place() -> None:
    """Equal pairs share a larger dot."""
    chart = charts.paired([(10, 20), (10, 20), (50, 50)], None)

    assert chart.text == (
        "Scores of 3 records now against the baseline: 0 lower, 1 equal, 2 higher."
    )
    assert sorted(dots(chart)) == [
        "10 before, 20 now: 2 records",
        "50 before, 50 now: 1 record",
    ]
    assert chart.note == ""


def test_many_pairs_are_rounded() -> None:
    """52,000 records do not make 10,000 dots, and the chart says so; the words stay exact."""
    pairs = [(n % 101, n // 101 % 101) for n in range(52_000)]
    chart = charts.paired(pairs, None)

    assert chart.note == "Scores are rounded to steps of 5 points."
    assert len(dots(chart)) <= 21 * 21
    assert f"{sum(now < was for was, now in pairs)} lower" in chart.text


def test_subjects_are_named_with_intervals() -> None:
    """The baseline has a mark of its own where there is one."""
    measured = [
        Measured("anatomy", 0.5, (0.4, 0.6), 0.7),
        Measured("zoology", 0.25, (0.1, 0.45), None),
    ]
    chart = charts.intervals(measured, 0.25)

    assert chart.text == (
        "Accuracy by subject with 95 % intervals: anatomy 0.50 (0.40 to 0.60); "
        "zoology 0.25 (0.10 to 0.45)."
    )
    assert [mark for mark, _ in chart.legend] == ["dot accent", "ring", "dash"]
    assert str(chart.svg).count("<circle") == 3


def test_pairs_won_are_shares() -> None:
    """All three are told, none of them too."""
    chart = charts.shares(3, 0, 1)

    assert chart.text == "Of 4 pairs 3 are won, 0 tied and 1 lost."


def test_drawing_changes_no_imports() -> None:
    """With warnings as errors, a module that is missing is still told as missing."""
    code = (
        "import warnings; warnings.simplefilter('error', ImportWarning)\n"
        "import pytest_llmjudge.reporting.html\n"
        "try: import no_such_module\n"
        "except ModuleNotFoundError: print('missing')"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (told.stdout, told.stderr) == ("missing\n", "")
