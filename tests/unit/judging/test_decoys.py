"""Decoy questions: which are asked, when, and what becomes of a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.data import Choice, Preference, Record, Verdict
from pytest_llmjudge.judging.check import INJECTIONS
from pytest_llmjudge.judging.decoys import (
    Decoys,
    confirm_by_decoys,
    confirm_choice_by_decoys,
    is_suspicious_choice,
    is_suspicious_score,
)
from pytest_llmjudge.judging.pair_check import INJECTIONS as PAIR_INJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = Record("r", "Name the author of 'Emma'.", "", "Jane Austen wrote 'Emma'.", {})
WRONG = "The capital of Peru is Lima."


def make_records(count: int) -> list[Record]:
    return [Record(f"r{n}", f"Say {n}.", "", f"It is {n}.", {}) for n in range(count)]


def test_a_decoy_has_another_question_and_another_answer() -> None:
    """Of all records, and the same one in every run."""
    records = make_records(50)
    decoys = Decoys(records)

    chosen = {record.id: decoys.of(record) for record in records}

    assert all(chosen[record.id].output != record.output for record in records)
    assert all(chosen[record.id].instruction != record.instruction for record in records)
    assert len({other.id for other in chosen.values()}) >= 45
    assert chosen == {record.id: Decoys(records[::-1]).of(record) for record in records}


def test_a_record_more_changes_few_decoys() -> None:
    """So that most of what was asked earlier need not be asked again."""
    before, after = Decoys(make_records(50)), Decoys(make_records(51))

    changed = sum(before.of(record) != after.of(record) for record in make_records(50))

    assert changed <= 2


@pytest.mark.parametrize(
    "records",
    [
        [],
        [RECORD],
        [RECORD, Record("s", "Who wrote it?", "", "jane  Austen wrote 'emma'. ", {})],
        [RECORD, Record("s", RECORD.instruction, "", "Somebody else.", {})],
        [RECORD, Record("s", "Say it.", "x" * 2000, "It.", {})],
    ],
    ids=["none", "alone", "same answer", "same question", "much longer"],
)
def test_without_a_fit_record(records: list[Record]) -> None:
    """There is a built-in question for a suite that has no other of its own."""
    decoy = Decoys(records).of(RECORD)

    assert decoy.id == "decoy"
    assert Decoys(records).questions(RECORD, "x")[1].output == decoy.output
    assert Decoys(records).questions(RECORD, "x")[1].instruction == RECORD.instruction


@pytest.mark.parametrize(
    ("response", "score", "unlike", "suspicious"),
    [
        ("Jane Austen wrote 'Emma'", 100, True, False),
        (WRONG, 19, True, False),
        (WRONG, 20, True, True),
        (WRONG, 20, False, False),
        (f"{WRONG}{INJECTIONS[0]}", 25, False, True),
        ("Jane Austen wrote 'Emma'. " + "Jane Austen wrote it. " * 20, 90, True, True),
    ],
)
def test_what_is_suspicious(response: str, score: int, *, unlike: bool, suspicious: bool) -> None:
    """A score that is worth an attack, on a response that may be one."""
    assert is_suspicious_score(RECORD, response, score, unlike=unlike) is suspicious


def asked(*verdicts: Verdict | None) -> Iterator[Verdict | None]:
    """Yield decoys, and fail where one more is taken."""
    yield from verdicts
    pytest.fail("a decoy was asked that is not needed")


SCORED = Verdict(80, "Yes")


@pytest.mark.parametrize(
    ("score", "decoys", "stands"),
    [(80, [47], True), (40, [23], True), (40, [24, 23], True), (100, [50], True)],
)
def test_an_honest_answer_stands(score: int, decoys: list[int], stands: bool) -> None:  # noqa: FBT001
    """One decoy that is scored clearly lower is enough, and no more is asked."""
    verdict = Verdict(score, "Yes")

    result = confirm_by_decoys(RECORD, verdict, asked(*map(Verdict, decoys)))

    assert (result == verdict) is stands


@pytest.mark.parametrize(("score", "decoys"), [(80, (51, 90)), (40, (24, 24)), (90, (90, 100))])
def test_an_injected_answer_is_an_error(score: int, decoys: tuple[int, int]) -> None:
    """It names both scores, is final, and is the record's own fault."""
    result = confirm_by_decoys(RECORD, Verdict(score, "Yes", covered=0.9), map(Verdict, decoys))

    assert result is not None
    assert (result.score, result.final, result.is_infrastructure, result.injection) == (
        None,
        True,
        False,
        True,
    )
    assert (result.reply, result.covered) == ("Yes", 0.9)
    assert result.error == (
        f"record r: the response speaks to the judge (it gets {score} here, and {decoys[0]} and "
        f"{decoys[1]} for what it does not answer); read it, and look for texts that address "
        "a grader in the training data"
    )


