"""Messages about NaN or infinite weights and logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import CheckpointError, PromptError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = ["FLOAT16", "WIDER", "check_weight", "no_numbers"]

FLOAT16 = "float16"
"""The one number format that ends where weights and activations of sound models may go: 65,504."""

WIDER = "take --llm-judge-dtype=float32 or bfloat16, which reach further"


def check_weight(path: Path, name: str, weight: Tensor) -> None:
    """Refuse a weight that is no number in the format that the model runs in.

    Args:
        path: The checkpoint.
        name: What the checkpoint calls the weight.
        weight: In that format; the checkpoint may hold another.

    Raises:
        CheckpointError: It holds such a number.
    """
    bounds = weight.aminmax()
    if all(bound.isfinite() for bound in bounds):
        return
    is_narrow = str(weight.dtype) == f"torch.{FLOAT16}"
    if is_narrow and not any(bound.isnan() for bound in bounds):
        # What is infinite in the file too is reported where the format is not in question.
        raise CheckpointError(
            str(path), f"{name} holds values that are infinite in {FLOAT16}", WIDER
        )
    problem = f"{name} holds NaN or infinite values"
    hint = "the training diverged: use an earlier checkpoint or a lower learning rate"
    raise CheckpointError(str(path), problem, hint)


def no_numbers(where: str, dtype: str) -> PromptError:
    """Make the error of a prompt to which the model has no next token.

    Args:
        where: The checkpoint, or the prompt.
        dtype: As ``--llm-judge-dtype``.
    """
    if dtype == FLOAT16:
        problem = f"the logits of its answer are NaN or infinite in {FLOAT16}"
        return PromptError(where, problem, WIDER)
    problem = "the logits of its answer are NaN or infinite"
    hint = "see whether its training diverged, or its file is damaged"
    return PromptError(where, problem, hint)
