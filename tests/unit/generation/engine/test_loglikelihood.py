"""Log-probabilities of continuations equal those of a plain pass over each whole text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.data import Context
from pytest_llmjudge.generation.engine import loglikelihood
from pytest_llmjudge.generation.engine.loglikelihood import TreePasses, score_contexts
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
from pytest_llmjudge.generation.passes import plan_trees
from tests.unit.generation.tiny import TINY, VOCABULARY, make_model

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.gpt2.model import GPTModel

MODEL = make_model()
TOKENS = st.integers(0, VOCABULARY - 1)
BRANCHES = st.lists(st.lists(TOKENS, min_size=1, max_size=6), min_size=1, max_size=5)


@torch.inference_mode()
def plainly(model: GPTModel, context: Context) -> list[float]:
    """Score each branch by a pass of its own over all tokens."""
    scores = []
    for branch in context.branches:
        ids = [*context.ids, *branch]
        logs = model(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
        places = range(len(context.ids) - 1, len(ids) - 1)
        scores.append(math.fsum(float(logs[at, ids[at + 1]]) for at in places))
    return scores


def close(scores: list[list[float]], expected: list[list[float]]) -> bool:
    return scores == [pytest.approx(values, abs=1e-4) for values in expected]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(TOKENS, max_size=20),
    st.lists(
        st.tuples(st.lists(TOKENS, min_size=1, max_size=20), BRANCHES), min_size=1, max_size=6
    ),
    st.sampled_from([1, 30, 1024]),
)
def test_any_trees(
    shared: list[int], trees: list[tuple[list[int], list[list[int]]]], pass_tokens: int
) -> None:
    """Whatever begins alike, however many branches there are, and however they are batched."""
    contexts = [Context([*shared, *own], tuple(branches)) for own, branches in trees]

    scores = list(score_contexts(MODEL, contexts, pass_tokens=pass_tokens))

    assert close(scores, [plainly(MODEL, context) for context in contexts])


def test_a_full_context() -> None:
    """Context and branch fill the context to the last token."""
    size = TINY.context_length
    contexts = [
        Context(list(range(size)), ([1], [2], [3], [4])),
        Context(list(range(size - 3)), ([1, 2, 3, 4],)),
    ]

    assert close(list(score_contexts(MODEL, contexts)), [plainly(MODEL, one) for one in contexts])


def test_long_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits are computed for a part of the predicted tokens at a time."""
    monkeypatch.setattr(loglikelihood, "_ROWS", 5)
    contexts = [Context([1, 2], ([3] * 12,)), Context([1, 4], ([5, 6, 7], [8]))]

    assert close(list(score_contexts(MODEL, contexts)), [plainly(MODEL, one) for one in contexts])


def test_a_packed_model() -> None:
    """Layers in oneDNN's order change nothing."""
    packed = make_model()
    if not packable(packed):
        pytest.skip("this machine cannot pack")
    pack(packed)
    contexts = [Context([5, 6, 7], ([8], [9, 10])), Context([5, 6, 11], ([12], [13]))]

    assert close(list(score_contexts(packed, contexts)), [plainly(MODEL, one) for one in contexts])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(TOKENS, max_size=20),
    st.lists(st.lists(TOKENS, min_size=1, max_size=20), min_size=1, max_size=8),
    st.sampled_from([1, 30, 1024]),
)
def test_next_tokens(shared: list[int], rows: list[list[int]], pass_tokens: int) -> None:
    """Whatever begins alike and however it is batched, each row has what a pass of its own gives."""
    rows = [[*shared, *row] for row in rows]

    plan = plan_trees([Context(row, ()) for row in rows], pass_tokens)
    behind = TreePasses(MODEL, plan.prefix)
    found = [one for batch in plan.passes for one in behind.next_logprobs(batch)]

    assert len(found) == len(rows)
    with torch.inference_mode():
        for number, row in enumerate(rows):
            expected = MODEL(torch.tensor([row]))[0, -1].log_softmax(0)
            torch.testing.assert_close(found[number], expected, atol=1e-4, rtol=0)
