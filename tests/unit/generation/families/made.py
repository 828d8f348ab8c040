"""Tiny random models of transformers', and ours filled with weights that are in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_llmjudge.generation.engine.loading import fill
from pytest_llmjudge.generation.families.describe import plan_of_file, recognise
from pytest_llmjudge.generation.families.transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from pytest_llmjudge.generation.families.plan import Plan
    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig

SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 48,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
PATH = Path("folder/tiny.pth")


def randomise(model: Any, seed: int = 0) -> Any:  # noqa: ANN401 - models of others have no types
    """Give a model random weights, those of norms and biases included."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.2)
    return model.eval()


def make_theirs(kind: str, changes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - no types
    """A random model of transformers'."""
    import transformers

    config = transformers.CONFIG_MAPPING[kind](**{**SIZES, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    return randomise(model)


def fill_from(
    state: Mapping[str, Tensor],
    config: TransformerConfig,
    plan: Plan,
    dtype: torch.dtype = torch.float32,
) -> Transformer:
    """Our model with the weights of a state dict."""
    return fill(
        PATH,
        lambda: Transformer(config),
        plan,
        state.__getitem__,
        device=torch.device("cpu"),
        dtype=dtype,
    )


def read_file(
    state: Mapping[str, Tensor],
    settings: Mapping[str, object] | None = None,
    about: Mapping[str, object] | None = None,
) -> Transformer:
    """Our model of a file that holds a state dict, with a config beside it."""
    layout = recognise(state)
    assert layout is not None
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    beside = None if settings is None else (PATH.with_name("config.json"), settings)
    made = plan_of_file(PATH, layout, shapes, about or {}, beside)
    return fill_from(state, made.config, made.plan)


def assert_same(expected: Tensor, actual: Tensor) -> None:
    """Logits agree within the accuracy of float32, relative to their scale."""
    assert (actual - expected).abs().max() < 1e-4 * expected.abs().max()
