"""Continues one batch of prompts with transformers' ``generate``: greedily, or drawn row by row.

Sizes in shape comments: B rows, V vocabulary.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.generation.foreign import Foreign
    from pytest_llmjudge.settings import Decoding

__all__ = ["Continued", "Row", "continue_rows", "draw"]


class Row(NamedTuple):
    """A prompt.

    Attributes:
        number: Its place in the list that was given to the model.
        prompt: Its text, which decides what is drawn.
        ids: Its tokens; at least one.
        limit: How many tokens may follow.
    """

    number: int
    prompt: str
    ids: list[int]
    limit: int


class Continued(NamedTuple):
    """What follows a prompt, and how many tokens it took."""

    text: str
    tokens: int


@torch.inference_mode()
def continue_rows(foreign: Foreign, rows: Sequence[Row], decoding: Decoding) -> list[Continued]:
    """Return what follows each row, in order.

    Args:
        foreign: Model and tokenizer.
        rows: All of the same limit, which the longest one has room for.
        decoding: How tokens are chosen, and where a text ends.
    """
    model, ends = foreign.model, foreign.ends
    width = max(len(row.ids) for row in rows)
    pad = ends[0] if ends else 0
    ids = [[pad] * (width - len(row.ids)) + row.ids for row in rows]
    seen = [[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows]
    stops = _Stops(foreign, width, decoding.stop)
    found = model.generate(
        torch.tensor(ids, device=model.device),
        attention_mask=torch.tensor(seen, device=model.device),
        generation_config=GenerationConfig(
            max_new_tokens=rows[0].limit,
            do_sample=False,
            num_beams=1,
            eos_token_id=list(ends) or None,
            pad_token_id=pad,
        ),
        logits_processor=[] if decoding.is_greedy else [_Draw(rows, decoding)],
        stopping_criteria=[stops] if decoding.stop else [],
    )
    return [stops.finish(row, new) for row, new in enumerate(found[:, width:].tolist())]


class _Stops(StoppingCriteria):  # type: ignore[misc]  # transformers has no types
    """Ends a row whose text holds a stop text, and cuts it off there."""

    def __init__(self, foreign: Foreign, width: int, texts: tuple[str, ...]) -> None:
        self._tokenizer = foreign.tokenizer
        self._ends = frozenset(foreign.ends)
        self._width = width
        self._texts = texts
        self._lengths: dict[int, int] = {}

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Tensor:  # noqa: ARG002
        for row, ids in enumerate(input_ids[:, self._width :].tolist()):
            if row not in self._lengths and any(text in self._read(ids) for text in self._texts):
                self._lengths[row] = len(ids)
        ended = [row in self._lengths for row in range(len(input_ids))]
        return torch.tensor(ended, device=input_ids.device)

    def finish(self, row: int, ids: list[int]) -> Continued:
        """Return a row's text before its end, and how many tokens that took."""
        ids = self._before_end(ids[: self._lengths.get(row)])
        text = self._read(ids)
        cuts = [text.find(stop) for stop in self._texts if stop in text]
        return Continued(text[: min(cuts, default=len(text))], len(ids))

    def _read(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(self._before_end(ids), skip_special_tokens=True)
        return text

    def _before_end(self, ids: list[int]) -> list[int]:
        length = next((at for at, token in enumerate(ids) if token in self._ends), len(ids))
        return ids[:length]


class _Draw(LogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """Leaves each row only the token that it draws, by random numbers of its own.

    transformers draws all rows from one sequence of random numbers, so that a text would depend on
    what else is in its batch.
    """

    def __init__(self, rows: Sequence[Row], decoding: Decoding) -> None:
        self._decoding = decoding
        self._sources = [_random(decoding.seed, row.prompt) for row in rows]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002
        drawn = torch.cat([torch.rand(1, generator=source) for source in self._sources])
        chosen = draw(scores, drawn.to(scores.device), self._decoding)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen, 0.0)


def _random(seed: int, prompt: str) -> torch.Generator:
    """Return a source of random numbers, on the CPU so that all devices draw alike."""
    digest = hashlib.sha256(f"{seed}\n{prompt}".encode("utf-8", "surrogatepass")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def draw(scores: Tensor, drawn: Tensor, decoding: Decoding) -> Tensor:
    """Return the token of each row, (B, 1), that its random number falls on.

    Args:
        scores: Logits, (B, V).
        drawn: For each row a number from 0 to below 1, (B,).
        decoding: Temperature, above 0, and how many of the likeliest tokens take part.
    """
    sorted_scores, tokens = scores.float().sort(dim=1, descending=True, stable=True)
    # The largest one is 0, so that no temperature makes it infinite.
    logits = (sorted_scores - sorted_scores[:, :1]) / decoding.temperature
    if decoding.top_k is not None:
        logits[:, decoding.top_k :] = -torch.inf
    shares = logits.softmax(dim=1)
    likelier = shares.cumsum(dim=1) - shares
    if decoding.top_p < 1:
        shares = shares.masked_fill(likelier >= decoding.top_p, 0.0)
        # Rounded, what is likelier than the first token need not be 0.
        shares[:, 0] = shares[:, 0].clamp(min=torch.finfo(shares.dtype).tiny)
    # In the order of the vocabulary: among tokens that are nearly as likely as each other the
    # order of their shares depends on rounding, and so on the batch.
    shares = torch.zeros_like(shares).scatter_(1, tokens, shares)
    sums = shares.cumsum(dim=1)
    place = torch.searchsorted(sums, drawn[:, None] * sums[:, -1:], right=True)
    # A product that is rounded up to the whole sum falls behind all of them.
    last = shares.shape[1] - 1 - (shares.flip(1) > 0).int().argmax(dim=1, keepdim=True)
    return torch.minimum(place, last)
