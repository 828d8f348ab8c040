"""Says before work which packages transformers needs for the quantised weights of a folder."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["check_quantised"]

_ACCELERATE = ("accelerate",)

_NEEDED: dict[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "aqlm": ("AQLM", (("aqlm",), _ACCELERATE)),
    "awq": ("AWQ", (("gptqmodel", "awq"), _ACCELERATE)),
    "bitsandbytes": ("bitsandbytes", (("bitsandbytes",), _ACCELERATE)),
    "compressed-tensors": ("compressed-tensors", (("compressed_tensors",),)),
    "fp8": ("FP8", (_ACCELERATE,)),
    "gptq": ("GPTQ", (("gptqmodel", "auto_gptq"), ("optimum",))),
    "hqq": ("HQQ", (("hqq",),)),
    "mxfp4": ("MXFP4", (_ACCELERATE,)),
    "quanto": ("quanto", (("optimum",), _ACCELERATE)),
    "torchao": ("torchao", (("torchao",),)),
}
"""By ``quant_method`` its name, and what has to be there: of each group of packages one, of which
the first is what newer versions of transformers take.
"""


def check_quantised(folder: Path, config: Mapping[str, object]) -> None:
    """Refuse a Hugging Face folder whose quantised weights nothing here can read.

    Args:
        folder: The folder.
        config: What its ``config.json`` says.

    Raises:
        CheckpointError: A package is missing, or they are MLX's.
    """
    settings = config.get("quantization_config")
    method = settings.get("quant_method") if isinstance(settings, dict) else None
    name, groups = _NEEDED.get(method, ("", ())) if isinstance(method, str) else ("", ())
    missing = [group[0] for group in groups if not any(map(find_spec, group))]
    if missing:
        problem = f"its weights are quantised with {name}, which needs {' and '.join(missing)}"
        hint = f"pip install {' '.join(missing)}, or name the model as it was before"
        raise CheckpointError(str(folder), problem, hint)
    if method is None and isinstance(config.get("quantization"), dict):
        problem = "its weights are quantised with MLX, which transformers does not read"
        hint = "run mlx_lm.convert with --dequantize on it, and name the folder that it writes"
        raise CheckpointError(str(folder), problem, hint)
