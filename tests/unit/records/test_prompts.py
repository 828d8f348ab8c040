"""Prompts: the templates, and the cleaning of responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.records.prompts import (
    TEMPLATES,
    check_fit,
    clean_response,
    instruction_prompt,
    is_conversation,
    messages_of,
    model_prompt,
    plain_prompt,
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
    """The error for a name that is no template lists what can be used."""
    with pytest.raises(SettingsError) as caught:
        instruction_prompt(make_record(), "phi4", for_generation=True)

    assert str(caught.value) == (
        'prompt: "phi4" is no built-in template and has no {instruction}; '
        "use alpaca, phi3, chatml, llama3, gemma, mistral, vicuna, raw, chat, or a text with "
        "{instruction} and {input}"
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


ONE = make_record(input_="x y")
TALK = Record(
    "talk",
    "Say 2.",
    "",
    "two",
    {},
    "In words.",
    (Turn("user", "Say 1."), Turn("assistant", "one")),
)


def test_raw_adds_nothing() -> None:
    """The prompt as it stands, with the input behind it."""
    assert model_prompt(make_record(), "raw") == "Say it."
    assert model_prompt(ONE, "raw") == "Say it.\n\nx y"


def test_a_conversation_as_messages() -> None:
    """For a chat template they are the system text, all turns and the last message."""
    assert is_conversation(TALK)
    assert not is_conversation(ONE)
    assert model_prompt(TALK, "chat") == messages_of(TALK)
    assert plain_prompt(model_prompt(TALK, "chat")) == [
        ["system", "In words."],
        ["user", "Say 1."],
        ["assistant", "one"],
        ["user", "Say 2."],
    ]


def test_one_turn_stays_a_text() -> None:
    """So that the keys of its response and of its loss stay what they were."""
    assert model_prompt(ONE, "chat") == "Say it.\n\nx y"
    assert plain_prompt(model_prompt(ONE, "chat")) == "Say it.\n\nx y"


TAKE = "choose chatml, llama3, vicuna, chat, or a template in a .jinja file"


@pytest.mark.parametrize("template", ["alpaca", "phi3", "raw", "Q: {instruction}"])
def test_a_template_without_a_place_for_a_conversation(template: str) -> None:
    """What it would leave out is said, and for which records."""
    with pytest.raises(SettingsError) as caught:
        check_fit("suite", [ONE, TALK], template)

    assert str(caught.value) == (
        "suite: it has no place for the system text or the earlier turns of 1 of 2 records (the "
        f"first is talk); {TAKE}"
    )
    check_fit("suite", [ONE], template)


@pytest.mark.parametrize("template", [*TEMPLATES[2:7], "chat"])
def test_a_template_for_conversations(template: str) -> None:
    """Those that have a place take any record."""
    check_fit("suite", [ONE, TALK], template)


@pytest.mark.parametrize("template", ["gemma", "mistral"])
@pytest.mark.parametrize("roles", [["assistant"], ["user"], ["user", "user"]])
def test_a_template_of_alternating_turns(template: str, roles: list[str]) -> None:
    """These families refuse any others."""
    turns = tuple(Turn(role, "x") for role in roles)
    record = Record("odd", "Say it.", "", "It.", {}, "", turns)

    with pytest.raises(SettingsError) as caught:
        check_fit("suite", [ONE, record], template)

    assert str(caught.value) == (
        "suite: it takes only messages of user and assistant in turn, not those of 1 of 2 records "
        f"(the first is odd); {TAKE}"
    )
