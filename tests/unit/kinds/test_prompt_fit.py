"""Models that would read a prompt's control tokens as words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.prompt_fit import check_prompts_of
from pytest_llmjudge.settings import SuiteSettings
from pytest_llmjudge.suites import Suite

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


@pytest.mark.parametrize(
    ("prompt", "token"),
    [
        ("chatml", "<|im_start|>"),
        ("llama3", "<|start_header_id|>"),
        ("gemma", "<start_of_turn>"),
        ("mistral", "[INST]"),
        ("my.jinja", "<|im_start|>"),
    ],
)
def test_special_tokens_that_a_template_writes(prompt: str, token: str) -> None:
    """The model was trained on the token, and would read its letters."""
    with pytest.raises(SettingsError) as caught:
        check_prompts_of(suite(prompt, record()), model("<s>", token))

    assert str(caught.value) == (
        f's: prompt {prompt}: the model would read its "{token}" as words, a special token of '
        'candidate; choose prompt="chat", with a chat_template.jinja in the folder'
    )


@pytest.mark.parametrize("prompt", ["chatml", "vicuna", "my.jinja", "alpaca"])
def test_special_tokens_that_only_a_record_has(prompt: str) -> None:
    """They are words there, and of a folder without a template's tokens all are."""
    records = record("Say </s>."), record("Say 2.")

    check_prompts_of(suite(prompt, *records), model("</s>", "<s>"))
    check_prompts_of(suite(prompt, *records), model())


def test_special_tokens_behind_an_earlier_turn() -> None:
    """Vicuna's template writes an end only there."""
    check_prompts_of(suite("vicuna", record()), model("</s>"))

    with pytest.raises(SettingsError, match="</s>"):
        check_prompts_of(suite("vicuna", record("Say 2.", *TALK)), model("</s>"))
