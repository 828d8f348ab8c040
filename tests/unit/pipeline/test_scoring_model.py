"""What a user's model gives for token ids, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.pipeline.scoring_model import encoded, encoded_pair, scored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Mine:
    """A user's model that gives what it is told to."""

    fingerprint = "mine"
    context_length = 10

    def __init__(self, gives: object) -> None:
        self.gives = gives

    def encode(self, text: str) -> Any:  # noqa: ANN401
        """Return whatever it is."""
        return self.gives

    def encode_pair(
        self, prompt: str, reference: str, *, chat: bool = False, end: bool = True
    ) -> Any:  # noqa: ANN401
        """Return whatever it is."""
        return self.gives

    def score(self, contexts: object) -> Any:  # noqa: ANN401
        """Is not asked."""
        raise NotImplementedError


PAIRS = [
    ("ab", "cd"),
    ([1.5], [2.5]),
    ([-1], [-2]),
    ([True], [False]),
    ([1], ["a"]),
    ([1], None),
    ([1], {2: 3}),
    ([1], iter([2])),
    None,
    ([1], [2], [3]),
    [1, 2],
    "ab",
]


@pytest.mark.parametrize("pair", PAIRS, ids=map(str, range(len(PAIRS))))
def test_what_is_no_pair_of_ids(pair: object) -> None:
    """The line says what it gave, and what it must return."""
    with pytest.raises(CheckpointError) as raised:
        encoded_pair(Mine(pair), "p", "r", chat=False, end=True)

    error = raised.value
    assert error.where == "llm_model (Mine)"
    assert error.problem.startswith("encode_pair() gave ")
    assert len(error.problem) <= 120
    wanted = "(prompt_ids, reference_ids), two lists of whole numbers of 0 or more"
    assert error.hint == f"let it return {wanted}"


@pytest.mark.parametrize("ids", ["ab", [1.5], [-1], [True], None, ["a"], {1: 2}], ids=repr)
def test_what_is_no_list_of_ids(ids: object) -> None:
    """The same of a text alone, as MMLU encodes."""
    with pytest.raises(CheckpointError) as raised:
        encoded(Mine(ids), "text")

    assert raised.value.problem == f"encode() gave {ids!r}"
    wanted = "a list of token ids, whole numbers of 0 or more"
    assert raised.value.hint == f"let it return {wanted}"


@pytest.mark.parametrize("pair", [([], [1]), ([0], []), ((1, 2), (3,)), [[1], [2]]], ids=repr)
def test_what_are_ids(pair: Sequence[list[int]]) -> None:
    """Lists or tuples, of which one may be empty."""
    assert encoded_pair(Mine(pair), "p", "r", chat=False, end=True) == tuple(pair)
    assert encoded(Mine([0, 5]), "text") == [0, 5]


class Counting:
    """A user's model whose log-probability of a branch is its first token; notes what it is asked."""

    def __init__(self, *, lacks: int = 0) -> None:
        self.asked: list[int] = []
        self._lacks = lacks

    def score(self, contexts: Sequence[Context]) -> Iterator[list[float]]:
        """Yield a value for each branch, but nothing for the last contexts."""
        self.asked.append(len(contexts))
        for context in contexts[: len(contexts) - self._lacks]:
            yield [float(branch[0]) for branch in context.branches]


GROUPS = [
    {"a": [Context([1], ([2], [3]))], "b": [Context([1], ([4],)), Context([2], ([5],))]},
    {"c": [Context([1], ([6],))]},
]


def test_samples_of_groups() -> None:
    """A call for each group, and for each sample the values of all of its contexts."""
    model = Counting()

    assert dict(scored(model, GROUPS)) == {"a": [[2, 3]], "b": [[4], [5]], "c": [[6]]}
    assert model.asked == [3, 1]


def test_contexts_that_a_model_says_nothing_of() -> None:
    """They have no values; samples of other groups do not get theirs."""
    model = Counting(lacks=1)

    assert dict(scored(model, GROUPS)) == {"a": [[2, 3]], "b": [[4], []], "c": [[]]}
