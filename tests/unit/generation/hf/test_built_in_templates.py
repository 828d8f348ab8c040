"""The built-in templates beside transformers' rendering of each family's own.

The families' templates are written down here after the public ones, in Jinja of our own:

- ChatML: OpenHermes-2.5-Mistral-7B, and the default of transformers before version 4.44
- Llama 3: Meta-Llama-3-8B-Instruct
- Gemma: Gemma 3 (gemma-3-4b-it); those of Gemma 1 and 2 refuse a system text
- Mistral: Mistral-7B-Instruct-v0.2, whose system text stands before the first message of the user
- Vicuna: vicuna_v1.1 of FastChat, whose models bring no template; as in Unsloth's chat_templates.py
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tokenizers import processors

from pytest_llmjudge.data import Prompt, Record, Turn
from pytest_llmjudge.generation.tokenizers.frames import FramedTexts
from pytest_llmjudge.records.framing import FramedText
from pytest_llmjudge.records.prompts import messages_of, model_prompt
from pytest_llmjudge.records.suites import Suite
from pytest_llmjudge.settings import SuiteSettings
from tests.unit.generation.hugging import make_tokenizer, save_folder

transformers = pytest.importorskip("transformers")

from pytest_llmjudge.generation.hf.frames import TransformersEncoder, text_ids  # noqa: E402
from pytest_llmjudge.generation.hf.model import HuggingFaceModel  # noqa: E402

ALTERNATE = "{{ raise_exception('roles must alternate') }}"
FAMILIES = {
    "chatml": (
        "",
        "<|im_end|>",
        """
{%- for one in messages -%}
<|im_start|>{{ one.role ~ "\\n" ~ one.content }}<|im_end|>{{ "\\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant{{ "\\n" }}{%- endif -%}
""",
    ),
    "llama3": (
        "<|begin_of_text|>",
        "<|eot_id|>",
        """
{%- for one in messages -%}
{{ bos_token if loop.first }}<|start_header_id|>{{ one.role }}<|end_header_id|>{{ "\\n\\n" }}
{{- one.content | trim }}<|eot_id|>
{%- endfor -%}
{%- if add_generation_prompt -%}
<|start_header_id|>assistant<|end_header_id|>{{ "\\n\\n" }}
{%- endif -%}
""",
    ),
    "gemma": (
        "<bos>",
        "<eos>",
        """
{{- bos_token -}}
{%- set has_system = messages[0].role == "system" -%}
{%- set prefix = messages[0].content ~ "\\n\\n" if has_system else "" -%}
{%- for one in (messages[1:] if has_system else messages) -%}
{%- if (one.role == "user") != (loop.index0 % 2 == 0) -%}{{ raise_exception("order") }}{%- endif -%}
<start_of_turn>{{ "model" if one.role == "assistant" else one.role }}{{ "\\n" }}
{{- prefix if loop.first }}{{ one.content | trim }}<end_of_turn>{{ "\\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}<start_of_turn>model{{ "\\n" }}{%- endif -%}
""",
    ),
    "mistral": (
        "<s>",
        "</s>",
        """
{{- bos_token -}}
{%- set has_system = messages[0].role == "system" -%}
{%- set prefix = messages[0].content ~ "\\n\\n" if has_system else "" -%}
{%- for one in (messages[1:] if has_system else messages) -%}
{%- if (one.role == "user") != (loop.index0 % 2 == 0) -%}{{ raise_exception("order") }}{%- endif -%}
{%- if one.role == "user" -%}
{{ " [INST] " ~ (prefix if loop.first else "") ~ one.content ~ " [/INST]" }}
{%- else -%}
{{ " " ~ one.content ~ eos_token }}
{%- endif -%}
{%- endfor -%}
""",
    ),
    "vicuna": (
        "<s>",
        "</s>",
        """
{{- bos_token -}}
{%- if messages[0].role == "system" -%}
{{ messages[0].content ~ " " }}{%- set messages = messages[1:] -%}
{%- else -%}
{{ "A chat between a curious user and an artificial intelligence assistant. The assistant gives " ~
"helpful, detailed, and polite answers to the user's questions. " }}
{%- endif -%}
{%- for one in messages -%}
{{ "USER: " ~ one.content ~ " " if one.role == "user" else "ASSISTANT: " ~ one.content ~ eos_token }}
{%- endfor -%}
{%- if add_generation_prompt -%}ASSISTANT:{%- endif -%}
""",
    ),
}
TURNS = (
    Turn("user", " Name a\nbird. "),
    Turn("assistant", "\tThe <b>wren</b>. "),
    Turn("user", "Häufig? {x}"),
    Turn("assistant", "Yes."),
)


SPECIAL = {
    "chatml": ["<|im_start|>", "<|im_end|>"],
    "llama3": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"],
    "mistral": ["[INST]", "[/INST]", "</s>"],
    "vicuna": ["</s>"],
}
"""Tokens that each family's template writes."""

RECORDS = {
    f"{kind}-{number}": Record(f"{kind}-{number}", "And the \nlast? ", "", "No.", {}, system, turns)
    for kind, system in (("plain", ""), ("system", "  Answer shortly.\n"))
    for number, turns in (("one", ()), ("two", TURNS[:2]), ("three", TURNS))
}
each_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)


@each_record
@pytest.mark.parametrize("name", FAMILIES)
def test_a_template_is_the_familys(name: str, record: Record) -> None:
    """To the byte; only the token for the beginning of a text is left to the tokenizer."""
    begin, end, template = FAMILIES[name]
    tokenizer = make_tokenizer(template=template)
    tokenizer.add_special_tokens({"bos_token": begin or "<s>", "eos_token": end})
    messages = [{"role": "system", "content": record.system}] if record.system else []
    messages += [{"role": turn.role, "content": turn.text} for turn in record.turns]
    messages.append({"role": "user", "content": record.instruction})

    theirs = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    assert begin + str(model_prompt(record, name)) == theirs


def family(name: str) -> Any:  # noqa: ANN401  # transformers has no types
    """A tokenizer that knows the special tokens of a family, and has its template."""
    begin, end, template = FAMILIES[name]
    tokenizer = make_tokenizer(template=template, begins=False)
    tokenizer.add_special_tokens({"bos_token": begin or "<s>", "eos_token": end})
    tokenizer.add_special_tokens(
        {"additional_special_tokens": SPECIAL[name]}, replace_extra_special_tokens=False
    )
    if begin:
        number = tokenizer.convert_tokens_to_ids(begin)
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, number)]
        )
    return tokenizer


