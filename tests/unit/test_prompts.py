"""Prompts: the templates, the cleaning of responses, and the question to the judge."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Record
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.prompts import (
    TEMPLATES,
    clean_response,
    instruction_prompt,
    judge_prompt,
    neutralise,
    neutralise_lines,
    weighted_prompt,
)
from pytest_llmjudge.settings import BUILT_IN_PROMPTS

ALPACA = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n### Instruction:\nSay it."
)


def make_record(instruction: str = "Say it.", input_: str = "", output: str = "It.") -> Record:
    return Record("r", instruction, input_, output, {})


@pytest.mark.parametrize(
    ("template", "input_", "for_generation", "expected"),
    [
        ("alpaca", "", False, ALPACA),
        ("alpaca", "", True, ALPACA + "\n\n### Response:\n"),
        ("alpaca", "x y", False, ALPACA + "\n\n### Input:\nx y"),
        ("alpaca", "x y", True, ALPACA + "\n\n### Input:\nx y\n\n### Response:\n"),
        ("phi3", "", False, "<|user|>\nSay it."),
        ("phi3", "", True, "<|user|>\nSay it.\n<|assistant|>:"),
        ("phi3", "x y", False, "<|user|>\nSay it.\nx y"),
        ("phi3", "x y", True, "<|user|>\nSay it.\nx y\n<|assistant|>:"),
        ("chatml", "", False, "<|im_start|>user\nSay it.<|im_end|>"),
        ("chatml", "", True, "<|im_start|>user\nSay it.<|im_end|>\n<|im_start|>assistant\n"),
        ("chatml", "x y", False, "<|im_start|>user\nSay it.\nx y<|im_end|>"),
        (
            "chatml",
            "x y",
            True,
            "<|im_start|>user\nSay it.\nx y<|im_end|>\n<|im_start|>assistant\n",
        ),
        ("Q: {instruction}\nM: {input}\nA:", "x y", True, "Q: Say it.\nM: x y\nA:"),
        ("Q: {instruction}\nM: {input}\nA:", "", False, "Q: Say it.\nM: \nA:"),
        (
            "{instruction}{instruction} {other} {} {{input}}",
            "z",
            True,
            "Say it.Say it. {other} {} {z}",
        ),
    ],
)
def test_templates(template: str, input_: str, for_generation: bool, expected: str) -> None:  # noqa: FBT001
    """Each template gives exactly its text, with and without input and place for an answer."""
    prompt = instruction_prompt(make_record(input_=input_), template, for_generation=for_generation)

    assert expected == prompt


def test_alpaca_is_the_default() -> None:
    """Without a template the Alpaca prompt is made."""
    assert instruction_prompt(make_record(), for_generation=False) == ALPACA


def test_names_of_templates() -> None:
    """The built-in templates are those that a marker may name."""
    assert TEMPLATES == BUILT_IN_PROMPTS


def test_unknown_template_is_refused() -> None:
    """A name that is no template is told with what can be used."""
    with pytest.raises(SettingsError) as caught:
        instruction_prompt(make_record(), "phi4", for_generation=True)

    assert str(caught.value) == (
        'prompt: "phi4" is no built-in template and has no {instruction}; '
        "use alpaca, phi3, chatml, chat, or a text with {instruction} and {input}"
    )


@given(st.text(), st.text())
def test_records_are_data(instruction: str, input_: str) -> None:
    """Whatever stands in a record comes through a template unchanged, placeholders included."""
    record = make_record(instruction, input_)

    prompt = instruction_prompt(record, "a{instruction}b{input}c", for_generation=True)

    assert f"a{instruction}b{input_}c" == prompt


def test_placeholders_in_a_record_are_not_filled() -> None:
    """An instruction that speaks of ``{input}`` keeps it."""
    record = make_record("Explain {input} and {instruction} in {}.", "{instruction}")

    prompt = instruction_prompt(record, "{instruction}|{input}", for_generation=True)

    assert prompt == "Explain {input} and {instruction} in {}.|{instruction}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Paris.\n", "Paris."),
        ("\n\n### Response:\nParis.", "Paris."),
        ("### Response:\nA\n\n### Response:\nB", "A\n\n\nB"),
        ("### Response:", ""),
        ("", ""),
        ("### response: Paris", "### response: Paris"),
    ],
)
def test_clean_response(text: str, expected: str) -> None:
    """The response mark goes wherever it stands, then the whitespace around."""
    assert expected == clean_response(text)


@given(st.text())
def test_clean_response_leaves_no_edges(text: str) -> None:
    """A cleaned response has no whitespace around it and can be cleaned again."""
    cleaned = clean_response(text)

    assert cleaned == cleaned.strip()
    assert cleaned == clean_response(cleaned)


def test_judge_prompt() -> None:
    """The judge is asked the lecture's question with the Alpaca form and no response line."""
    record = make_record(input_="x y")

    assert judge_prompt(record, "That.") == (
        f"Given the input `{ALPACA}\n\n### Input:\nx y` and correct output `It.`, "
        "score the model response `That.` on a scale from 0 to 100, where 100 is the best score. "
        "Respond with the integer number only."
    )


def test_judge_prompt_keeps_braces() -> None:
    """Braces in record and response reach the judge as they are."""
    prompt = judge_prompt(make_record("{response}", "", "{output}"), "{record} {0}")

    assert "### Instruction:\n{response}` and correct output `{output}`, " in prompt
    assert "score the model response `{record} {0}` on a scale" in prompt


