"""Rows of each set: what is read of them, and every way in which one can be wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.questions.base import BadQuestionError, by_length
from pytest_llmjudge.questions.modes import with_fields
from pytest_llmjudge.questions.presets import CHOICE_MODES, CHOICE_PRESETS, EXACT_PRESETS
from tests.support.benchmark_sets import SETS, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.questions.base import AnyQuestion, Form

FORMS: dict[str, Form[AnyQuestion]] = {
    **CHOICE_PRESETS,
    **{f"mode {name}": form for name, form in CHOICE_MODES.items()},
    **{f"exact {name}": form for name, form in EXACT_PRESETS.items()},
}
OWN = {"question": "Why?", "choices": ["x", "y", "z"], "answer": 1, "subject": "law"}
UNLABELLED = "take the validation split: the test split has no answers"
LABEL = "write the label of one choice"
NEEDED = "every question needs it"


def row_of(name: str) -> dict[str, Any]:
    """Return a good row for a form."""
    kind, _, name = name.rpartition(" ")
    return dict(OWN) if kind == "mode" else rows_of(name)[0][1]


@pytest.mark.parametrize("name", SETS)
def test_made_up_sets(name: str) -> None:
    """Each has 40 questions and more that can be read, and others that are shown solved."""
    form = FORMS["exact gsm8k" if name == "gsm8k" else name]
    asked, solved = ([form.parse(row) for row in rows] for rows in rows_of(name))

    assert len({question.content for question in asked}) == len(asked) >= 40
    assert len(solved) >= 10


NUMBERS = {"text": ["a", "b", "c"], "label": ["1", "2", "3"]}
FOUR = {"text": ["a", "b", "c", "d"], "label": ["A", "B", "C", "D"]}


@pytest.mark.parametrize(
    ("name", "change", "answer"),
    [
        ("arc_easy", {"choices": NUMBERS, "answerKey": "3"}, 2),
        ("arc_easy", {"choices": {**NUMBERS, "label": [1, 2, 3]}, "answerKey": "2"}, 1),
        ("arc_easy", {"choices": '{"text": ["a", "b"], "label": ["A", "B"]}', "answerKey": "B"}, 1),
        ("openbookqa", {"choices": FOUR, "answerKey": "  D"}, 3),
        ("hellaswag", {"label": "2"}, 2),
        ("hellaswag", {"label": 3}, 3),
        ("hellaswag", {"endings": '["a", "b"]', "label": "1"}, 1),
        ("piqa", {"label": "1"}, 1),
        ("piqa", {"label": 0.0}, 0),
        ("winogrande", {"answer": "2"}, 1),
        ("winogrande", {"answer": 1}, 0),
        ("winogrande", {"answer": 2.0}, 1),
        ("mmlu_pro", {"options": list("abcdefghij"), "answer": "J"}, 9),
        ("mode letters", {"answer": "C"}, 2),
        ("mode letters", {"answer": "2"}, 2),
        ("mode letters", {"choices": [str(at) for at in range(26)], "answer": "Z"}, 25),
        ("mode continuation", {"choices": '["x", "y"]', "answer": 0}, 0),
    ],
)
def test_answers(name: str, change: Mapping[str, Any], answer: int) -> None:
    """Labels, letters and indices, as JSON and tables have them."""
    form = {**CHOICE_PRESETS, **{f"mode {mode}": form for mode, form in CHOICE_MODES.items()}}[name]

    assert form.parse({**row_of(name), **change}).answer == answer


GONE = object()


@pytest.mark.parametrize(
    ("name", "change", "problem", "hint"),
    [
        ("arc_easy", {"question": GONE}, '"question" is missing', NEEDED),
        ("arc_easy", {"question": 7}, '"question" is a number', "write a text"),
        ("arc_easy", {"question": " \n"}, '"question" is empty', "write a text"),
        ("arc_easy", {"choices": "a, b"}, '"choices" is a string', "write an object"),
        ("arc_easy", {"choices": {"text": ["a"]}}, '"choices.label" is missing', NEEDED),
        (
            *("arc_easy", {"choices": {"text": "ab", "label": ["A"]}}),
            *('"choices.text" is a string', "write a list"),
        ),
        (
            *("arc_easy", {"choices": {"text": ["a", None], "label": ["A", "B"]}}),
            *('"choices.text" holds null', "write a list of texts, in a table as JSON"),
        ),
        (
            *("arc_easy", {"choices": {"text": ["a"], "label": ["A"]}}),
            *("it has 1 choice", "a question has 2 to 26"),
        ),
        (
            *("arc_easy", {"choices": {"text": ["a", "b"], "label": ["A"]}}),
            *("it has 2 choices and 1 label", "give each choice a label"),
        ),
        (
            *("arc_easy", {"choices": FOUR, "answerKey": "E"}),
            *('"answerKey" is "E", the label of none of the 4 choices', LABEL),
        ),
        (
            *("openbookqa", {"choices": {**FOUR, "label": ["A"] * 4}, "answerKey": "A"}),
            *('"answerKey" is "A", the label of several of the 4 choices', LABEL),
        ),
        (
            *("openbookqa", {"choices": FOUR, "answerKey": None}),
            *('"answerKey" is null, the label of none of the 4 choices', LABEL),
        ),
        ("hellaswag", {"label": ""}, '"label" says no answer', UNLABELLED),
        (
            *("hellaswag", {"label": "4"}),
            *('"label" is "4", which is none of the 4 choices', "write an index from 0 to 3"),
        ),
        ("hellaswag", {"endings": ["a"]}, "it has 1 choice", "a question has 2 to 26"),
        ("hellaswag", {"ctx_b": None}, '"ctx_b" is null', "write a text"),
        (
            "hellaswag",
            {"endings": "none"},
            '"endings" is a string',
            "write a list of texts, in a table as JSON",
        ),
        ("piqa", {"label": -1}, '"label" says no answer', UNLABELLED),
        (
            *("piqa", {"label": 2}),
            *('"label" is 2, which is none of the 2 choices', "write an index from 0 to 1"),
        ),
        (
            *("piqa", {"label": True}),
            '"label" is true or false, which is none of the 2 choices',
            "write an index from 0 to 1",
        ),
        ("winogrande", {"answer": ""}, '"answer" says no answer', UNLABELLED),
        ("winogrande", {"answer": GONE}, '"answer" is missing', NEEDED),
        (
            *("winogrande", {"answer": "3"}),
            *('"answer" is "3", which is none of the 2 choices', "write a number from 1 to 2"),
        ),
        (
            *("winogrande", {"sentence": "No gap."}),
            *('"sentence" has no "_"', "write it where a choice belongs"),
        ),
        (
            *("mmlu_pro", {"options": ["a", "b", "c"], "answer": "D"}),
            *('"answer" is "D", which is none of the 3 choices', "write a letter from A to C"),
        ),
        ("mmlu_pro", {"category": ""}, '"category" is empty', "write a text"),
        ("exact mmlu_pro", {"cot_content": GONE}, '"cot_content" is missing', NEEDED),
        (
            *("truthfulqa_mc1", {"mc1_targets": {"choices": ["a", "b"], "labels": [0, 1]}}),
            '"mc1_targets.labels" does not say that the first choice alone is true',
            "write 1 for the first choice and 0 for each other one",
        ),
        (
            *("exact gsm8k", {"answer": "It is 7."}),
            *('"answer" has no number behind "####"', 'end it with "#### " and the number'),
        ),
        *(
            (
                *("exact gsm8k", {"answer": answer}),
                *('"answer" has no number behind "####"', 'end it with "#### " and the number'),
            )
            for answer in ("#### .", "#### $,", "It is 7. #### seven")
        ),
        ("mode letters", {"choices": ["x"] * 27}, "it has 27 choices", "a question has 2 to 26"),
        (
            *("mode letters", {"choices": ["x", " "]}),
            *("choice 2 is empty", "write a text, or leave it out"),
        ),
        (
            *("mode letters", {"choices": ["x", "x"]}),
            "its 2 choices are the same, so that any answer is right",
            "correct it, or leave the question out",
        ),
        (
            *("mode letters", {"answer": "D"}),
            '"answer" is "D", which is none of the 3 choices',
            "write an index from 0 to 2 or a letter from A to C",
        ),
        (
            *("mode letters", {"answer": -1}),
            '"answer" is -1, which is none of the 3 choices',
            "write an index from 0 to 2 or a letter from A to C",
        ),
        (
            *("mode letters", {"answer": [1]}),
            '"answer" is a list, which is none of the 3 choices',
            "write an index from 0 to 2 or a letter from A to C",
        ),
        (
            *("mode letters", {"subject": 3}),
            *('"subject" is a number', "write a text, or leave it out"),
        ),
    ],
)
def test_wrong_rows(name: str, change: Mapping[str, Any], problem: str, hint: str) -> None:
    """Each is refused, and says why."""
    changed = {**row_of(name), **change}
    row = {column: value for column, value in changed.items() if value is not GONE}

    with pytest.raises(BadQuestionError) as caught:
        FORMS[name].parse(row)

    assert (caught.value.problem, caught.value.hint) == (problem, hint)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANY = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "label", "choices", "labels"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


ROWS = {name: row_of(name) for name in FORMS}


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=40)
@given(st.data())
def test_any_row(name: str, data: st.DataObject) -> None:
    """Whatever a column holds, the row is a question or is refused."""
    form, row = FORMS[name], dict(ROWS[name])
    for column in data.draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=2)):
        row[column] = data.draw(ANY)

    try:
        question = form.parse(row)
    except BadQuestionError:
        return

    assert all(isinstance(text, str) for text in (*question.content, question.reference))


def test_other_names() -> None:
    """fields= names the columns of a file, or what is inside them."""
    form = with_fields(
        "t",
        CHOICE_MODES["letters"],
        {"question": "prompt", "choices": "data.0", "subject": "topic"},
    )

    question = form.parse({"prompt": "Why?", "data": [["x", "y"]], "answer": "B", "topic": "law"})

    assert (question.text, question.choices, question.answer) == ("Why?", ("x", "y"), 1)
    assert (question.subject, form.category) == ("law", "topic")
    assert form.columns == ("prompt", "data.0", "answer")


def test_unknown_names() -> None:
    """fields= names parts of a question only."""
    with pytest.raises(RecordsError) as caught:
        with_fields("t", CHOICE_MODES["letters"], {"instruction": "prompt"})

    assert str(caught.value) == (
        't: fields= has "instruction", which is no part of a question; '
        "name question, choices, answer, subject or id"
    )


def test_lengths() -> None:
    """A long choice is not less likely for being long, and an empty one is least likely."""
    assert by_length([-6.0, -2.0, -1.0], [6, 1, 0]) == [-1.0, -2.0, float("-inf")]


def test_hellaswag_with_brackets_that_stay_open() -> None:
    """They stay, and a text of them is read in a time that grows with its length alone."""
    row, begun = row_of("hellaswag"), time.process_time()

    many = FORMS["hellaswag"].parse({**row, "ctx_a": "[" * 100_000})
    few = FORMS["hellaswag"].parse(
        {**row, "activity_label": "a", "ctx_a": "[a [b] ]\n[c", "ctx_b": ""}
    )

    assert time.process_time() - begun < 2
    assert "[" * 100_000 in many.text
    assert few.text == "a: ]\n[c"
