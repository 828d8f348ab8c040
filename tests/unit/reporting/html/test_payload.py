"""What the page's script gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.reporting.html.payload import payload_of
from tests.support import runs
from tests.support.report_page import unpacked

if TYPE_CHECKING:
    from pytest_llmjudge.reporting.html.payload import Payload

NAME = "test_suite.py::test_instructions"
ANY_TEXT = st.text(st.characters(categories=None))
"""Half surrogates too: half an emoji is what some tokenizers give."""


def rows_in(payload: Payload) -> list[dict[str, Any]]:
    """Return the texts of all rows; each chunk begins where the index says."""
    chunks = unpacked(payload.chunks)
    starts = json.loads(payload.index)["starts"]
    assert starts == [sum(map(len, chunks[:place])) for place in range(len(chunks))]
    return [texts for chunk in chunks for texts in chunk]


def rebuilt(text: str, marks: list[int], kind: int) -> str:
    """Cut a text as the script does, which counts in UTF-16, and join it again."""
    units = text.encode("utf-16-le", "surrogatepass")
    parts, at = [], 0
    for mark, length in zip(marks[::2], marks[1::2], strict=True):
        if mark in {0, kind}:
            parts.append(units[2 * at : 2 * (at + length)])
            at += length
    assert 2 * at == len(units)
    return b"".join(parts).decode("utf-16-le", "surrogatepass")


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_texts_arrive_as_they_were(instruction: str, response: str, before: str) -> None:
    """Whatever they hold; and marks count as the script counts."""
    asked = runs.record("r0", instruction=instruction)
    suite = runs.suite([runs.result("r0", of=asked, model_response=response)])
    known = {NAME: {"r0": runs.entry("r0", 95.0, before)}}

    (texts,) = rows_in(payload_of(runs.rows(runs.run(suite), known)))

    assert texts.get("instruction", "") == instruction
    assert (texts.get("response", ""), texts.get("other", "")) == (response, before)
    if texts["marks"] == "same":
        assert response == before
    else:
        assert rebuilt(before, texts["marks"], 1) == before
        assert rebuilt(response, texts["marks"], 2) == response


@given(ANY_TEXT)
def test_the_index_may_stand_in_html(text: str) -> None:
    """Nothing in it ends the element that it stands in, or begins a comment."""
    asked = runs.record("</script><!--", instruction=f"<script>{text}")
    payload = payload_of(runs.rows(runs.run(runs.suite([runs.result(of=asked)])), {}))

    assert payload.index.isascii()
    assert not set("<>&") & set(payload.index)
    assert json.loads(payload.index)["id"] == ["</script><!--"]


def test_rows_are_counted_by_what_they_are() -> None:
    """Failed, lost, unscored, flipped and unsure, of records and of pairs."""
    results = [
        runs.result("good", 90),
        runs.result("bad", 10),
        runs.result("none", None),
        runs.result("torn", 60, samples=(40, 60, 70)),
        runs.result("late", None, outcome="not run", error="it was not run", cause=None),
    ]
    known = {NAME: {"bad": runs.entry("bad", 80.0), "good": runs.entry("good", 40.0)}}
    pairs = [runs.pair("won", "a"), runs.pair("flip", "tie"), runs.pair("lost", "b")]
    run = runs.run(runs.suite(results), runs.preference(pairs))

    payload = payload_of(runs.rows(run, known))
    index = json.loads(payload.index)

    assert payload.counts == {
        "failed": 1,
        "lost": 1,
        "unscored": 2,
        "got worse": 1,
        "flipped": 2,
        "unsure": 1,
    }
    assert payload.total == 8
    assert index["score"] == [90, 10, None, 60, None, 100, 50, 0]
    assert index["before"] == [40, 80, None, None, None, None, None, None]
    assert index["flags"] == [0, 1 + 4 + 32, 2, 8, 2, 0, 4, 16]
    assert index["suite"] == [0] * 5 + [1] * 3
    assert index["pairs"] == [False, True]


def test_a_record_of_which_no_score_is_asked() -> None:
    """It is scored, and has not passed anything; one whose test failed did not pass it."""
    results = [runs.result("low", 3, outcome="passed"), runs.result("own", 90, outcome="failed")]

    index = json.loads(payload_of(runs.rows(runs.run(runs.suite(results, min_score=None)))).index)

    assert [index["outcomes"][place] for place in index["outcome"]] == ["scored", "failed"]


def test_a_pair_with_a_winner_is_won_tied_or_lost() -> None:
    """Whatever its item came to; where there is no winner, its item's outcome is shown."""
    pairs = [
        runs.pair("p0", "a"),
        runs.pair("p1", "tie"),
        runs.pair("p2", "b"),
        runs.pair("p3", "a", outcome="failed"),
        runs.pair("p4", None),
    ]

    index = json.loads(payload_of(runs.rows(runs.run(runs.preference(pairs)), {})).index)

    outcomes = [index["outcomes"][place] for place in index["outcome"]]
    assert outcomes == ["won", "tied", "lost", "won", "error"]
    assert index["flags"][3] == index["filters"]["failed"]


def test_the_input_stands_beside_the_instruction() -> None:
    """It tells records apart that are asked the same, and is cut."""
    of = runs.record("r0", input="x" * 100)

    payload = payload_of(runs.rows(runs.run(runs.suite([runs.result(of=of), runs.result()])), {}))

    assert json.loads(payload.index)["input"] == ["x" * 64, ""]


def test_long_answers_make_small_chunks() -> None:
    """A browser never has to unpack much at once, and each chunk says where it begins."""
    results = [runs.result(f"r{number}") for number in range(600)]
    results[3] = runs.result("r3", model_response="word " * 200_000)

    payload = payload_of(runs.rows(runs.run(runs.suite(results)), {}))

    assert json.loads(payload.index)["starts"] == [0, 4, 254, 504]
    assert len(rows_in(payload)) == 600


def test_the_same_run_makes_the_same_file() -> None:
    """Nothing of the time or the machine gets in."""
    run = runs.run(runs.suite([runs.result()]))

    assert payload_of(runs.rows(run, {})) == payload_of(runs.rows(run, {}))


def test_too_much_to_compare_is_said() -> None:
    """The page then shows both texts without marks."""
    long = runs.result("r0", model_response="y " + "x " * 20_000)
    known = {NAME: {"r0": runs.entry("r0", 90.0, "x " * 20_000 + "z")}}

    (texts,) = rows_in(payload_of(runs.rows(runs.run(runs.suite([long])), known)))

    assert texts["marks"] == "too long"