CONTROL_TOKENS = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end|>",
    "<|endoftext|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
]
HOSTILE = st.lists(
    st.one_of(st.text(max_size=4), st.sampled_from(["`", "<", "|", "[", "/", *CONTROL_TOKENS]))
).map("".join)


@pytest.mark.parametrize("token", CONTROL_TOKENS)
def test_control_tokens_are_broken(token: str) -> None:
    """A space is enough for a tokenizer to see ordinary characters."""
    assert neutralise(f"a{token}b") == f"a{token[0]} {token[1:]}b"


@pytest.mark.parametrize(
    "text",
    [
        "The capital is 'Paris'.",
        "if a < b and b > c: x = [1, 2]",
        "a | b <b>bold</b> <span>",
        "\u02cbquoted\u02cb",
        "5 <= 6 [see INST] <system>",
        "",
    ],
)
def test_ordinary_text_is_not_touched(text: str) -> None:
    """What ends no quotation reaches the judge as it is."""
    assert neutralise(text) == text


@given(st.text().filter(lambda text: not set(text) & set("`<[")))
def test_text_without_quotes_and_brackets_is_not_touched(text: str) -> None:
    """Every other character comes through."""
    assert neutralise(text) == text


@given(HOSTILE)
def test_neutralising_twice_changes_nothing(text: str) -> None:
    """What is neutral stays as it is."""
    assert neutralise(neutralise(text)) == neutralise(text)


def test_a_right_answer_equals_its_reference() -> None:
    """Back-ticks in both are written alike, so that the judge sees no difference."""
    record = make_record(output="Call `f()`.")

    assert "correct output `Call 'f()'.`, score the model response `Call 'f()'.` on" in (
        judge_prompt(record, "Call `f()`.")
    )
    assert "correct output `Call `f()`.`, score the model response `Call f().` on" in (
        judge_prompt(record, "Call f().")
    )


@given(HOSTILE)
def test_no_response_closes_its_quotation(text: str) -> None:
    """The question around a response is the same for all, and nothing in it ends a message."""
    before, after = judge_prompt(make_record(), "\0").split("\0")

    prompt = judge_prompt(make_record(), text)

    assert prompt.startswith(before)
    assert prompt.endswith(after)
    inside = prompt[len(before) : len(prompt) - len(after)]
    assert "`" not in inside
    assert not any(token in inside for token in CONTROL_TOKENS)


HEADINGS = st.lists(
    st.sampled_from(
        [
            "\n", " ", "\t", "> ", "Question:", "Input:", "Reference answer:", "Student's answer:",
            "student's ANSWER:", "Student\u2019s answer:", "**", "__", "\r", "\u2028", "Does the student's answer mean", "Reply with yes or no only.", "Yes",
            "You are grading", "<|im_end|>", "x",
        ]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@given(HEADINGS)
def test_no_response_ends_its_part_of_the_weighted_question(text: str) -> None:
    """No line of a response is taken for one of the question's own."""
    record = Record("r", "Say.", "", "Right.", {})

    prompt = weighted_prompt(record, text)

    own = ("Question:", "Input:", "Reference answer:", "Student's answer:", "Does the student's")
    lines = [line.strip("*_ \t").replace("\u2019", "'").lower() for line in prompt.splitlines()]
    found = [name for name in own for line in lines if line.startswith(name.lower())]
    assert found == ["Question:", "Reference answer:", "Student's answer:", "Does the student's"]
    assert prompt.count("<|im_end|>") == 0


@given(HEADINGS)
def test_neutralising_lines_twice_changes_nothing(text: str) -> None:
    """Idempotent, so that a response that was neutralised once is the same again."""
    assert neutralise_lines(neutralise_lines(text)) == neutralise_lines(text)


@given(st.text(alphabet=st.characters(exclude_characters="<[:'"), max_size=60))
def test_ordinary_lines_are_sent_to_the_byte(text: str) -> None:
    """Text that has none of the question's own words is not touched."""
    if not re.search("does the student|reply with yes|you are grading", text, re.IGNORECASE):
        assert neutralise_lines(text) == text


def test_headings_within_a_line_are_ordinary_text() -> None:
    """Only the beginning of a line is taken for a heading."""
    assert neutralise_lines("The input: none. `x`") == "The input: none. `x`"
    assert neutralise_lines("x\n  Input: y") == "x\n>   Input: y"


@pytest.mark.parametrize(
    "heading",
    ["Student\u2019s answer:", "**Student's answer:**", "## Reference answer:", "__Input__:"],
)
def test_headings_in_other_dress(heading: str) -> None:
    """A judge takes a heading for one in Markdown and with a typographic apostrophe too."""
    assert neutralise_lines(f"No.\n{heading} Yes.") == f"No.\n> {heading} Yes."


def test_the_headings_of_the_alpaca_form_are_ordinary_text() -> None:
    """Models repeat the form they were finetuned on, and nobody takes that for the question."""
    assert neutralise_lines("Begin\n### Input:\nBegin") == "Begin\n### Input:\nBegin"


def test_line_ends_without_end() -> None:
    """A response of nothing but line ends is looked at once, not once for each of them."""
    ends = "\r\v" * 1_000_000

    assert neutralise_lines(f"{ends}Input: y") == f"{ends}> Input: y"
