"""Which parts of a prompt a template wrote, and which a record."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.records.framing import FramedText, framed, places, split_frame
from pytest_llmjudge.records.prompts import CONVERSATIONS, built_in_frame, plain_prompt
from pytest_llmjudge.records.suites import Suite
from pytest_llmjudge.settings import SuiteSettings

TEXTS = st.text(alphabet="ab \n<|im_end|>[INST]\ue000", max_size=20)
MARKS = frozenset(("<|im_start|>", "<|eot_id|>", "<start_of_turn>", "[INST]", "USER:"))


def suite(prompt: str, template: str, *records: Record) -> Suite:
    chosen = SuiteSettings(None, None, None, prompt, None, None)
    return Suite("s", Path("data.json"), "", records, chosen, template)


@pytest.mark.parametrize("name", CONVERSATIONS[:-1])
@given(texts=st.lists(TEXTS, min_size=4, max_size=4), context=TEXTS, has_system=st.booleans())
def test_built_in_templates(name: str, texts: list[str], context: str, *, has_system: bool) -> None:
    """What they write is told from any record's texts, whatever these look like."""
    system, question, answer, last = texts
    turns = (Turn("user", question), Turn("assistant", answer))
    record = Record("r", last, context, "x", {}, system if has_system else "", turns)
    asked = suite(name, name, record)

    prompt = asked.framed(record, asked.prompt(record), MARKS)

    assert isinstance(prompt, FramedText)
    assert prompt == asked.prompt(record)
    assert [text.strip() for text in prompt.texts[-3:-1]] == [question.strip(), answer.strip()]
    assert prompt.frame == split_frame("".join(built_in_frame(record, name)), 4)[::2]


def test_a_prompt_without_special_tokens_is_a_plain_text() -> None:
    """Its key is the one that it had before."""
    record = Record("r", "Say <|im_end|>.", "", "x", {})
    asked = suite("chatml", "chatml", record)

    plain = asked.prompt(record)

    assert type(plain) is str
    assert asked.framed(record, plain, frozenset(("</s>",))) is plain
    assert suite("raw", "raw", record).framed(record, "x", MARKS) == "x"
    assert plain_prompt(plain) == plain
    assert plain_prompt(asked.framed(record, plain, MARKS)) == [
        "<|im_start|>user\n",
        "Say <|im_end|>.",
        "<|im_end|>\n<|im_start|>assistant\n",
    ]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("<s>a</s>b", ["a", "b"]),
        ("<s>a</s>b", ["a ", "\nb"]),
        ("<s> a</s>b", [" a", "b"]),
        ("<s></s>", ["", " "]),
        ("<s>x</s>y</s>b", ["x</s>y", "b"]),
        ("<s>A</s>b", None),
        ("<s>a</s>b!", None),
        ("a</s>b", None),
    ],
)
def test_what_a_template_wrote(prompt: str, texts: list[str] | None) -> None:
    """A template may trim a text, and nothing else."""
    frame = split_frame("<s>{}</s>{}".format(*places(2)), 2)
    given_texts = texts or ["a", "b"]

    found = framed(prompt, frame, [(text,) for text in given_texts])

    assert found == (None if texts is None else prompt)
    assert found is None or found.frame == ("<s>", "</s>", "")
