"""Weights that do not make a GPT-2: the one at fault is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.generation.checkpoint_info import describe
from tests.unit.generation.tiny import TINY, VOCABULARY, error_of, make_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

NAMES = "use the parameter names of the lecture's GPTModel, Hugging Face's GPT-2 or nanoGPT"
TRAINED = "save it again from the model that was trained"
BIAS = "trf_blocks.1.att.W_key.bias"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "it holds nothing"),
        (
            ["embed.weight", "layers.0.weight", "layers.1.weight", "head"],
            "it holds embed.weight, layers.0.weight, layers.1.weight and 1 more",
        ),
    ],
    ids=["nothing", "other names"],
)
def test_something_else_than_gpt2(path: Path, names: list[str], expected: str) -> None:
    """A few of the names in it are listed."""
    torch.save({name: torch.zeros(1) for name in names}, path)

    assert error_of(path) == f"no weights of a GPT-2, {expected}; {NAMES}"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"pos_emb.weight": None}, f"a GPT-2 that lacks pos_emb.weight; {NAMES}"),
        ({BIAS: None}, f"a GPT-2 that lacks {BIAS}; {NAMES}"),
        (
            {BIAS: None, "lora.A": torch.zeros(1)},
            f"a GPT-2 that lacks {BIAS} and has the unknown lora.A; {NAMES}",
        ),
        (
            {"trf_blocks.7.att.W_key.bias": torch.zeros(64)},
            (
                "a GPT-2 that lacks trf_blocks.2.att.W_query.weight, "
                "trf_blocks.2.att.W_query.bias, trf_blocks.2.att.W_key.weight and 13 more "
                "and has the unknown "
                f"trf_blocks.7.att.W_key.bias; {NAMES}"
            ),
        ),
        (
            {BIAS: torch.zeros(63)},
            f"{BIAS} has the shape (63,) where (64,) is expected; {TRAINED}",
        ),
        (
            {"out_head.weight": torch.zeros(300, 64)},
            (
                "out_head.weight has the shape (300, 64) "
                f"where ({VOCABULARY}, 64) is expected; {TRAINED}"
            ),
        ),
        (
            {"tok_emb.weight": torch.zeros(64)},
            f"tok_emb.weight has the shape (64,) where (rows, width) is expected; {TRAINED}",
        ),
        (
            {BIAS: torch.zeros(64, dtype=torch.int8)},
            (
                f"{BIAS} is stored as int8, not as floating-point numbers; "
                "save it before it is quantised"
            ),
        ),
    ],
)
def test_weights_that_do_not_belong_together(
    path: Path, other: dict[str, torch.Tensor | None], expected: str
) -> None:
    """The weight that is missing, unknown, or of the wrong shape is named."""
    save_model(path, other=other)

    assert error_of(path) == expected


@pytest.mark.parametrize(("width", "heads"), [(768, 12), (1024, 16), (1280, 20), (1600, 25)])
def test_without_a_config_a_published_width_has_its_heads(
    bare_path: Path, width: int, heads: int
) -> None:
    """The four GPT-2 that were published."""
    path = bare_path
    config = replace(TINY, emb_dim=width, n_heads=heads, n_layers=1, context_length=4)
    torch.save(make_model(config).state_dict(), path)

    assert describe(path).config == config


@pytest.mark.parametrize("width", [48, 256])
def test_a_width_that_does_not_tell_the_heads(bare_path: Path, width: int) -> None:
    """No number of heads is guessed, not even one that would give heads of GPT-2's size."""
    path = bare_path
    torch.save(make_model(replace(TINY, emb_dim=width)).state_dict(), path)

    problem = f"the embedding's width {width} does not tell the number of heads"
    assert error_of(path) == f'{problem}; write {{"n_heads": …}} into model.config.json beside it'
