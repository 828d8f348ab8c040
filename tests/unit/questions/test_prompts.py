"""What models are asked, byte for byte as lm-evaluation-harness 0.4.13 asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.mmlu.prompts import prompt_text
from pytest_llmjudge.questions.files import read_questions
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS, EXACT_PRESETS
from pytest_llmjudge.questions.shots import draw_shots
from pytest_llmjudge.records.files import find_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.questions.base import AnyQuestion, Form

    Drawn = Mapping[str, tuple[Any, ...]]

GOLDEN = Path(__file__).parent / "golden" / "prompts"
"""Rows of a set as they may be at worst, and what the harness asks for them, by number of shots."""
EXAMPLE = Path(__file__).parents[3] / "example_suite" / "mmlu"
EXACT = {"gsm8k": "gsm8k", "mmlu_pro": "mmlu_pro-thought"}


def recorded(name: str) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return golden


def records(folder: Path, rows: Sequence[object], form: Form[AnyQuestion]) -> tuple[Record, ...]:
    path = folder / "rows.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return read_questions(find_source(path), form)


def read(
    folder: Path, golden: Mapping[str, Any], form: Form[AnyQuestion], count: int
) -> tuple[tuple[Record, ...], Drawn]:
    asked = records(folder, golden["test"], form)
    if not count:
        return asked, {}
    return asked, draw_shots("train", form, count, asked, records(folder, golden["train"], form))


def test_all_presets_are_recorded() -> None:
    """There is no preset whose prompts nobody compares."""
    names = {*CHOICE_PRESETS, *EXACT.values()}

    assert {path.stem for path in GOLDEN.iterdir()} == names
    assert set(EXACT_PRESETS) == set(EXACT)


@pytest.mark.parametrize("name", CHOICE_PRESETS)
def test_choices(name: str, tmp_path: Path) -> None:
    """Contexts, continuations, lengths and right answers are the harness's, with its shots."""
    form, golden = CHOICE_PRESETS[name], recorded(name)

    for count, expected in golden["asked"].items():
        asked, shots = read(tmp_path, golden, form, int(count))
        for record, one in zip(asked, expected, strict=True):
            question = form.parse(record.fields)
            pairs, lengths = form.ask(question, shots.get(record.id, ()))
            contexts = one["contexts"] * (len(pairs) // len(one["contexts"]))

            assert [context for context, _ in pairs] == contexts
            assert [continuation for _, continuation in pairs] == one["continuations"]
            assert list(lengths) == one["lengths"]
            assert question.answer == one["gold"]


@pytest.mark.parametrize("name", EXACT_PRESETS)
def test_exact_answers(name: str, tmp_path: Path) -> None:
    """Prompts and references are the harness's, with its shots."""
    form, golden = EXACT_PRESETS[name], recorded(EXACT[name])

    for count, expected in golden["asked"].items():
        asked, shots = read(tmp_path, golden, form, int(count))
        for record, one in zip(asked, expected, strict=True):
            question = form.parse(record.fields)

            assert form.prompt(question, shots.get(record.id, ())) == one["prompt"]
            assert question.reference == one["target"]


@pytest.mark.parametrize("name", EXACT_PRESETS)
def test_generation(name: str) -> None:
    """What ends an answer, and the most tokens of one: 256 where the task names no number."""
    form, options = EXACT_PRESETS[name], recorded(EXACT[name])["generation"]

    assert list(form.until) == options["until"]
    assert form.max_new_tokens == options.get("max_gen_toks", 256)


@pytest.mark.parametrize("form", [*CHOICE_PRESETS.values(), *EXACT_PRESETS.values()])
def test_shots_of_a_set(form: Form[AnyQuestion]) -> None:
    """Unless somebody chooses, a question has the shots of its task."""
    stem = EXACT[form.name] if form in EXACT_PRESETS.values() else form.name

    assert form.shots == recorded(stem)["shots"]


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize(("mode", "theirs"), [("letters", "lm-eval"), ("continuation",) * 2])
@pytest.mark.parametrize("subject", ["kitchen_science", "number_facts", "world_capitals"])
def test_modes(subject: str, mode: str, theirs: str, count: int) -> None:
    """MMLU's questions are asked as suites of MMLU ask them."""
    data, form = open_mmlu(EXAMPLE), CHOICE_MODES[mode]
    solved = data.shots(subject, count)
    texts = [
        {
            "question": one.question,
            "choices": [*one.choices],
            "answer": one.answer,
            "subject": subject,
        }
        for one in (*solved, *data.questions(subject))
    ]
    shots, asked = [[form.parse(row) for row in part] for part in (texts[:count], texts[count:])]

    for one, question in zip(data.questions(subject), asked, strict=True):
        pairs, _ = form.ask(question, shots)
        answers = one.choices if mode == "continuation" else "ABCD"

        assert {context for context, _ in pairs} == {prompt_text(subject, solved, one, theirs)}
        assert [continuation for _, continuation in pairs] == [f" {text}" for text in answers]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("letters", "Why?\nA. x\nB. y\nAnswer:"), ("continuation", "Question: Why?\nAnswer:")],
)
def test_no_subject(mode: str, expected: str) -> None:
    """A question without a subject has no header."""
    form = CHOICE_MODES[mode]
    question = form.parse({"question": " Why?\n", "choices": ["x", "y"], "answer": "B"})

    assert form.ask(question, ()).pairs[0][0] == expected
