"""Which near miss a record has, of those that its answer can be made into."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.judging.near.asks import Ask, blank_quotes, read_ask
from pytest_llmjudge.judging.near.negation import negate
from pytest_llmjudge.judging.near.numbers import change_formula, step_number, swap_digits
from pytest_llmjudge.judging.near.words import (
    another_form,
    another_month_or_day,
    entries_of,
    name_of,
    replace_entry,
    replace_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["NearMiss", "NearMisses"]

_LENDERS: Final = 1000
_LONGEST: Final = 2000
_CODE: Final = re.compile(
    r"```|\b(?:def|return|import|const|let|var|print|SELECT|function)\b[ (].*[=;:(]|</\w|[{}]|=>|;\s*$"
    r"|\w\(\)",
    re.MULTILINE,
)
_KIND_ENDS: Final = frozenset("of for in on at from that which who by to did does is was".split())


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A right answer with one thing changed.

    Attributes:
        rule: What was changed: ``number``, ``digits``, ``name``, ``list``, ``form``, ``negation``.
        text: The changed answer.
    """

    rule: str
    text: str


class NearMisses:
    """The near misses of a suite's records.

    They depend on the records alone, so that every run has the same. Names and list entries are
    those of other records.

    Args:
        records: Each with one question.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def of(self, record: Record) -> NearMiss | None:
        """Return the near miss of a record; ``None`` where no change is sure to be wrong.

        There is none where many answers are right, where criteria decide what is, and where the
        answer is code or the instruction is not understood.
        """
        answer = record.output
        if not answer or record.criteria or record.is_raw or len(answer) > _LONGEST:
            return None
        ask = read_ask(record.instruction)
        if not ask.is_closed or _CODE.search(answer):
            return None
        seed = _seed(record.id)
        changes = list(self._changes(record, ask, seed)) or list(_negations(ask, answer))
        return changes[seed % len(changes)] if changes else None

    def _changes(self, record: Record, ask: Ask, seed: int) -> Iterator[NearMiss]:
        """Yield the near misses of all rules but negation, which nearly every answer has."""
        question, answer = _question(record), record.output
        number = step_number(ask, question, answer, seed) or change_formula(question, answer)
        texts = {
            "form": another_form(ask, question, answer),
            "number": number,
            "digits": swap_digits(ask, question, answer, seed),
        }
        if ask.has_one and not ask.translates:
            texts["name"] = another_month_or_day(question, answer, seed) or self._name(
                record, question, seed
            )
        if ask.has_whole_list and not ask.translates:
            texts["list"] = replace_entry(question, answer, self._entries, seed)
        for rule, text in texts.items():
            if text is not None and text.strip() != answer.strip():
                yield NearMiss(rule, text)

    def _name(self, record: Record, question: str, seed: int) -> str | None:
        others = self._names.get(_kind(record.instruction), ())
        return replace_name(question, record.output, others, seed)

    @cached_property
    def _lenders(self) -> list[Record]:
        """Other records, few enough to be read in no time and the same in every run."""
        return sorted(self._records, key=lambda one: _seed(one.id))[:_LENDERS]

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The names that records have, by what they are names of."""
        names: dict[str, list[str]] = {}
        for lender in self._lenders:
            place = name_of(_question(lender), lender.output)
            if place is not None and read_ask(lender.instruction).has_one:
                names.setdefault(_kind(lender.instruction), []).append(
                    lender.output[slice(*place)]
                )
        return names

    @cached_property
    def _entries(self) -> list[str]:
        return [
            lender.output[slice(*span)]
            for lender in self._lenders
            for span in entries_of(lender.output)
        ]


def _negations(ask: Ask, answer: str) -> Iterator[NearMiss]:
    text = negate(ask, answer)
    if text is not None:
        yield NearMiss("negation", text)


def _kind(instruction: str) -> str:
    """Return what an instruction asks the name of: ``what is the capital of``, or ``who``."""
    words = re.findall(r"[\w'’]+", blank_quotes(instruction).lower())
    if words and words[0] in {"who", "whom", "when", "where"}:
        return words[0]
    for place, word in enumerate(words[3:], 3):
        if word in _KIND_ENDS:
            return " ".join(words[: place + 1])
    return " ".join(words)


def _question(record: Record) -> str:
    """Return all that was asked and said before the answer."""
    said = [record.system, *(turn.text for turn in record.turns), record.instruction, record.input]
    return "\n".join(text for text in said if text)


def _seed(record_id: str) -> int:
    """Return a number that depends on the id alone."""
    return int.from_bytes(hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).digest()[:4], "big")
