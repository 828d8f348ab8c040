"""The cache: tokens that come one by one see what they would see in one sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.generation.engine import kv_cache
from pytest_llmjudge.generation.engine.kv_cache import Cache, ForwardBatch
from tests.unit.generation.tiny import TINY, make_model

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.gpt2.model import GPTModel


@pytest.fixture(scope="module")
def model() -> GPTModel:
    """A tiny model, the same for all tests."""
    return make_model()


def texts(*lengths: int, prefix: int) -> list[list[int]]:
    """Random texts that begin the same."""
    torch.manual_seed(1)
    shared = torch.randint(TINY.vocab_size, (prefix,)).tolist()
    return [shared + torch.randint(TINY.vocab_size, (n - prefix,)).tolist() for n in lengths]


def difference(model: GPTModel, hidden: torch.Tensor, seen: list[list[int]]) -> float:
    """How far the last tokens' logits are from those of whole sequences."""
    whole = torch.stack([model(torch.tensor([ids]))[0, -1] for ids in seen])
    return (model.logits(hidden[-len(seen) :]) - whole).abs().max().item()


@pytest.fixture(params=["fused", "split", "split without a copy", "by columns"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to compute what the newest tokens see."""
    many, longest, is_fused = {
        "fused": (10**9, 64, True),
        "split": (0, 64, True),
        "split without a copy": (0, 2, True),
        "by columns": (0, 64, False),
    }[request.param]
    monkeypatch.setattr(kv_cache, "MANY_NUMBERS", many)
    monkeypatch.setattr(kv_cache, "LONG_PREFIX", longest)
    monkeypatch.setattr(kv_cache, "_is_fused", lambda _: is_fused)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("prefix", [0, 5])
def test_texts_start_and_run_in_one_pass(model: GPTModel, prefix: int) -> None:
    """A text that starts beside one that runs: both get the logits they get alone."""
    first, second = texts(12, 20, prefix=prefix)
    cache = Cache(model, first[:prefix], slots=2, columns=40)

    start = ForwardBatch(running=1)
    start.add_prompt(0, first[prefix:-2])
    start.add(0, len(first) - prefix - 2, first[-2])
    assert difference(model, cache.run(start), [first[:-1]]) < 1e-4

    both = ForwardBatch(running=2)
    both.add_prompt(1, second[prefix:-1])
    both.add(0, len(first) - prefix - 1, first[-1])
    both.add(1, len(second) - prefix - 1, second[-1])
    assert difference(model, cache.run(both), [first, second]) < 1e-4


@pytest.mark.usefixtures("_way")
def test_a_moved_text_goes_on(model: GPTModel) -> None:
    """A text can continue in another slot, over what was there before."""
    first, second = texts(30, 10, prefix=4)
    cache = Cache(model, first[:4], slots=2, columns=40)
    start = ForwardBatch(running=2)
    for slot, ids in enumerate((first, second[:-1])):
        start.add_prompt(slot, ids[4:-1])
    for slot, ids in enumerate((first, second[:-1])):
        start.add(slot, len(ids) - 5, ids[-1])
    cache.run(start)

    cache.move(1, 0)
    alone = ForwardBatch(running=1)
    alone.add(0, len(second) - 5, second[-1])

    assert difference(model, cache.run(alone), [second]) < 1e-4


def test_memory_follows_the_texts(model: GPTModel) -> None:
    """A long way to go costs nothing before it is gone."""
    cache = Cache(model, [1, 2, 3], slots=2, columns=10**9)
    for column in range(30):
        token = ForwardBatch(running=1)
        token.add(0, column, token=column)
        hidden = cache.run(token)

    assert difference(model, hidden, [[1, 2, 3, *range(30)]]) < 1e-4
