"""The built-in templates beside transformers' rendering of each family's own.

The families' templates are written down here after the public ones, in Jinja of our own:

- ChatML: OpenHermes-2.5-Mistral-7B, and the default of transformers before version 4.44
- Llama 3: Meta-Llama-3-8B-Instruct
- Gemma: Gemma 3 (gemma-3-4b-it); those of Gemma 1 and 2 refuse a system text
- Mistral: Mistral-7B-Instruct-v0.2, whose system text stands before the first message of the user
- Vicuna: vicuna_v1.1 of FastChat, whose models bring no template; as in Unsloth's chat_templates.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Record, Turn
from pytest_llmjudge.prompts import model_prompt
from tests.unit.generation.hugging import make_tokenizer, save_folder

if TYPE_CHECKING:
    from pathlib import Path

transformers = pytest.importorskip("transformers")

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


@pytest.mark.parametrize("turns", [(), TURNS[:2], TURNS], ids=["one", "two", "three"])
@pytest.mark.parametrize("system", ["", "  Answer shortly.\n"], ids=["plain", "system"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_template_is_the_familys(name: str, system: str, turns: tuple[Turn, ...]) -> None:
    """To the byte; only the token for the beginning of a text is left to the tokenizer."""
    begin, end, template = FAMILIES[name]
    tokenizer = make_tokenizer(template=template)
    tokenizer.add_special_tokens({"bos_token": begin or "<s>", "eos_token": end})
    record = Record("r", "And the \nlast? ", "", "No.", {}, system, turns)
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": turn.role, "content": turn.text} for turn in turns]
    messages.append({"role": "user", "content": record.instruction})

    theirs = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    assert begin + str(model_prompt(record, name)) == theirs


@pytest.mark.parametrize("name", [*FAMILIES, "alpaca", "phi3", "raw"])
def test_a_text_begins_once(tmp_path: Path, name: str) -> None:
    """The tokenizer's token for the beginning stands first, and no other control token anywhere.

    Whether a template or a record has its words, they stay words.
    """
    save_folder(tmp_path, max_position_embeddings=4096)
    model = HuggingFaceModel(tmp_path)
    record = Record("r", "Say <|im_end|><s></s>[INST].", "", "x", {})
    prompt: Any = model_prompt(record, name)

    ids = model._encode("here", prompt, chat=False)

    tokenizer = make_tokenizer()
    assert isinstance(ids, list)
    assert [token for token in ids if token in tokenizer.all_special_ids] == [
        tokenizer.bos_token_id
    ]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == prompt
