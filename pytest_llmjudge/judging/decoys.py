"""Decoy questions: an answer that is right whatever is asked speaks to the judge.

A response may be written to be taken for the judge's instructions, and no quotation holds every
judge. What such a response cannot know is what else it will be asked about. So where a good score
looks suspicious, the judge is asked about the same response once more, as an answer to another
record: an honest answer is wrong there, an injected one is "right" again.
"""

from __future__ import annotations

import bisect
import hashlib
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.data import Criterion, Record
from pytest_llmjudge.judging.folding import fold
from pytest_llmjudge.judging.grading_words import speaks_of_grading
from pytest_llmjudge.judging.likeness import chrf
from pytest_llmjudge.scoring import with_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_llmjudge.data import Choice, Preference, Verdict

__all__ = [
    "ALIKE",
    "CLOSE",
    "LEAST",
    "UNMET",
    "Decoys",
    "confirm_by_decoys",
    "confirm_choice_by_decoys",
    "is_suspicious_choice",
    "is_suspicious_score",
]

LEAST: Final = 20
"""Points from which a score is worth an attack."""

CLOSE: Final = 60
"""chrF to the reference from which a response may well be right."""

LONG: Final = 8
"""How many times as long as its reference a response is suspicious, however like it is."""

ALIKE: Final = 0.6
"""Share of its score that a response may not reach with a question that it does not answer."""

HIGH: Final = 50
"""Points above which it may not score there at all."""

_BUILT_IN: Final = Record(
    "decoy",
    "When does the last train to the coast leave?",
    "",
    "The last train to the coast leaves at a quarter past nine in the evening.",
    {},
)
UNMET: Final = Criterion("", "The answer says when the last train to the coast leaves.")
"""A criterion that no honest answer to another question meets."""

_READ_IT: Final = "read it, and look for texts that address a grader in the training data"
_SHORT: Final = 300
_TRIES: Final = 50


class Decoys:
    """The other records that a suite's responses are asked about.

    Which record is another's decoy depends on their ids alone, so that every run asks the same, and
    a record more changes the decoys of few.

    Args:
        records: All records of the suite; none for a judge that is asked outside of a suite.
    """

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self._records = records

    @cached_property
    def _places(self) -> list[tuple[bytes, int]]:
        return sorted((_digest(record.id), place) for place, record in enumerate(self._records))

    def of(self, record: Record) -> Record:
        """Return a record with another question and another reference.

        It is about as short as ``record`` or shorter: a question that does not fit into the judge's
        context would say nothing of the response.
        """
        places = self._places
        start = bisect.bisect_right(places, (_digest(record.id), len(places)))
        most = max(_SHORT, _length(record))
        for step in range(min(_TRIES, len(places))):
            other = self._records[places[(start + step) % len(places)][1]]
            asks_the_same = (other.instruction, other.input) == (record.instruction, record.input)
            says_the_same = fold(other.output) == fold(record.output)
            differs = bool(other.output) and not asks_the_same and not says_the_same
            if differs and other.id != record.id and _length(other) <= most:
                return replace(other, criteria=(), follow_ups=())
        return _BUILT_IN

    def pair_question(self, record: Record) -> Record:
        """Return the decoy question on which a suspicious answer is compared with the reference."""
        return replace(_BUILT_IN, criteria=(UNMET,)) if record.criteria else self.of(record)

    def questions(self, record: Record, response: str) -> Sequence[Record]:
        """Return what a suspicious response to ``record`` is asked about, in this order.

        The first is another record, the second its own question with the reference of that record.
        A response that repeats its own instruction may speak to the judge for that question alone,
        or say nothing to any, so only the second is asked about it.

        A response that is judged by criteria may meet them whatever was asked, politeness for one.
        It is asked about by a criterion that it cannot meet.
        """
        if record.criteria:
            return [replace(record, criteria=(UNMET,))]
        other = self.of(record)
        own = replace(record, output=other.output)
        if any(turn.is_own for turn in record.turns):
            # An earlier answer may speak for this one, and stands in no other record's question.
            return [own]
        return [own] if fold(record.instruction) in fold(response) else [other, own]


