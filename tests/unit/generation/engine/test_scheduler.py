"""Decoding together gives each prompt the text it gets alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.generation.engine.scheduler import PROMPT_TOKENS, decode
from tests.unit.generation.tiny import TINY, greedy, make_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.generation.families.gpt2.model import GPTModel

MODEL = make_model()
TOKENS = st.integers(0, TINY.vocab_size - 1)


@settings(max_examples=40, deadline=None)
@given(
    prefix=st.lists(TOKENS, max_size=8),
    rests=st.lists(st.lists(TOKENS, min_size=1, max_size=20), min_size=1, max_size=9),
    slots=st.integers(1, 10),
    data=st.data(),
)
def test_no_text_depends_on_the_others(
    prefix: list[int], rests: list[list[int]], slots: int, data: st.DataObject
) -> None:
    """Whatever the prompts, their number, their lengths, the ends and the slots."""
    prompts = [prefix + rest for rest in rests]
    limits = data.draw(st.tuples(*(st.integers(1, 12) for _ in prompts)))
    alone = [greedy(MODEL, prompt, limit) for prompt, limit in zip(prompts, limits, strict=True)]
    end = data.draw(st.sampled_from([None, *(token for text in alone for token in text)]))

    texts = dict(decode(MODEL, prompts, limits, ends=() if end is None else {end}, slots=slots))

    expected = [text[: text.index(end)] if end in text else text for text in alone]
    assert [texts[prompt] for prompt in range(len(prompts))] == expected


def test_more_new_prompts_than_one_pass_takes() -> None:
    """Prompts that wait because others fill a pass get the same texts."""
    torch.manual_seed(0)
    prompts = torch.randint(TINY.vocab_size, (60, 45)).tolist()
    assert sum(map(len, prompts)) > PROMPT_TOKENS

    texts = dict(decode(MODEL, prompts, [3] * 60, ends=(), slots=60))

    assert [texts[i] for i in range(60)] == [greedy(MODEL, prompt, 3) for prompt in prompts]


def test_a_text_comes_as_soon_as_it_ends() -> None:
    """The shortest text comes first, and the others are not computed before it is taken."""
    model = make_model()
    passes = count_passes(model)
    prompts = [[1, 2], [3, 4], [5, 6]]
    stream = decode(model, prompts, [9, 2, 4], ends=(), slots=3, choose=one_by_one)

    seen = [(text.prompt, len(passes)) for text in stream]

    assert seen == [(1, 2), (2, 4), (0, 9)]


@pytest.mark.parametrize(
    ("limits", "slots", "expected"),
    [([3] * 6, 2, 9), ([1, 1, 2, 4], 2, 4), ([5], 4, 5), ([1] * 7, 3, 3)],
)
def test_tokens_are_counted_as_they_are_generated(
    limits: list[int], slots: int, expected: int
) -> None:
    """Once a pass, guesses that were right included."""
    counts: list[int] = []
    prompts = [[1] * length for length in range(2, 2 + len(limits))]

    list(decode(MODEL, prompts, limits, ends=(), slots=slots, on_tokens=counts.append))

    assert sum(counts) == sum(limits)
    assert len(counts) <= expected


@pytest.mark.parametrize(
    ("limits", "slots", "expected"),
    [([3] * 6, 2, 9), ([1, 1, 2, 4], 2, 4), ([5], 4, 5), ([1] * 7, 3, 3)],
)
def test_no_slot_idles_while_a_prompt_waits(limits: list[int], slots: int, expected: int) -> None:
    """The number of passes is the number of tokens over the number of slots."""
    model = make_model()
    passes = count_passes(model)
    prompts = [[1] * length for length in range(2, 2 + len(limits))]

    texts = list(decode(model, prompts, limits, ends=(), slots=slots, choose=one_by_one))

    assert sorted(len(text.ids or ()) for text in texts) == sorted(limits)
    assert len(passes) == expected


def test_nothing_to_do() -> None:
    """No prompts, no texts."""
    assert list(decode(MODEL, [], [], ends=(), slots=4)) == []


def test_the_caller_is_not_in_inference_mode() -> None:
    """What the caller does between two texts can still be learnt from."""
    stream = decode(MODEL, [[1], [2]], [1, 2], ends=(), slots=1)
    next(stream)

    assert not torch.is_inference_mode_enabled()


def one_by_one(logits: torch.Tensor, _: Sequence[int]) -> list[int]:
    """The likeliest tokens, chosen in a way of which nothing is guessed."""
    return logits.argmax(dim=1).tolist()


def count_passes(model: GPTModel) -> list[int]:
    """A list that grows by one element with each pass."""
    passes: list[int] = []
    model.out_head.register_forward_hook(lambda *_: passes.append(1))
    return passes
