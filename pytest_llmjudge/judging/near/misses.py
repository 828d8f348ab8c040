"""Which of the near misses that its answer allows a record gets."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.judging.near import LOOKED_AT
from pytest_llmjudge.judging.near.asks import Ask, read_ask
from pytest_llmjudge.judging.near.forms import another_form
from pytest_llmjudge.judging.near.lists import (
    another_option,
    find_entries,
    replace_entry,
    subject_of,
    task_of,
)
from pytest_llmjudge.judging.near.names import (
    another_month_or_day,
    find_name,
    kind_of_name,
    replace_name,
)
from pytest_llmjudge.judging.near.negation import negate
from pytest_llmjudge.judging.near.numbers import change_formula, step_number, swap_digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["NearMiss", "NearMisses", "choose_near_misses"]

_LONGEST: Final = 2000
_LONGEST_INSTRUCTION: Final = 20_000
"""Characters of one that is looked into: some expressions take quadratic time."""
_OTHER_BASE: Final = re.compile(r"\b(?:binary|octal|hexadecimal|to roman)\b", re.IGNORECASE)
_CODE: Final = re.compile(
    r"```|\b(?:def|return|import|const|let|var|print|SELECT|function)\b[ (].*[=;:(]"
    r"|</\w|[{}]|=>|;\s*$|\w\(\)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A right answer with one thing changed.

    Attributes:
        rule: What was changed: ``number``, ``digits``, ``name``, ``list``, ``option``, ``form`` or
            ``negation``.
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

    Attributes:
        looked_at: Up to 1,000 of them, the same in every run, whose names and entries are used.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.looked_at = sorted(records, key=lambda one: _seed(one.id))[:LOOKED_AT]

    def of(self, record: Record) -> NearMiss | None:
        """Return the near miss of a record; ``None`` where no change is sure to be wrong.

        There is none where many answers are right, where criteria decide what is, and where the
        answer is code or the instruction is not understood, or very long.
        """
        answer = record.output
        if not answer or record.criteria or record.is_raw or len(answer) > _LONGEST:
            return None
        if len(record.instruction) > _LONGEST_INSTRUCTION:
            return None
        ask = read_ask(record.instruction)
        if not ask.is_closed or _CODE.search(answer):
            return None
        seed = _seed(record.id)
        made = [NearMiss(rule, text) for rule, text in self._changes(record, ask, seed) if text]
        if not made:
            # Nearly every answer can be negated, so that one that has a number, say, shows more.
            negated = negate(ask, answer)
            return NearMiss("negation", negated) if negated else None
        return made[seed % len(made)]

    def _changes(self, record: Record, ask: Ask, seed: int) -> Iterator[tuple[str, str | None]]:
        """Yield what each rule but negation makes of the answer, if it makes something."""
        question, answer = _question(record), record.output
        yield "form", another_form(ask, question, answer)
        yield "option", another_option(record.instruction, answer, seed)
        if not _OTHER_BASE.search(question):
            number = step_number(ask, question, answer, seed)
            yield "number", number or change_formula(question, answer)
            yield "digits", swap_digits(ask, question, answer, seed)
        if ask.has_one and not ask.translates:
            names = self._names.get(kind_of_name(record.instruction) or "", ())
            date = another_month_or_day(question, answer, seed)
            yield "name", date or replace_name(question, answer, names, seed)
        if ask.has_whole_list and not ask.translates:
            yield "list", replace_entry(question, answer, self._entries_like(record, ask), seed)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The names that records have, by what they are names of."""
        names: dict[str, list[str]] = {}
        for other in self.looked_at:
            kind = kind_of_name(other.instruction)
            place = find_name(_question(other), other.output)
            if kind and place and read_ask(other.instruction).has_one:
                names.setdefault(kind, []).append(other.output[slice(*place)])
        return names

    @cached_property
    def _lists(self) -> list[tuple[set[str], str, list[str]]]:
        """The lists that records have: subject and task of the instruction, and the entries."""
        lists = (
            (other.instruction, [other.output[slice(*span)] for span in find_entries(other.output)])
            for other in self.looked_at
        )
        return [(subject_of(asked), task_of(asked), entries) for asked, entries in lists if entries]

    def _entries_like(self, record: Record, ask: Ask) -> list[str]:
        """Return entries of lists of the same subject, or, where all are given, the same task."""
        subject, task = subject_of(record.instruction), task_of(record.instruction)
        answer = record.output.lower()
        related = [
            entry
            for about, _, entries in self._lists
            if subject & about
            for entry in entries
            if entry.lower() not in answer
        ]
        if related or not ask.keeps:
            return related
        return [entry for _, verb, entries in self._lists if verb == task for entry in entries]


def choose_near_misses(
    records: Sequence[Record], probed: Sequence[Record], most: int
) -> list[tuple[Record, str]]:
    """Return records with their near misses: of those that are probed, then of others.

    Args:
        records: All of the suite, each with one question and an id of its own.
        probed: Those that a judge is asked about anyway.
        most: How many are taken; of the others those whose ids come first by their hash, which are
            all that are looked at in a suite of more than 1,000.
    """
    misses = NearMisses(records)
    asked = {record.id for record in probed}
    others = (one for one in misses.looked_at if one.id not in asked)
    found = ((record, misses.of(record)) for record in (*probed, *others))
    near = ((record, miss.text) for record, miss in found if miss is not None)
    return list(itertools.islice(near, most))


def _question(record: Record) -> str:
    """Return all that was asked and said before the answer."""
    said = [record.system, *(turn.text for turn in record.turns), record.instruction, record.input]
    return "\n".join(text for text in said if text)


def _seed(record_id: str) -> int:
    """Return a number that depends on the id alone."""
    return int.from_bytes(
        hashlib.sha256(record_id.encode("utf-8", "surrogatepass")).digest()[:4], "big"
    )
