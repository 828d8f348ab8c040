"""Tests of what runs in the process of an actor, without Ray."""

from __future__ import annotations

import pytest

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.cluster.actors import ModelActor
from pytest_llmjudge.generation.cluster.work import Place, Worker


class Panic(BaseException):
    """As a library in Rust raises it."""


class StubbornError(Exception):
    """Pickles, but cannot be made again."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(one + other)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no"), "ValueError('no')"),
        (Panic("index out of range"), "RuntimeError('Panic: index out of range')"),
        (StubbornError(1, 2), "RuntimeError('StubbornError: 3')"),
    ],
)
def test_whatever_ends_the_loading_is_told_with_its_place(
    error: BaseException, expected: str
) -> None:
    def load(place: Place) -> Worker:
        raise error

    progress = ModelActor(load, Place(1), []).loaded(60)

    assert progress.is_over
    assert repr(progress.failure) == expected
    assert "raise error" in vars(progress.failure)["__notes__"][0]


def test_an_error_for_users_is_told_as_it_is() -> None:
    def load(place: Place) -> Worker:
        raise CheckpointError("model.pth", "no such file", "correct the path")

    failure = ModelActor(load, Place(1), []).loaded(60).failure

    assert str(failure) == "model.pth: no such file; correct the path"
    assert not hasattr(failure, "__notes__")
