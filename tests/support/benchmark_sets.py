"""Made-up files in the schemas of public benchmark sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SETS", "rows_of", "write_set"]

Row = dict[str, Any]
Rows = list[Row]

_TEXTS = Path(__file__).parent / "benchmark_texts"
_LETTERS = "ABCDEFGHIJ"
_PEOPLE = ("a man in a red coat", "the old woman", "a girl", "my neighbour")
_PRONOUNS = ("he", "she", "the girl", "our neighbour")
_NAMES = ("Ada", "Bruno", "Chloë", "Deniz", "Elif", "Farid", "Greta")


def rows_of(name: str) -> tuple[Rows, Rows]:
    """Return the rows of a set that are asked, 40 or more, and those that are shown solved.

    Args:
        name: One of :data:`SETS`.
    """
    rows = SETS[name]()
    # The same kinds of rows on both sides; of MMLU-Pro's four subjects five rows each are shown.
    size, every = (4, 3) if name == "mmlu_pro" else (1, 5)
    is_shown = [at // size % every == 0 for at in range(len(rows))]
    return (
        [row for row, shown in zip(rows, is_shown, strict=True) if not shown],
        [row for row, shown in zip(rows, is_shown, strict=True) if shown],
    )


def write_set(name: str, folder: Path) -> dict[str, Path]:
    """Write a set as JSON Lines, and return the files ``test`` and ``train``."""
    files = {}
    for split, rows in zip(("test", "train"), rows_of(name), strict=True):
        files[split] = folder / f"{name}-{split}.jsonl"
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        files[split].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files


def _lines(name: str) -> list[list[str]]:
    text = (_TEXTS / f"{name}.txt").read_text(encoding="utf-8")
    return [line.replace("\\n", "\n").split("|") for line in text.splitlines()]


def _placed(right: str, wrong: list[str], place: int) -> list[str]:
    return [*wrong[:place], right, *wrong[place:]]


def _facts() -> list[tuple[str, str, list[str], int]]:
    """Return subject, question, choices and place of the right one; choices are three to five."""
    facts = []
    lines = _lines("facts")
    # All subjects come before any comes again.
    order = sorted(range(len(lines)), key=lambda at: (at % 16, at))
    for number, at in enumerate(order):
        subject, question, right, *wrong = lines[at]
        wrong = wrong[:2] if number % 7 == 3 else wrong
        if number % 7 == 5:
            wrong = [*wrong, lines[at - 1][2]]
        place = (number * 3 + at) % (len(wrong) + 1)
        facts.append((subject, question, _placed(right, wrong, place), place))
    return facts


def _labelled(column: str, key: str) -> Rows:
    rows = []
    for number, (_, question, choices, place) in enumerate(_facts()):
        # Some rows of ARC have numbers for labels.
        labels = "12345" if number % 6 == 4 and column == "question" else _LETTERS
        rows.append(
            {
                "id": f"{key}_{number:03}",
                column: question,
                "choices": {"text": choices, "label": list(labels[: len(choices)])},
                "answerKey": labels[place],
            }
        )
    return rows


def _arc_easy() -> Rows:
    return _labelled("question", "Made_E")


def _arc_challenge() -> Rows:
    return _labelled("question", "Made_C")[::-1]


def _openbookqa() -> Rows:
    rows = _labelled("question_stem", "7")
    for row in rows[::8]:
        row["answerKey"] = f" {row['answerKey']}"
    return rows


def _hellaswag() -> Rows:
    rows = []
    scenes = _lines("scenes")
    for number in range(len(_PEOPLE) * len(scenes)):
        activity, begin, they, right, *wrong = scenes[number % len(scenes)]
        who = (number + number // len(scenes)) % len(_PEOPLE)
        place = (number * 5 + who) % 4
        before, after = begin.format(who=_PEOPLE[who]), they.format(they=_PRONOUNS[who])
        before = before[0].upper() + before[1:]
        rows.append(
            {
                "ind": number,
                "activity_label": activity,
                "ctx_a": before,
                "ctx_b": after,
                "ctx": f"{before} {after}",
                "endings": _placed(right, wrong, place),
                "source_id": f"made~{number}",
                "split": "val",
                "split_type": "indomain",
                "label": str(place),
            }
        )
    return rows


def _mmlu_pro() -> Rows:
    facts = _facts()
    rows = []
    for number, (subject, question, choices, place) in enumerate(facts):
        others = [right[at] for about, _, right, at in facts if about == subject]
        more = [text for text in others if text not in choices][: 6 - number % 4]
        right = choices[place]
        options = _placed(right, [*(one for one in choices if one != right), *more], number % 4)
        index = options.index(right)
        letter = _LETTERS[index]
        rows.append(
            {
                "question_id": 100 + number,
                "question": question,
                "options": options,
                "answer": letter,
                "answer_index": index,
                "cot_content": (
                    "A: Let's think step by step. "
                    f"Of these only one fits: {right}. The answer is ({letter})."
                ),
                "category": subject,
                "src": "made",
            }
        )
    return rows


def _winogrande() -> Rows:
    rows = []
    for sentence, right, *pairs in _lines("gaps"):
        for number, pair in enumerate(pairs):
            a, b = pair.split(",")
            is_turned = number % 2 == 1
            options = (b, a) if is_turned else (a, b)
            rows.append(
                {
                    "sentence": sentence.format(a=a, b=b),
                    "option1": options[0],
                    "option2": options[1],
                    "answer": str((int(right) ^ is_turned) + 1),
                }
            )
    return rows


def _piqa() -> Rows:
    rows = []
    goals = _lines("goals")
    for number in range(2 * len(goals)):
        goal, right, wrong = goals[number % len(goals)]
        is_question = (number + number // len(goals)) % 2
        text = f"How do you {goal}?" if is_question else f"To {goal},"
        label = (number * 7 // 3) % 2
        one, other = (wrong, right) if label else (right, wrong)
        rows.append({"goal": text, "sol1": one, "sol2": other, "label": label})
    return rows


def _truthfulqa_mc1() -> Rows:
    rows = []
    for _, question, choices, place in _facts():
        ordered = [choices[place], *choices[:place], *choices[place + 1 :]]
        labels = [1] + [0] * (len(choices) - 1)
        targets = {"choices": ordered, "labels": labels}
        rows.append({"question": question, "mc1_targets": targets, "mc2_targets": targets})
    return rows


def _gsm8k() -> Rows:
    rows = []
    problems = _lines("problems")
    for number in range(8 * len(problems)):
        question, answer, formula = problems[number % len(problems)]
        a, b, c = 2 + number % 9, 3 + number % 5 + number // 7, 1 + number % 6
        results = {
            "a*b-c": a * b - c,
            "a+b+c": a + b + c,
            "7*a*b": 7 * a * b,
            "a*b+b": a * b + b,
            "2*a*b-c": 2 * a * b - c,
            "a*b+c": a * b + c,
            "a*b*100": a * b * 100,
        }
        values = {
            **dict(zip("abcdef", (a, b, c, a + b, 7 * a, 2 * a * b), strict=True)),
            "ab": a * b,
            "r": results[formula],
            "name": _NAMES[number % len(_NAMES)],
        }
        solution = f"{answer.format(**values)}\n#### {results[formula]:,}"
        rows.append({"question": question.format(**values), "answer": solution})
    return rows


SETS: dict[str, Callable[[], Rows]] = {
    "arc_easy": _arc_easy,
    "arc_challenge": _arc_challenge,
    "hellaswag": _hellaswag,
    "mmlu_pro": _mmlu_pro,
    "winogrande": _winogrande,
    "piqa": _piqa,
    "openbookqa": _openbookqa,
    "truthfulqa_mc1": _truthfulqa_mc1,
    "gsm8k": _gsm8k,
}
"""What makes the rows of each set."""
