"""Which solved questions are shown, and what is said where they cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.errors import LlmJudgeError, RecordsError, SettingsError
from pytest_llmjudge.questions.base import Draw
from pytest_llmjudge.questions.files import read_questions
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS, EXACT_PRESETS
from pytest_llmjudge.questions.shots import count_shots, read_shots
from pytest_llmjudge.records.files import find_source
from tests.support.benchmark_sets import rows_of, write_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_llmjudge.questions.following import FollowingForm

LETTERS = CHOICE_MODES["letters"]
PIQA = CHOICE_PRESETS["piqa"]


def own(text: str, subject: str | None = None) -> dict[str, Any]:
    return {"question": text, "choices": ["x", "y"], "answer": 0, "subject": subject}


def drawn(
    folder: Path,
    asked: Sequence[object],
    solved: Sequence[object],
    *,
    count: int,
    form: FollowingForm = LETTERS,
) -> Mapping[str, list[str]]:
    files = []
    for name, rows in (("asked.json", asked), ("solved.json", solved)):
        files.append(folder / name)
        files[-1].write_text(json.dumps(rows), encoding="utf-8")
    records = read_questions(find_source(files[0]), form)
    shots = read_shots("t", files[1], form, count, records)
    texts = {record.id: record.instruction for record in records}
    return {texts[name]: [one.text for one in some] for name, some in shots.items()}


def test_of_the_same_subject(tmp_path: Path) -> None:
    """The first ones of the file, where it has subjects those of the question's."""
    asked = [own("1", "law"), own("2", "art"), own("3", "law")]
    solved = [own("a", "art"), own("b", "law"), own("c", "law"), own("d", "art"), own("e", "law")]

    assert drawn(tmp_path, asked, solved, count=2) == {
        "1": ["b", "c"],
        "2": ["a", "d"],
        "3": ["b", "c"],
    }


def test_no_subjects(tmp_path: Path) -> None:
    """Of a file without subjects the first ones are shown before every question."""
    shots = drawn(tmp_path, [own("1", "law"), own("2")], [own("a"), own("b")], count=1)

    assert shots == {"1": ["a"], "2": ["a"]}


def test_at_random(tmp_path: Path) -> None:
    """What stands behind a question changes nothing, and what stands before it does."""
    form = replace(LETTERS, draw=Draw.RANDOM)
    asked, solved = [own(str(at)) for at in range(6)], [own(f"s{at}") for at in range(20)]

    whole = drawn(tmp_path, asked, solved, count=3, form=form)

    assert drawn(tmp_path, asked[:3], solved, count=3, form=form).items() <= whole.items()
    assert drawn(tmp_path, asked[1:], solved, count=3, form=form)["1"] == whole["0"]
    assert all(len({*texts}) == 3 for texts in whole.values())


def test_without_itself(tmp_path: Path) -> None:
    """A question that is among the solved ones is not shown before itself."""
    form = replace(LETTERS, draw=Draw.RANDOM_OTHERS)
    asked = [own("1"), own("2")]

    shots = drawn(tmp_path, asked, [*asked, own("1"), own("a"), own("b")], count=2, form=form)

    assert all(text not in texts and len(texts) == 2 for text, texts in shots.items())


ALL = "name solved questions that are not asked, such as those of the training split"


