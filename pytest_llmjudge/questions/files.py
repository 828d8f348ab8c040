"""Rows of a set's file as records, and what is wrong with them, one line for each cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.questions.base import BadQuestionError, ExactQuestion
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS, EXACT_PRESETS
from pytest_llmjudge.records.fieldmap import field_at, has_field
from pytest_llmjudge.records.files import read_contents
from pytest_llmjudge.records.formats import fits_any
from pytest_llmjudge.records.json_values import kind_of, listed
from pytest_llmjudge.records.loading import content_id, unique_ids
from pytest_llmjudge.records.validation import Problem, bad_characters, odd_values, refuse, taken

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pytest_llmjudge.questions.base import AnyQuestion, Form
    from pytest_llmjudge.records.files import Contents, Source

__all__ = ["marker_of_choices", "questions_in", "read_questions"]


class _Checked(NamedTuple):
    """A row that is a question, with the id that it has of its own."""

    id: str | None
    question: AnyQuestion
    row: dict[str, Any]


def read_questions(
    source: Source, form: Form[AnyQuestion], gates: Collection[str] = ()
) -> tuple[Record, ...]:
    """Read the questions of a set, as records.

    The instruction of a record is what is asked, its output the right answer, its fields the row,
    from which ``form.parse`` makes the question again.

    Args:
        source: Of the set.
        form: How its rows read.
        gates: Names that no record may have as its id.

    Raises:
        RecordsError: With every cause for which rows are refused, the first 20 in full.
    """
    return questions_in(read_contents(source), form, gates)


def questions_in(
    content: Contents, form: Form[AnyQuestion], gates: Collection[str] = ()
) -> tuple[Record, ...]:
    """Return the questions of what a file holds; see :func:`read_questions`."""
    if not content.values:
        raise RecordsError(content.name, "it holds no question", "name another file")
    _check_columns(content, form)
    problems: list[Problem] = []
    checked: list[_Checked] = []
    ids: dict[str, int] = {}
    for number, row in enumerate(content.values):
        odd = [*odd_values(number, row, {})] if content.is_odd and isinstance(row, dict) else []
        problems += odd
        one = None if odd else _read(number, row, form, gates, problems)
        if one is not None:
            problems += taken(content, number, one.id, ids)
            checked.append(one)
    refuse(content, problems)
    bases = (_base(one.question) for one in checked if one.id is None)
    names = unique_ids([one.id for one in checked], bases)
    return tuple(
        Record(name, one.question.text, "", one.question.reference, one.row)
        for name, one in zip(names, checked, strict=True)
    )


def _base(question: AnyQuestion) -> str:
    return content_id(question.text, [*question.content, question.reference])


def _read(
    number: int,
    row: object,
    form: Form[AnyQuestion],
    gates: Collection[str],
    problems: list[Problem],
) -> _Checked | None:
    """Return a row as a question, and add what is wrong with it to ``problems``."""
    if not isinstance(row, dict):
        problems.append(Problem(number, f"it is {kind_of(row)}", "a question is an object"))
        return None
    before = len(problems)
    column = form.fields.get("id", "id")
    own = _own_id(field_at(row, column))
    if own is None and field_at(row, column) not in (None, ""):
        problem, hint = f'"{column}" is no text or whole number', "write one, or leave it out"
        problems.append(Problem(number, problem, hint))
    if own in gates:
        problem, hint = f'"{column}" is "{own}", the name of a gate', "give it another id"
        problems.append(Problem(number, problem, hint))
    try:
        question = form.parse(row)
    except BadQuestionError as fault:
        problems.append(Problem(number, fault.problem, fault.hint, cause=fault.cause))
        return None
    for text in dict.fromkeys((own or "", *_texts(question))):
        problems += bad_characters(number, "", text)
    return _Checked(own, question, row) if len(problems) == before else None


def _texts(question: AnyQuestion) -> Iterator[str]:
    """Yield all that a prompt may have of a question, and what an answer is compared with."""
    yield from (*question.content, question.reference, question.subject or "")
    if isinstance(question, ExactQuestion):
        yield question.solution


def _own_id(value: object) -> str | None:
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if type(value) is int else None


def _check_columns(content: Contents, form: Form[AnyQuestion]) -> None:
    """Refuse a file of which no row has a column that the form needs.

    Raises:
        RecordsError: It lacks some; says which other form the file may be for.
    """
    rows = [row for row in content.values if isinstance(row, dict)]
    if not rows:
        return
    lacking = [column for column in form.columns if not any(has_field(row, column) for row in rows)]
    if not lacking:
        return
    columns = _columns(rows)
    like = None if form.fields else _marker_for(columns, _MARKERS)
    hint = _columns_hint(form, lacking, columns) if like is None else f"it reads like {like}"
    problem = f"no row has {listed(lacking)}, which {form.name} needs"
    raise RecordsError(content.name, problem, hint)


def _columns(rows: Iterable[Mapping[str, object]]) -> dict[str, None]:
    return dict.fromkeys(column for row in rows for column in row)


def _columns_hint(
    form: Form[AnyQuestion], lacking: Collection[str], columns: Collection[str]
) -> str:
    """Say what to do about columns that are none of a set that is known."""
    if form.fields:
        return f"correct fields=: the columns are {listed(columns)}"
    if fits_any(columns):
        return "it reads like records, which llm_exact and llm_judge take"
    if form.name not in CHOICE_MODES:
        return f"its columns are {listed(columns)}: name a file of the public set"
    pairs = ", ".join(f'"{column}": "…"' for column in lacking)
    return f"name yours with fields={{{pairs}}}: there are {listed(columns)}"


def marker_of_choices(rows: Iterable[object]) -> str | None:
    """Return the marker that takes rows of questions with choices; ``None`` for other rows."""
    columns = _columns(row for row in rows if isinstance(row, dict))
    return _marker_for(columns, _CHOICE_MARKERS)


_Markers: TypeAlias = "tuple[tuple[str, Mapping[str, Form[Any]]], ...]"
_CHOICE_MARKERS: Final[_Markers] = (
    ('llm_choices(…, preset="{}")', CHOICE_PRESETS),
    ('llm_choices(…, mode="{}")', CHOICE_MODES),
)
_MARKERS: Final[_Markers] = (
    *_CHOICE_MARKERS,
    ('llm_exact(…, preset="{}")', EXACT_PRESETS),
)


def _marker_for(columns: Mapping[str, object], markers: _Markers) -> str | None:
    """Return the first of some markers that takes a file with these columns."""
    for marker, forms in markers:
        for name, form in forms.items():
            if columns.keys() >= set(form.columns):
                return marker.format(name)
    return None
