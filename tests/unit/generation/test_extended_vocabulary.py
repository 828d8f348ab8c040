"""A GPT-2 with a few tokens more than GPT-2's: what it writes ends where GPT-2's texts end."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import tiktoken
import torch

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.engine.model import TorchModel
from tests.unit.generation.gpt2 import END, gpt2s_parts
from tests.unit.generation.tiny import TINY, make_model, write_heads

if TYPE_CHECKING:
    from pathlib import Path

ROWS = END + 2
EXTRA = ROWS - 1
CONFIG = replace(TINY, vocab_size=ROWS, n_layers=1)


@pytest.fixture
def path(bare_path: Path) -> Path:
    """A model whose likeliest token is the extra one, and the end token the next after three."""
    gpt2s_parts()
    model = make_model(CONFIG)
    with torch.no_grad():
        model.final_norm.scale.zero_()
        model.final_norm.shift.fill_(1)
        model.out_head.weight[[EXTRA, END]] = torch.tensor([[9.0], [8.0]])
    torch.save(model.state_dict(), bare_path)
    write_heads(bare_path.parent)
    return bare_path


def write_all_ranks(path: Path) -> None:
    """Write what a tokenizer dumps that lists its end token with the others."""
    encoding = tiktoken.get_encoding("gpt2")
    tokens = [
        (token, encoding.encode_single_token(token)) for token in encoding.token_byte_values()
    ]
    lines = [*tokens, (b"<|endoftext|>", END)]
    text = "".join(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in lines)
    path.with_suffix(".tiktoken").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("has_ranks", [False, True], ids=["GPT-2's", "ranks with the end token"])
def test_the_end_token_stays_gpt2s(path: Path, *, has_ranks: bool) -> None:
    """No extra token is written, and the end token ends a text instead of being printed."""
    if has_ranks:
        write_all_ranks(path)
    model = TorchModel(path)
    model.check()

    (done,) = model.stream(["Hello world"], max_new_tokens=5)

    assert (done.text, done.tokens, done.error) == ("", 0, None)


def test_far_more_rows_than_gpt2_has(bare_path: Path) -> None:
    """It is another tokenizer's model, and known before work."""
    gpt2s_parts()
    torch.save(make_model(replace(CONFIG, vocab_size=60_000)).state_dict(), bare_path)
    write_heads(bare_path.parent)

    with pytest.raises(CheckpointError) as caught:
        TorchModel(bare_path).check()

    assert str(caught.value) == (
        f"{bare_path}: the model knows 60000 tokens and GPT-2's tokenizer has 50257; put the ranks "
        "that it was trained with into model.tiktoken beside it"
    )