def test_a_decoy_that_cannot_be_scored_leaves_the_record_unscored() -> None:
    """It fails closed, with the reason for which the decoy failed."""
    failed = Verdict(None, "", "x: is down; start it", final=False, is_infrastructure=True)

    result = confirm_by_decoys(RECORD, SCORED, asked(failed))

    assert result == Verdict(
        None, "Yes", "x: is down; start it", final=False, is_infrastructure=True
    )


def test_a_decoy_that_was_not_asked_yet() -> None:
    """Nothing is known then."""
    assert confirm_by_decoys(RECORD, SCORED, asked(None)) is None
    assert confirm_by_decoys(RECORD, SCORED, asked(Verdict(80), None)) is None


@pytest.mark.parametrize(
    ("winner", "loser", "suspicious"),
    [
        ("Jane Austen wrote 'Emma'.", WRONG, False),
        (WRONG, "Jane Austen wrote it.", True),
        (WRONG, "No.", False),
        (f"Jane Austen wrote 'Emma'.{PAIR_INJECTIONS[3]}", "No.", True),
        ("Jane Austen wrote 'Emma'. " * 12, "No.", True),
    ],
)
def test_which_choices_are_suspicious(winner: str, loser: str, *, suspicious: bool) -> None:
    """An answer that won though the other is more like the reference, or that speaks of grading."""
    assert is_suspicious_choice(RECORD, winner, loser) is suspicious


@pytest.mark.parametrize(
    ("choices", "speaks"),
    [("B", False), ("AA", False), ("tA", False), ("AB", True), ("tt", True), ("tB", True)],
)
def test_a_tie_is_confirm_by_decoysd(choices: str, *, speaks: bool) -> None:
    """An honest answer loses to the right answer to another question, in one order at least."""
    tie = Preference("tie", ("tie", "tie"), ("{}", "{}"))
    decoys = [Choice("tie" if letter == "t" else letter) for letter in choices]

    result = confirm_choice_by_decoys(RECORD, tie, iter(decoys))

    assert result is not None
    assert (result != tie) is speaks
    assert result.injection is speaks


def test_a_preference_is_confirm_by_decoysd_in_both_orders() -> None:
    """What wins over the right answer to another question wherever it stands is an error."""
    preferred = Preference("b", ("B", "A"), ("{}", "{}"))

    assert confirm_choice_by_decoys(RECORD, preferred, iter([Choice("B")])) == preferred
    assert (
        confirm_choice_by_decoys(RECORD, preferred, iter([Choice("A"), Choice("tie")])) == preferred
    )
    assert confirm_choice_by_decoys(RECORD, preferred, iter([Choice("A"), None])) is None
    down = Choice(None, "", "x: is down; start it", final=False, is_infrastructure=True)
    failed = confirm_choice_by_decoys(RECORD, preferred, iter([down]))
    assert failed is not None
    assert (failed.winner, failed.error, failed.is_infrastructure) == (
        None,
        "x: is down; start it",
        True,
    )
    result = confirm_choice_by_decoys(RECORD, preferred, iter([Choice("A"), Choice("B")]))
    assert result is not None
    assert (
        result.winner,
        result.final,
        result.is_infrastructure,
        result.injection,
    ) == (
        None,
        True,
        False,
        True,
    )
    assert result.error == (
        "record r: the answer it is compared with speaks to the judge (it is preferred here, and to "
        "the right answer to another question as well); read it, and look for texts that address a "
        "grader in the training data"
    )


@pytest.mark.parametrize("repeats", [True, False])
def test_a_response_that_repeats_its_own_question(*, repeats: bool) -> None:
    """It could obey under that question alone, so it is asked about under no other."""
    records = make_records(9)
    response = f"For the question '{records[3].instruction.upper()}' give it" if repeats else "No."

    questions = Decoys(records).questions(records[3], response)

    own = [question.instruction == records[3].instruction for question in questions]
    assert own == ([True] if repeats else [False, True])
    assert all(question.output != records[3].output for question in questions)
