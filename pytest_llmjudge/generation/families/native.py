"""Which architectures the native engine computes, by the ``model_type`` of a ``config.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.generation.families.gemma import gemma, gemma2, gemma3
from pytest_llmjudge.generation.families.hf_config import Fields
from pytest_llmjudge.generation.families.llama import llama, mistral
from pytest_llmjudge.generation.families.olmo import olmo2, olmo3
from pytest_llmjudge.generation.families.phi import phi3
from pytest_llmjudge.generation.families.qwen import qwen2, qwen3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_llmjudge.generation.families.transformer_config import TransformerConfig

__all__ = ["FAMILIES", "native_config"]

FAMILIES: dict[object, Callable[[Mapping[str, object]], TransformerConfig]] = {
    "llama": llama,
    "mistral": mistral,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3,
    "phi3": phi3,
    "olmo2": olmo2,
    "olmo3": olmo3,
}


def native_config(config: Mapping[str, object]) -> TransformerConfig:
    """Read what a Hugging Face ``config.json`` asks for.

    Raises:
        UnsupportedError: It asks for what the native engine does not compute exactly.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        Fields(config).refuse("model_type")
    return FAMILIES[kind](config)
