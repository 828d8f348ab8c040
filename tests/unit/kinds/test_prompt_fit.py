"""Models that would read a prompt's control tokens as words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.prompt_fit import check_prompts_of
from pytest_llmjudge.records.suites import Suite
from pytest_llmjudge.settings import SuiteSettings

JINJA = "{% for one in messages %}<|im_start|>{{ one.content }}{% endfor %}"
TALK = (Turn("user", "Say 1."), Turn("assistant", "one"))


def suite(prompt: str, *records: Record) -> Suite:
    chosen = SuiteSettings(None, None, None, prompt, None, None)
    is_jinja = prompt.endswith(".jinja")
    template = JINJA if is_jinja else prompt
    return Suite("s", Path("data.json"), "", records, chosen, template)


def record(words: str = "Say 2.", *turns: Turn) -> Record:
    return Record("r0", words, "", "two", {}, turns=turns)


def model(*tokens: str) -> Any:  # noqa: ANN401  # what the check asks for, and no more
    info = SimpleNamespace(path=Path("candidate"))
    return SimpleNamespace(special_tokens=frozenset(tokens), info=info)


@pytest.mark.parametrize("prompt", ["chatml", "llama3", "gemma", "mistral", "vicuna", "my.jinja"])
def test_special_tokens_that_a_template_writes(prompt: str) -> None:
    """The model reads them as what they are, where the record's texts can be told from them."""
    tokens = ("<|im_start|>", "<|start_header_id|>", "<start_of_turn>", "[INST]", "</s>")

    for one in (record(), record("Say 2.", *TALK)):
        check_prompts_of(suite(prompt, one), model(*tokens))


def test_special_tokens_around_a_text_that_a_template_changes() -> None:
    """Nobody knows then which of them a record has, so that all would be words."""
    shouting = JINJA.replace("content", "content | upper")
    asked = dataclasses.replace(suite("my.jinja", record()), template=shouting)

    with pytest.raises(SettingsError) as caught:
        check_prompts_of(asked, model("<s>", "<|im_start|>"))

    assert str(caught.value) == (
        's: prompt my.jinja: it writes "<|im_start|>", a special token of the model, and changes a '
        'message of record r0; let it write each message as it is, or choose prompt="chat"'
    )


@pytest.mark.parametrize("prompt", ["chatml", "vicuna", "my.jinja", "alpaca"])
def test_special_tokens_that_only_a_record_has(prompt: str) -> None:
    """They are words there, and of a folder without a template's tokens all are."""
    records = record("Say </s>."), record("Say 2.")

    check_prompts_of(suite(prompt, *records), model("</s>", "<s>"))
    check_prompts_of(suite(prompt, *records), model())
