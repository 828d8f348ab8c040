"""Memory for one side at a time: a judge in this process, or the models under test.

Actors of Ray are such memory too, of which one model alone has all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.generation.devices import return_memory

if TYPE_CHECKING:
    from pytest_llmjudge.generation.base import LocalModel
    from pytest_llmjudge.pipeline.actors import Actors

__all__ = ["SharedRoom"]


class SharedRoom:
    """Keeps a judge and the models under test from being in memory together.

    Nobody knows beforehand whether both fit, so they take turns whatever their sizes. Whoever has
    the turn holds the lock :data:`.turns.MEMORY`, over all processes of a run. In one process
    the side whose turn is over is let go of when the other one is loaded, and only then. A process
    beside others lets go at the end of its turn, because the next turn may be another's.

    Args:
        is_alone: Whether no other process of the run has models.
        actors: Those of Ray that the models run on, where they do; each model takes all of them, so
            that none is beside another.
    """

    def __init__(self, *, is_alone: bool, actors: Actors | None = None) -> None:
        self.is_alone = is_alone
        self._actors = actors
        self._judge: LocalModel[Any, Any] | None = None
        self._tested: list[LocalModel[Any, Any]] = []

    def add_judge(self, model: LocalModel[Any, Any]) -> None:
        """Let the judge take part."""
        self._judge = model
        model.room = self

    def add_tested(self, model: LocalModel[Any, Any]) -> None:
        """Let a model under test take part."""
        self._tested.append(model)
        model.room = self

    def enter(self, model: LocalModel[Any, Any]) -> None:
        """Let go of the other side before a model is loaded; where there are actors, of all."""
        if self._actors is not None:
            _release([other for other in self._all if other is not model])
        elif model is self._judge:
            _release(self._tested)
        elif self._judge is not None:
            _release([self._judge])

    def leave(self) -> None:
        """End a turn."""
        if self.is_alone:
            return
        _release(self._all)
        if self._actors is not None:
            self._actors.close()

    @property
    def _all(self) -> list[LocalModel[Any, Any]]:
        return [*self._tested, *filter(None, [self._judge])]


def _release(models: list[LocalModel[Any, Any]]) -> None:
    loaded = [model for model in models if model.is_loaded]
    for model in loaded:
        model.release()
    if loaded:
        return_memory()
