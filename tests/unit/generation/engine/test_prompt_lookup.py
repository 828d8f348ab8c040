"""Guesses of how a text goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.generation.engine import scheduler
from pytest_llmjudge.generation.engine.prompt_lookup import guess
from pytest_llmjudge.generation.engine.scheduler import decode
from tests.unit.generation.tiny import TINY, greedy, make_model


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([7, 8, 9, 1, 7, 8], [9, 1, 7, 8]),  # what followed before
        ([7, 8, 1, 7, 8, 2, 7, 8], [2, 7, 8, 2]),  # the latest time, and on in what is copied
        ([5, 1, 2, 3, 4, 6, 3, 9, 2, 3], [4, 6, 3, 9]),  # two tokens count more than one, later
        ([25, 11, 25, 11, 25], [11, 25, 11, 25]),  # a loop goes on
        ([3, 3], [3, 3, 3, 3]),
        ([1, 2, 3], [3, 3, 3, 3]),  # never seen before: the newest again
        ([4], [4, 4, 4, 4]),
    ],
)
def test_what_is_guessed(ids: list[int], expected: list[int]) -> None:
    """By hand."""
    assert guess(ids, 4) == expected


@given(ids=st.lists(st.integers(0, 3), min_size=1, max_size=30), count=st.integers(0, 40))
def test_as_many_as_are_wanted(ids: list[int], count: int) -> None:
    """Whatever the text, and of tokens that were seen."""
    guesses = guess(ids, count)

    assert len(guesses) == count
    assert set(guesses) <= set(ids)


def test_a_text_that_repeats_itself_takes_fewer_passes() -> None:
    """A loop of 30 tokens is checked many tokens at a time, and is the same text."""
    model = make_model(replace(TINY, n_layers=1))
    block: Any = model.trf_blocks[0]
    with torch.no_grad():
        # Whatever the model sees, the same two tokens are likeliest in turn.
        for layer in (block.att.out_proj, block.ff.layers[2]):
            layer.weight.zero_()
            layer.bias.zero_()
        model.pos_emb.weight.zero_()
        model.out_head.weight[[5, 6]] = model.tok_emb.weight[[6, 5]] * 100
    passes: list[int] = []
    model.out_head.register_forward_hook(lambda *_: passes.append(1))
    text = greedy(model, [5], 30)
    passes.clear()

    (decoded,) = decode(model, [[5]], [30], ends=(), slots=1)

    assert decoded.ids == text == [6, 5] * 15
    assert len(passes) < 10


def test_guessing_stays_within_its_rows() -> None:
    """Loops do not make a pass larger than is allowed."""
    model = make_model()
    rows: list[int] = []
    model.out_head.register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    with torch.no_grad():
        model.out_head.weight.zero_()
        model.out_head.weight[3] = 1e-9

    texts = list(decode(model, [[3], [3, 3]], [45, 46], ends=(), slots=2))

    assert [len(text.ids or ()) for text in sorted(texts)] == [45, 46]
    assert max(rows) <= scheduler.MOST_ROWS
