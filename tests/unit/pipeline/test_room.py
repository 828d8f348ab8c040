"""A judge in this process and the models under test take turns in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.pipeline.actors import Actors
from pytest_llmjudge.pipeline.room import SharedRoom
from pytest_llmjudge.settings import read_settings
from pytest_llmjudge.storage.store import Store
from tests.unit.generation.tiny import save_model


@pytest.mark.parametrize("is_alone", [True, False])
def test_one_side_at_a_time(tmp_path: Path, *, is_alone: bool) -> None:
    """Whoever loads lets go of the other side; beside other processes a turn ends with nothing."""
    save_model(tmp_path / "model.pth")
    judge, first, second = (TorchModel(tmp_path / "model.pth") for _ in range(3))
    room = SharedRoom(is_alone=is_alone)
    room.add_judge(judge)
    room.add_tested(first)
    room.add_tested(second)

    def loaded() -> list[bool]:
        return [model.is_loaded for model in (judge, first, second)]

    judge.generate(["a"], max_new_tokens=1)
    assert loaded() == [True, False, False]
    first.generate(["a"], max_new_tokens=1)
    second.generate(["a"], max_new_tokens=1)
    assert loaded() == [False, True, True]
    judge.generate(["a"], max_new_tokens=1)
    assert loaded() == [True, False, False]
    judge.end_turn()
    assert loaded() == [is_alone, False, False]


def test_one_model_at_a_time_has_the_actors(tmp_path: Path) -> None:
    """Each takes all of them, so that the models under test are not beside each other either."""
    save_model(tmp_path / "model.pth")
    settings = read_settings({}, Path(), Path(), "pytest.ini")
    actors = Actors(settings, Store(tmp_path, "run"))
    room = SharedRoom(is_alone=True, actors=actors)
    first, second = (TorchModel(tmp_path / "model.pth") for _ in range(2))
    room.add_tested(first)
    room.add_tested(second)

    first.generate(["a"], max_new_tokens=1)
    second.generate(["a"], max_new_tokens=1)

    assert [first.is_loaded, second.is_loaded] == [False, True]