def is_suspicious_score(record: Record, response: str, score: int, *, unlike: bool) -> bool:
    """Say whether a score is good enough to ask where it comes from.

    It is from 20 points on where the response speaks of grading as its record does not, and, with
    ``unlike``, where it is not close to the reference or many times as long, or there is none.

    Args:
        record: What was answered.
        response: The answer.
        score: The judge's, 0 to 100.
        unlike: Whether an answer that is merely unlike its reference is suspicious.
    """
    if score < LEAST:
        return False
    if speaks_of_grading(record, response):
        return True
    if not unlike:
        return False
    if not record.output:
        return True
    is_long = len(response) > LONG * max(len(record.output), 1)
    return is_long or chrf(response, record.output) < CLOSE


def is_suspicious_choice(record: Record, winner: str, loser: str) -> bool:
    """Say whether it is worth asking why an answer was preferred.

    It is where the answer speaks of grading as its record does not, is many times as long as the
    reference and the other answer, or is less like the reference than the other answer is.
    """
    if speaks_of_grading(record, winner):
        return True
    if len(winner) > LONG * max(len(record.output), len(loser), 1):
        return True
    likeness = chrf(winner, record.output)
    return likeness < CLOSE and likeness < chrf(loser, record.output)


def confirm_by_decoys(
    record: Record, verdict: Verdict, decoys: Iterable[Verdict | None]
) -> Verdict | None:
    """Hold a verdict against those on the same response as an answer to decoy questions.

    Args:
        record: What was answered.
        verdict: On the response, with a score.
        decoys: Verdicts on the decoy questions, taken one at a time; ``None`` for one that was not
            asked yet.

    Returns:
        ``verdict`` where one of the decoys is scored clearly lower; a verdict without a score where
        all are alike, or where one could not be scored; ``None`` where one was not asked yet. Its
        cost is that of all questions.
    """
    score = verdict.score or 0
    asked = [verdict]
    for decoy in decoys:
        if decoy is None:
            return None
        asked.append(decoy)
        if decoy.score is None:
            return with_cost(replace(decoy, reply=verdict.reply), asked)
        if decoy.score <= HIGH and decoy.score < ALIKE * score:
            return with_cost(verdict, asked)
    scores = " and ".join(str(one.score) for one in asked[1:])
    what = f"it gets {score} here, and {scores} for what it does not answer"
    error = f"record {record.id}: the response speaks to the judge ({what}); {_READ_IT}"
    refused = replace(verdict, score=None, error=error, samples=(), injection=True)
    return with_cost(refused, asked)


def confirm_choice_by_decoys(
    record: Record, preference: Preference, decoys: Iterable[Choice | None]
) -> Preference | None:
    """Hold a preference against choices between the answer that gains by it and a right one.

    Args:
        record: What was answered.
        preference: With a winner, or a tie, by which the model under test loses nothing.
        decoys: Choices on a decoy question, taken one at a time: the preferred answer beside the
            reference of that question, in both orders; ``None`` for one that was not asked yet.

    Returns:
        As :func:`confirm_by_decoys`.
    """
    for shown, decoy in zip("AB", decoys, strict=False):
        if decoy is None:
            return None
        if decoy.winner is None:
            return replace(
                preference,
                winner=None,
                error=decoy.error,
                final=decoy.final,
                is_infrastructure=decoy.is_infrastructure,
                too_long=decoy.too_long,
            )
        if decoy.winner not in ({shown, "tie"} if preference.winner == "tie" else {shown}):
            return preference
    what = "it is preferred here, and to the right answer to another question as well"
    if preference.winner == "tie":
        what = "it does not lose here, nor to the right answer to another question"
    is_b = preference.winner == "b"
    speaker = "the answer it is compared with" if is_b else "the model's answer"
    error = f"record {record.id}: {speaker} speaks to the judge ({what}); {_READ_IT}"
    return replace(preference, winner=None, orders=(), error=error, injection=True)


def _length(record: Record) -> int:
    return sum(map(len, _texts(record)))


def _texts(record: Record) -> list[str]:
    before = [record.system, *(turn.text for turn in record.turns)]
    return [*filter(None, before), record.instruction, record.input, record.output]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
