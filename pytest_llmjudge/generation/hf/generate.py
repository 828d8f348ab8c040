"""Continues one batch of prompts with transformers' ``generate``: greedily, or drawn row by row.

Sizes in shape comments: B rows, V vocabulary.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from pytest_llmjudge.generation.base import text_before
from pytest_llmjudge.generation.engine.sampling import Sampler
from pytest_llmjudge.generation.hf.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_llmjudge.generation.hf.loading import FolderTexts, Model
    from pytest_llmjudge.settings import Decoding

__all__ = ["Continued", "Row", "continue_rows"]


class Row(NamedTuple):
    """A prompt.

    Attributes:
        number: Its place in the list that was given to the model.
        ids: Its tokens; at least one.
        limit: How many tokens may follow.
    """

    number: int
    ids: list[int]
    limit: int


class Continued(NamedTuple):
    """What follows a prompt, and how many tokens it took."""

    text: str
    tokens: int


@torch.inference_mode()
def continue_rows(
    model: Model,
    loaded: FolderTexts,
    rows: Sequence[Row],
    decoding: Decoding,
    on_tokens: Callable[[int], None] = lambda _: None,
) -> list[Continued | None]:
    """Return what follows each row, in order; ``None`` where logits were no numbers.

    Args:
        model: Of transformers.
        loaded: Tokenizer and end tokens.
        rows: All of the same limit, which the longest one has room for.
        decoding: How tokens are chosen, and where a text ends.
        on_tokens: Called after each token of the rows with how many of them go on.
    """
    texts = Texts(loaded.tokenizer, decoding.stop)
    ends = tuple(dict.fromkeys((*loaded.ends, *texts.stop_tokens)))
    width = max(len(row.ids) for row in rows)
    pad = ends[0] if ends else 0
    ids = [[pad] * (width - len(row.ids)) + row.ids for row in rows]
    seen = [[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows]
    numbers = _Numbers(len(rows), width, model.device)
    stops = _Stops(texts, ends, width, decoding.stop)
    output = model.generate(
        torch.tensor(ids, device=model.device),
        attention_mask=torch.tensor(seen, device=model.device),
        generation_config=GenerationConfig(
            max_new_tokens=rows[0].limit,
            do_sample=False,
            num_beams=1,
            eos_token_id=list(ends) or None,
            pad_token_id=pad,
        ),
        logits_processor=[numbers, *([] if decoding.is_greedy else [_Draw(rows, decoding)])],
        stopping_criteria=[
            _Count(len(rows), ends, model.device, on_tokens),
            *([stops] if decoding.stop else []),
        ],
    )
    broken = numbers.broken.tolist()
    return [
        stops.finish(row, new, broken[row]) for row, new in enumerate(output[:, width:].tolist())
    ]


class _Stops(StoppingCriteria):  # type: ignore[misc]  # transformers has no types
    """Ends a row whose text holds a stop text, and cuts it off there."""

    def __init__(
        self, read: Texts, ends: tuple[int, ...], width: int, texts: tuple[str, ...]
    ) -> None:
        self._read_ids = read.decode
        self._ends = frozenset(ends)
        self._width = width
        self._texts = texts
        self._lengths: dict[int, int] = {}

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Tensor:  # noqa: ARG002
        for row, ids in enumerate(input_ids[:, self._width :].tolist()):
            if row not in self._lengths and any(text in self._read(ids) for text in self._texts):
                self._lengths[row] = len(ids)
        ended = [row in self._lengths for row in range(len(input_ids))]
        return torch.tensor(ended, device=input_ids.device)

    def finish(self, row: int, ids: list[int], broken: int) -> Continued | None:
        """Return a row's text before its end, and how many tokens that took.

        Args:
            row: Its number.
            ids: All that was generated, behind its end too.
            broken: The first of them whose logits were no numbers.
        """
        whole = ids[: self._lengths.get(row)]
        ids = self._before_end(whole)
        if broken < min(len(ids) + 1, len(whole)):
            return None
        text = self._read(ids)
        return Continued(text_before(self._texts, text), len(ids))

    def _read(self, ids: list[int]) -> str:
        return self._read_ids(self._before_end(ids))

    def _before_end(self, ids: list[int]) -> list[int]:
        length = next((at for at, token in enumerate(ids) if token in self._ends), len(ids))
        return ids[:length]


class _Count(StoppingCriteria):  # type: ignore[misc]  # transformers has no types
    """Counts the tokens of rows that have not ended; it ends none."""

    def __init__(
        self,
        rows: int,
        ends: Sequence[int],
        device: torch.device,
        on_tokens: Callable[[int], None],
    ) -> None:
        self._runs = torch.ones(rows, dtype=torch.bool, device=device)
        self._ends = torch.tensor(ends, dtype=torch.long, device=device)
        self._on_tokens = on_tokens

    def __call__(self, input_ids: Tensor, scores: object, **_: object) -> Tensor:  # noqa: ARG002
        self._runs &= ~torch.isin(input_ids[:, -1], self._ends)
        self._on_tokens(int(self._runs.sum()))
        return torch.zeros_like(self._runs)


class _Numbers(LogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """Notes for each row the first token whose logits are no numbers, and gives it some.

    Attributes:
        broken: Its place behind the prompt (B); beyond all texts where there is none.
    """

    def __init__(self, rows: int, width: int, device: torch.device) -> None:
        self._width = width
        self.broken = torch.full((rows,), sys.maxsize, device=device)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        is_none = ~scores.amax(dim=1).isfinite()
        place = torch.full_like(self.broken, input_ids.shape[1] - self._width)
        self.broken = self.broken.where(~is_none, self.broken.minimum(place))
        return scores.masked_fill(is_none[:, None], 0.0)


class _Draw(LogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """Leaves each row only the token that it draws, by random numbers of its own.

    transformers draws all rows from one sequence of random numbers, so that a text would depend on
    what else is in its batch.
    """

    def __init__(self, rows: Sequence[Row], decoding: Decoding) -> None:
        self._sampler = Sampler(decoding, [row.ids for row in rows])
        self._rows = range(len(rows))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002
        chosen = torch.tensor(self._sampler(scores, self._rows), device=scores.device)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)
