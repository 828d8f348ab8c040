"""Finds sizes in a ``config.json`` that no model has, and that transformers would act on.

It makes a module for each layer and a name for each label before it looks at any weight.
"""

from __future__ import annotations

import re

__all__ = ["absurd_size"]

_LIMITS = (
    (re.compile(r"(^|_)(layers?|blocks|depth|stages|loops|codebooks)$"), 1_000),
    (re.compile(r"(^|_)(heads?|heads?_kv|groups|group_num)$"), 10_000),
    (re.compile(r"(^|_)(experts|labels)$"), 100_000),
    (re.compile(r"(^|_)vocab(_|$)"), 100_000_000),
    (re.compile(r"(^|_)(positions?|position_embeddings|ctx|seq_len|seq_length)$"), 100_000_000),
    (
        re.compile(
            r"(^|_)(hidden|intermediate|embed|embedding|ffn|inner|head|state|mlp|expert)_(size|dim)$"
            r"|(^|_)(n_embd|n_inner|d_model|d_inner|d_ff|d_kv|d_state|ffn_hidden|model_dim|dim|rank)$"
        ),
        1_000_000,
    ),
)
"""Names of settings, and the largest size that a model has by far: the first that fits counts."""


def absurd_size(config: object) -> tuple[str, int | float, int] | None:
    """Find a size that no model has.

    Args:
        config: What a ``config.json`` says, parts for texts and other inputs included.

    Returns:
        The setting, its value and the largest one that is believed; ``None`` where all are.
    """
    if isinstance(config, list):
        return next((absurd for part in config if (absurd := absurd_size(part))), None)
    if not isinstance(config, dict):
        return None
    for name, value in config.items():
        if isinstance(value, (int, float)):
            limit = next((most for names, most in _LIMITS if names.search(name)), None)
            # A number that is none is no size either.
            if limit is not None and not value <= limit:
                return name, value, limit
        elif absurd := absurd_size(value):
            return absurd
    return None
