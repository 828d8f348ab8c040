"""What the marker of a suite of pairs says: what is compared, and what decides."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.records import check_single_turns, records_reader
from pytest_llmjudge.paths import instead_of_file
from pytest_llmjudge.records.prompts import is_blank
from pytest_llmjudge.records.suites import read_suite
from pytest_llmjudge.settings import JUDGED_KEYWORDS, checkpoint_of, chosen_for
from pytest_llmjudge.values import check_path, number_check, read_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.kinds.base import Marked
    from pytest_llmjudge.records.files import Source
    from pytest_llmjudge.records.suites import Suite
    from pytest_llmjudge.settings import Settings

__all__ = ["KEYWORDS", "Pairing", "load_pairs"]


@dataclass(frozen=True, slots=True)
class Pairing:
    """What the responses of a suite of pairs are compared with, and what decides.

    Attributes:
        kind: ``checkpoint``, ``field`` or ``results``.
        against: The checkpoint, the name of the records' field, or the path of the results file.
        min_win_rate: Least win rate, 0 to 1.
        votes: File of the votes that decide in the place of the judge.
    """

    kind: str
    against: Path | str
    min_win_rate: float
    votes: Path | None


_check_win_rate = number_check(
    "{value} is no win rate",
    "a share above 0, at most 1, for example 0.5",
    lambda rate: 0 < rate <= 1,
)

KEYWORDS: dict[str, Callable[[str, object], object]] = {
    "against": check_path,
    "min_win_rate": _check_win_rate,
    "votes": check_path,
    **JUDGED_KEYWORDS,
}


def load_pairs(marked: Marked, file: str, settings: Settings) -> tuple[Suite, Pairing]:
    """Read the records of a suite of pairs and settle what is compared.

    What is compared with is a served model where its name says so, else the file or folder of that
    name, a results file where it ends with ``.json``, else the records' field of that name.

    Args:
        marked: The test function.
        file: Records file, relative to the folder of the test file.
        settings: The run's options.

    Raises:
        SettingsError: The marker cannot be used.
        RecordsError: The records file cannot be used.
    """
    name, base = marked.name, marked.base
    keywords = read_keywords(name, marked.keywords, KEYWORDS)
    if "against" not in keywords:
        hint = "give against= a checkpoint, a field of the records, or a results file"
        raise SettingsError(name, "llm_compare has nothing to compare with", hint)
    if "min_win_rate" not in keywords:
        hint = "set min_win_rate, for example 0.5"
        raise SettingsError(name, "it has no gate and so cannot fail", hint)
    chosen, pairing = chosen_for(name, keywords, base, settings), _pairing(keywords, base)
    read = records_reader(asdict(chosen))

    def records(source: Source) -> tuple[Record, ...]:
        if pairing.kind != "field":
            return read(source)
        field = str(pairing.against)
        _check_exists(name, field, base, read(source))
        known = records_reader(asdict(chosen), field)(source)
        _check_differs(name, field, chosen.responses, known)
        return known

    suite = read_suite(name, file, base, chosen, records)
    check_single_turns(name, "llm_compare", suite.records)
    return suite, pairing


def _pairing(keywords: dict[str, Any], base: Path) -> Pairing:
    against = checkpoint_of(keywords["against"], base)
    kind = "checkpoint"
    if isinstance(against, Path) and not os.path.lexists(against):
        kind, against = "field", keywords["against"]
    elif isinstance(against, Path) and against.suffix.lower() == ".json":
        kind = "results"
    votes = base / keywords["votes"] if "votes" in keywords else None
    return Pairing(kind, against, keywords["min_win_rate"], votes)


def _check_exists(name: str, field: str, base: Path, records: Sequence[Record]) -> None:
    if not any(field in record.fields for record in records):
        instead = instead_of_file(base / field)
        problem = f'against "{field}" is no field of the records, and as a path it is {instead}'
        hint = "give a checkpoint, a results file, or the name of a field"
        raise SettingsError(name, problem, hint)


def _check_differs(name: str, field: str, responses: str | None, records: Sequence[Record]) -> None:
    """Refuse what nobody can lose against."""
    if field == responses:
        problem, hint = f'against "{field}" holds the responses under test', "name another field"
        raise SettingsError(name, problem, hint)
    blank = sum(is_blank(str(record.fields[field])) for record in records)
    if 2 * blank >= len(records):
        problem = f'against "{field}" is blank in {blank} of {len(records)} records'
        raise SettingsError(name, problem, "name a field that holds a model's responses")
