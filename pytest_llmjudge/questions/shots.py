"""Which solved questions are shown before each question of a set."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_llmjudge.errors import RecordsError, SettingsError, count_of, one_line
from pytest_llmjudge.normal_forms import normal_form
from pytest_llmjudge.paths import instead_of_file
from pytest_llmjudge.questions.base import AnyQuestion, Draw, ExactQuestion
from pytest_llmjudge.questions.files import questions_in
from pytest_llmjudge.records.files import find_default, read_default

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.questions.base import Form

__all__ = ["count_shots", "draw_shots", "read_shots"]

_USE: Final = "of the solved questions"
_SEED: Final = 1234
"""With which lm-evaluation-harness draws."""

Question = TypeVar("Question", bound=AnyQuestion)


def count_shots(where: str, form: Form[AnyQuestion], shots: int | None, *, has_file: bool) -> int:
    """Return how many solved questions are shown.

    Args:
        where: The suite, for messages.
        form: Of the set.
        shots: As ``shots=`` says; ``None`` where it says nothing.
        has_file: Whether ``shots_from=`` names a file.

    Raises:
        SettingsError: A file is missing or has no use, or the form shows none.
    """
    count = form.shots if shots is None else shots
    if count and form.draw is Draw.NONE:
        problem = f"{form.name} takes no shots: its prompts have solved questions of their own"
        hint = "leave shots= and shots_from= out"
        raise SettingsError(where, problem, hint)
    if count and not has_file:
        says = f"{form.name} shows" if shots is None else f"shots={count} shows"
        problem = f"{says} {count_of(count, 'solved question')}, and no file has them"
        hint = "name it with shots_from=, or set shots=0"
        raise SettingsError(where, problem, hint)
    if has_file and not count:
        hint = f"leave it out{'' if form.draw is Draw.NONE else ', or set shots='}"
        raise SettingsError(where, "shots_from names a file of which nothing is shown", hint)
    return count


def read_shots(
    where: str,
    path: Path,
    form: Form[Question],
    count: int,
    records: Sequence[Record],
) -> Mapping[str, tuple[Question, ...]]:
    """Read the file of ``shots_from=``, and draw from it; see :func:`draw_shots`.

    Args:
        where: The suite, for messages.
        path: A file, or the folder of a data set, of which ``form.shots_split`` is read where it
            has several splits.
        form: Of the set.
        count: How many are shown.
        records: All of the set's file, in its order.

    Raises:
        RecordsError: The file cannot be read, is of another set, has too few questions, or its
            questions are those that are asked.
    """
    instead = instead_of_file(path)
    if instead is not None and find_default(path, form.shots_split, _USE).dataset is None:
        problem = f'shots_from "{one_line(path.name, 60)}" is {instead}'
        raise RecordsError(where, problem, f"expected it at {path}")
    _, content = read_default(path, form.shots_split, _USE)
    return draw_shots(content.name, form, count, records, questions_in(content, form))


def draw_shots(
    name: str,
    form: Form[Question],
    count: int,
    records: Sequence[Record],
    solved: Sequence[Record],
) -> Mapping[str, tuple[Question, ...]]:
    """Return the solved questions that are shown before each question, by the question's id.

    What is drawn at random is what ``random.Random(1234)`` gives for one question after the other,
    as in lm-evaluation-harness: a question's shots depend on how many stand before it.

    Args:
        name: Of the file of solved questions, for messages.
        form: Of the set.
        count: How many are shown.
        records: All of the set's file, in its order.
        solved: All of the file of solved questions, in its order.

    Raises:
        RecordsError: There are too few, or a question would be shown with its answer.
    """
    asked = [form.parse(record.fields) for record in records]
    pool = [form.parse(record.fields) for record in solved]
    own = [_folded(question) for question in asked]
    folded = {one.content: _folded(one) for one in pool}
    if {*folded.values()} <= {*own}:
        problem = f"all of its {len(pool)} questions are questions of the suite"
        raise RecordsError(name, problem, _OTHER)
    drawn = [*_draw(name, form.draw, count, asked, pool)]
    blank = sum(
        isinstance(one, ExactQuestion) and not one.solution.strip() for one in _distinct(drawn)
    )
    if blank:
        problem = f"{blank} of its questions that are shown have no solution"
        raise RecordsError(name, problem, "name the split whose questions are solved")
    told = sum(
        any(folded[shot.content] == question for shot in shots)
        for question, shots in zip(own, drawn, strict=True)
    )
    if told:
        problem = f"{told} of the suite's {len(asked)} questions would be shown with their answers"
        raise RecordsError(name, problem, _OTHER)
    return {record.id: shots for record, shots in zip(records, drawn, strict=True)}


_OTHER: Final = "name solved questions that are not asked, such as those of the training split"


def _folded(question: AnyQuestion) -> tuple[str, ...]:
    """Return what a question asks, whatever its case, its blanks and the form of its characters."""
    texts = (normal_form("NFKC", text).casefold() for text in question.content)
    return tuple(" ".join(text.split()) for text in texts)


def _distinct(drawn: Sequence[tuple[Question, ...]]) -> Iterable[Question]:
    return {one.content: one for shots in drawn for one in shots}.values()


def _draw(
    name: str,
    draw: Draw,
    count: int,
    asked: Sequence[Question],
    pool: Sequence[Question],
) -> Iterator[tuple[Question, ...]]:
    if draw is Draw.FIRST_OF_SUBJECT and any(one.subject is not None for one in pool):
        yield from _first_of_subject(name, count, asked, pool)
        return
    others = draw is Draw.RANDOM_OTHERS
    if len(pool) < count + others:
        problem = f"it has {count_of(len(pool), 'question')}"
        more = f", of {count + 1} that are drawn" if others else ""
        hint = f"shots={count} shows {count} of them{more}; get the whole file, or ask for fewer"
        raise RecordsError(name, problem, hint)
    if draw in (Draw.FIRST, Draw.FIRST_OF_SUBJECT):
        yield from ((*pool[:count],) for _ in asked)
        return
    rng = Random(_SEED)  # noqa: S311  # the harness's
    for question in asked:
        if not others:
            yield (*rng.sample(pool, count),)
            continue
        left = [one for one in rng.sample(pool, count + 1) if not _is_row(one, question)][:count]
        if len(left) < count:
            rest = [one for one in pool if not _is_row(one, question)]
            if len(rest) < count:
                problem = f"it has {count_of(len(rest), 'question')} beside one that is asked"
                raise RecordsError(name, problem, f"shots={count} needs as many")
            left = rng.sample(rest, count)
        yield (*left,)


def _first_of_subject(
    name: str, count: int, asked: Sequence[Question], pool: Sequence[Question]
) -> Iterator[tuple[Question, ...]]:
    by_subject: dict[str | None, list[Question]] = defaultdict(list)
    for one in pool:
        by_subject[one.subject].append(one)
    lacking = [one.subject for one in asked if len(by_subject[one.subject]) < count]
    if lacking:
        subject = lacking[0]
        of = "without a subject" if subject is None else f'of the subject "{one_line(subject, 60)}"'
        others = len(set(lacking)) - 1
        more = f", and too few of {others} other{'s' * (others > 1)}" if others else ""
        problem = f"it has {count_of(len(by_subject[subject]), 'question')} {of}{more}"
        hint = (
            f"shots={count} shows the first {count} of each; get the whole file, or ask for fewer"
        )
        raise RecordsError(name, problem, hint)
    for one in asked:
        yield (*by_subject[one.subject][:count],)


def _is_row(one: AnyQuestion, other: AnyQuestion) -> bool:
    """Say whether two questions are of one row, where what is null counts as left out."""
    # Nearly all differ in their texts, which takes less time to see.
    return one.text == other.text and _row(one.row) == _row(other.row)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if value is not None}
