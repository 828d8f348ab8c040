"""What the suites of one process share: options, store, models and judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.pipeline.actors import Actors
from pytest_llmjudge.pipeline.judge_resources import JudgeResources
from pytest_llmjudge.pipeline.models import Models
from pytest_llmjudge.pipeline.room import SharedRoom
from pytest_llmjudge.pipeline.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_llmjudge.servers.identity import Served
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.results_reader import SavedKind
    from pytest_llmjudge.storage.store import Store

__all__ = ["MAIN", "Resources", "make_resources"]

MAIN: Final = "main"
"""Name of the process that pytest was started in."""


@dataclass(frozen=True, slots=True, eq=False)
class Resources:
    """What the suites of one process share.

    Attributes:
        settings: The run's options.
        store: Shared with the other processes.
        worker: Name of this process among those of xdist, or :data:`MAIN`.
        root: pytest's root folder.
        actors: Those of Ray that models in files run on; ``None`` where they run in this process.
        kinds: Of suites, as results files are read.
    """

    settings: Settings
    store: Store
    worker: str
    root: Path
    models: Models
    judges: JudgeResources
    actors: Actors | None
    kinds: Sequence[SavedKind]

    def confirm(self) -> None:
        """Prove at the end that judge and served models are those with which the run began.

        Raises:
            LlmJudgeError: One is another, or nobody knows.
        """
        judge = self.judges.made
        served: list[Served] = [] if judge is None or judge.server is None else [judge]
        served += self.models.served
        for one in served:
            # Whom nobody could name nobody has asked.
            if one.is_identified:
                Watch(self.store, one).confirm()

    def release(self) -> None:
        """Give back memory and connections, when nobody can need judge and models any more."""
        self.judges.release()
        self.models.release()
        if self.actors is not None:
            self.actors.close()


def make_resources(
    settings: Settings, store: Store, worker: str, root: Path, kinds: Sequence[SavedKind]
) -> Resources:
    """Compose the resources of a process."""
    actors = None if settings.ray is None else Actors(settings, store)
    room = None
    if settings.is_judge_local or actors is not None:
        room = SharedRoom(is_alone=worker == MAIN, actors=actors)
    models = Models(settings, store, root, room, actors)
    judges = JudgeResources(settings, store, root, room, actors)
    return Resources(settings, store, worker, root, models, judges, actors, kinds)