@pytest.mark.parametrize(
    ("form", "asked", "solved", "line"),
    [
        (
            *(LETTERS, [own("1"), own("2")], [own("1"), own("2"), own("1")]),
            f"solved.json: all of its 3 questions are questions of the suite; {ALL}",
        ),
        (
            *(LETTERS, [own("1"), own("2"), own("3")], [own("2"), own("a"), own("b")]),
            f"solved.json: 1 of the suite's 3 questions would be shown with their answers; {ALL}",
        ),
        *(
            (
                *(LETTERS, [own("It is Café 1"), own("2")], [own(again), own("a")]),
                f"solved.json: 1 of the suite's 2 questions would be shown with their answers; {ALL}",
            )
            for again in ("it IS café 1", " It  is Cafe\u0301\t1\n", "It\u00a0is Café \uff11")
        ),
        (
            *(LETTERS, [own("X 1"), own("2")], [own("x  1"), own("\uff12")]),
            f"solved.json: all of its 2 questions are questions of the suite; {ALL}",
        ),
        (
            *(LETTERS, [own("1")], [own("a")]),
            (
                "solved.json: it has 1 question; shots=2 shows 2 of them; get the whole file, or ask "
                "for fewer"
            ),
        ),
        (
            *(replace(LETTERS, draw=Draw.RANDOM_OTHERS), [own("1")], [own("a"), own("b")]),
            (
                "solved.json: it has 2 questions; shots=2 shows 2 of them, of 3 that are drawn; get "
                "the whole file, or ask for fewer"
            ),
        ),
        (
            replace(LETTERS, draw=Draw.RANDOM_OTHERS),
            *([own("1")], [own("1"), own("1"), own("a")]),
            "solved.json: it has 1 question beside one that is asked; shots=2 needs as many",
        ),
        (
            *(LETTERS, [own("1", "law"), own("2", "art"), own("3", "tax")]),
            [own("a", "law"), own("b", "law"), own("c", "art")],
            (
                'solved.json: it has 1 question of the subject "art", and too few of 1 other; shots=2 '
                "shows the first 2 of each; get the whole file, or ask for fewer"
            ),
        ),
        (
            *(LETTERS, [own("1")], [own("a", "law"), own("b", "law")]),
            (
                "solved.json: it has 0 questions without a subject; shots=2 shows the first 2 of each; "
                "get the whole file, or ask for fewer"
            ),
        ),
        (
            *(LETTERS, [own("1")], rows_of("piqa")[1]),
            (
                'solved.json: no row has "question", "choices" and "answer", which letters needs; it '
                'reads like llm_choices(…, preset="piqa")'
            ),
        ),
    ],
)
def test_wrong_files(
    tmp_path: Path,
    form: FollowingForm,
    asked: Sequence[object],
    solved: Sequence[object],
    line: str,
) -> None:
    """Each is refused in one line."""
    with pytest.raises(RecordsError) as caught:
        drawn(tmp_path, asked, solved, count=2, form=form)

    assert caught.value.lines == (line,)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is named with the place where it was expected."""
    path = tmp_path / "gone.jsonl"

    with pytest.raises(RecordsError) as caught:
        read_shots("t", path, PIQA, 1, ())

    assert str(caught.value) == f't: shots_from "gone.jsonl" is not there; expected it at {path}'


def test_no_solutions(tmp_path: Path) -> None:
    """Questions without a chain of thought cannot be shown solved."""
    form = EXACT_PRESETS["mmlu_pro"]
    asked, solved = rows_of("mmlu_pro")
    path = tmp_path / "solved.json"
    path.write_text(json.dumps(asked), encoding="utf-8")
    records = read_questions(find_source(path), form)
    path.write_text(json.dumps([{**row, "cot_content": ""} for row in solved]), encoding="utf-8")

    with pytest.raises(RecordsError) as caught:
        read_shots("t", path, form, 2, records)

    assert str(caught.value) == (
        "solved.json: 8 of its questions that are shown have no solution; "
        "name the split whose questions are solved"
    )


def test_splits(tmp_path: Path) -> None:
    """Of a data set with several splits the one is read that the set has for it."""
    asked, solved = rows_of("piqa")
    path = tmp_path / "piqa.json"
    path.write_text(json.dumps({"validation": asked, "train": solved}), encoding="utf-8")
    records = read_questions(find_source(path, "validation"), PIQA)

    shots = read_shots("t", path, PIQA, 2, records)

    goals = {row["goal"] for row in solved}
    assert {one.text for some in shots.values() for one in some} <= goals


def test_no_such_split(tmp_path: Path) -> None:
    """Nobody guesses which of the other splits is meant."""
    asked, solved = rows_of("piqa")
    path = tmp_path / "piqa.json"
    path.write_text(json.dumps({"validation": asked, "test": solved}), encoding="utf-8")

    with pytest.raises(RecordsError) as caught:
        read_shots("t", path, PIQA, 2, ())

    assert str(caught.value) == (
        'piqa.json: it has the splits "validation" and "test"; name a file of one split, or rename '
        'the split of the solved questions to "train"'
    )


def test_the_set_itself(tmp_path: Path) -> None:
    """The test split of a set is no file of solved questions."""
    path = write_set("piqa", tmp_path)["test"]
    records = read_questions(find_source(path), PIQA)

    with pytest.raises(RecordsError, match="questions are questions of the suite"):
        read_shots("t", path, PIQA, 1, records)


@pytest.mark.parametrize(
    ("preset", "shots", "has_file", "expected"),
    [
        ("piqa", None, False, 0),
        ("piqa", 3, True, 3),
        ("mmlu_pro", None, True, 5),
        ("mmlu_pro", 0, False, 0),
    ],
)
def test_how_many(preset: str, shots: int | None, has_file: bool, expected: int) -> None:  # noqa: FBT001
    """As many as somebody chooses, or as the task of the set has."""
    assert count_shots("t", CHOICE_PRESETS[preset], shots, has_file=has_file) == expected


@pytest.mark.parametrize(
    ("form", "shots", "has_file", "line"),
    [
        (
            *(EXACT_PRESETS["gsm8k"], None, False),
            (
                "t: gsm8k shows 5 solved questions, and no file has them; name it with shots_from=, or "
                "set shots=0"
            ),
        ),
        (
            *(PIQA, 1, False),
            (
                "t: shots=1 shows 1 solved question, and no file has them; name it with shots_from=, "
                "or set shots=0"
            ),
        ),
        (
            *(PIQA, None, True),
            "t: shots_from names a file of which nothing is shown; leave it out, or set shots=",
        ),
        (
            *(CHOICE_PRESETS["truthfulqa_mc1"], 3, True),
            (
                "t: truthfulqa_mc1 takes no shots: its prompts have solved questions of their own; "
                "leave shots= and shots_from= out"
            ),
        ),
        (
            *(CHOICE_PRESETS["truthfulqa_mc1"], None, True),
            "t: shots_from names a file of which nothing is shown; leave it out",
        ),
    ],
)
def test_wrong_numbers(form: Any, shots: int | None, has_file: bool, line: str) -> None:  # noqa: ANN401, FBT001
    """A number without a file, a file without a number, and a set that shows none."""
    with pytest.raises(SettingsError) as caught:
        count_shots("t", form, shots, has_file=has_file)

    assert caught.value.lines == (line,)
    assert isinstance(caught.value, LlmJudgeError)
