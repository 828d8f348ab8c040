"""How much memory the keys and values of running texts may take, by what is free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.decoder import Decoder

__all__ = ["texts_at_a_time"]

MOST_TEXTS = {"cpu": 64, "cuda": 256}
"""Texts at a time unless set: at this batch size two cores are compute-bound."""

SHORT = 160
"""Tokens. Texts that cannot get longer end close together, so that twice as many may run. Of longer
ones some end much later than others, and tokens are guessed ahead only where few run.
"""

MOST_BYTES = 2 << 30
"""What keys and values may take where other programs need memory too."""

SHARE_OF_LARGE = 5
"""Of a model that is larger than that they may take a fifth: it has hardly room as it is."""

_MEMORY = Path("/proc/meminfo")


def texts_at_a_time(model: Decoder, length: int) -> int:
    """Return how many texts may run together.

    Args:
        model: Where it runs.
        length: Tokens that the longest text can have, its prompt included.
    """
    device = model.device
    most = MOST_TEXTS.get(device.type, MOST_TEXTS["cpu"])
    if length <= SHORT and device.type != "cuda":
        most *= 2
    allowed = _allowed(device)
    if model.matrix_bytes > MOST_BYTES:
        allowed = min(allowed, model.matrix_bytes // SHARE_OF_LARGE)
    return max(1, min(most, allowed // (model.cache_bytes * length)))


def _allowed(device: torch.device) -> int:
    """Half of what is free, so that passes have room too."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // 2
    free = _free_bytes()
    return MOST_BYTES if free is None else min(MOST_BYTES, free // 2)


def _free_bytes() -> int | None:
    """What programs can have without swapping; ``None`` where the system does not say."""
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    available = dict(line.split(":", 1) for line in lines if ":" in line).get("MemAvailable", "")
    kilobytes = available.split()[:1]
    return int(kilobytes[0]) << 10 if kilobytes else None