def suite_of(prompt: str, template: str, *records: Record) -> Suite:
    chosen = SuiteSettings(None, None, None, prompt, None, None)
    return Suite("s", Path("data.json"), "", records, chosen, template)


@cache
def suite_by_file(name: str) -> Suite:
    """All records by a family's template as a file, which one process renders."""
    _, end, jinja = FAMILIES[name]
    return suite_of("family.jinja", jinja.replace("eos_token", f"{end!r}"), *RECORDS.values())


def framed_for(name: str, record: Record, suite: Suite | None = None) -> Prompt:
    """A prompt by a built-in template, or of a suite, for the family's tokenizer."""
    suite = suite or suite_of(name, name, record)
    return suite.framed(record, suite.prompt(record), frozenset(SPECIAL[name]))


def whole(record: Record) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.text} for turn in messages_of(record)]


@each_record
@pytest.mark.parametrize("is_file", [False, True], ids=["built-in", "file"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_tokens_are_the_familys(name: str, record: Record, *, is_file: bool) -> None:
    """Where the tokenizer has the template's special tokens, they are what transformers makes."""
    tokenizer = family(name)
    prompt = framed_for(name, record, suite_by_file(name) if is_file else None)
    theirs = tokenizer.apply_chat_template(
        whole(record), add_generation_prompt=True, return_dict=False
    )

    ids = (
        FramedTexts(TransformersEncoder(tokenizer)).ids(prompt)
        if isinstance(prompt, FramedText)
        else text_ids(tokenizer, str(prompt), begin=True)
    )

    assert ids == theirs
    # Only Vicuna's has none around a single message.
    assert isinstance(prompt, FramedText) or (name == "vicuna" and not record.turns)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_text_of_a_record_becomes_a_control_token(name: str) -> None:
    """In a message, a system text or the answer they are words, and nothing of them is lost."""
    tokenizer = family(name)
    typed = f"a{''.join(SPECIAL[name])}\n<s>b"
    turns = (Turn("user", f"1{typed}"), Turn("assistant", f"2{typed}"))
    record = Record("r", f"3{typed}", "", "x", {}, f"0{typed}", turns)
    plain = Record("r", "3", "", "x", {}, "0", (Turn("user", "1"), Turn("assistant", "2")))
    prompt, other = (framed_for(name, one) for one in (record, plain))
    assert isinstance(prompt, FramedText)
    assert isinstance(other, FramedText)

    framed = FramedTexts(TransformersEncoder(tokenizer))
    ids = framed.ids(prompt)
    before, after = framed.pair(prompt, typed)

    control = set(tokenizer.all_special_ids)
    assert [one for one in ids if one in control] == [
        one for one in framed.ids(other) if one in control
    ]
    assert tokenizer.decode(ids).endswith(str(prompt))
    assert before == ids
    assert not control.intersection(after)
    assert tokenizer.decode(after) == typed


def test_an_answer_to_a_framed_prompt() -> None:
    """Both are encoded as one text, behind what transformers makes of the messages."""
    tokenizer = family("llama3")
    record = Record("r", "Say 1.", "", "x", {})
    prompt = framed_for("llama3", record)
    assert isinstance(prompt, FramedText)
    theirs = tokenizer.apply_chat_template(
        whole(record), add_generation_prompt=True, return_dict=False
    )

    before, after = FramedTexts(TransformersEncoder(tokenizer)).pair(prompt, "one")

    assert before == theirs
    assert tokenizer.decode(after) == "one"


@pytest.mark.parametrize("name", [*FAMILIES, "alpaca", "phi3", "raw"])
def test_a_text_begins_once(tmp_path: Path, name: str) -> None:
    """The tokenizer's token for the beginning stands first, and no other control token anywhere.

    Whether a template or a record has its words, they stay words.
    """
    save_folder(tmp_path, max_position_embeddings=4096)
    model = HuggingFaceModel(tmp_path)
    record = Record("r", "Say <|im_end|><s></s>[INST].", "", "x", {})
    prompt: Any = model_prompt(record, name)

    ids = model.encode_prompt("here", prompt, chat=False)

    tokenizer = make_tokenizer()
    assert isinstance(ids, list)
    assert [token for token in ids if token in tokenizer.all_special_ids] == [
        tokenizer.bos_token_id
    ]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == prompt
