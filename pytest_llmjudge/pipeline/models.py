"""The models of one process: each is made once, described, and watched until the run ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.base import LocalModel, Model
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.files.contents import Content, Stamp, known_among, remember
from pytest_llmjudge.generation.in_process import InProcessModel
from pytest_llmjudge.generation.served import ServedModel
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.pipeline.answering import MODEL_NAME, AnsweringName
from pytest_llmjudge.pipeline.protocols import fingerprint_of
from pytest_llmjudge.servers.kinds import model_addresses
from pytest_llmjudge.settings import OPENAI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_llmjudge.data import JudgeIdentity
    from pytest_llmjudge.pipeline.actors import Actors
    from pytest_llmjudge.pipeline.room import SharedRoom
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["Models", "is_judge_of_itself", "shown_from"]

_KEY = "watched "


class Models:
    """The models that options and markers name.

    Args:
        settings: The run's options.
        store: Shared with all processes of the run.
        root: Folder that paths are shown relative to.
        room: What models that run here share with a judge in memory; ``None`` without one.
        actors: Those of Ray that models in files run on; ``None`` where they run here.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        root: Path,
        room: SharedRoom | None = None,
        actors: Actors | None = None,
    ) -> None:
        self._room = room
        self._actors = actors
        self._settings = settings
        self._store = store
        self._root = root
        self._made: dict[Path | str, Model] = {}
        self._watched: dict[int, LocalModel[Any, Any]] = {}

    @property
    def named(self) -> tuple[Path | str, ...]:
        """The checkpoints of which there are models by now."""
        return tuple(self._made)

    @property
    def served(self) -> Iterator[ServedModel]:
        """The models at servers."""
        return (model for model in self._made.values() if isinstance(model, ServedModel))

    @property
    def watched(self) -> Iterator[LocalModel[Any, Any]]:
        """The models in files that suites of the run ask."""
        return iter(self._watched.values())

    def get(self, checkpoint: Path | str | None) -> Model:
        """Return a model under test, not loaded yet.

        Raises:
            CheckpointError: No checkpoint is named.
        """
        if checkpoint is None:
            hint = "give --llm-judge-checkpoint, or checkpoint= or responses= in the marker"
            msg = "llm_model"
            raise CheckpointError(msg, "no checkpoint is named", hint)
        if checkpoint not in self._made:
            model = make_model(
                checkpoint,
                self._settings,
                note=self._store.add_note,
                names=self._names(checkpoint),
            )
            if self._actors is not None and isinstance(model, InProcessModel):
                model = self._actors.holding(model, self._settings)
            if self._room is not None and isinstance(model, LocalModel):
                self._room.add_tested(model)
            self._made[checkpoint] = model
        return self._made[checkpoint]

    def _names(self, checkpoint: Path | str) -> AnsweringName | None:
        """Under which name a served model answers; a digest tells what else Ollama's may be."""
        if not isinstance(checkpoint, str) or not checkpoint.startswith(OPENAI):
            return None
        urls = model_addresses(checkpoint, self._settings)
        return AnsweringName(self._store, MODEL_NAME, checkpoint, urls)

    def facts(self, model: object) -> list[Any]:
        """Describe a model under test as plain data; ``None`` is one that nobody has seen.

        Raises:
            CheckpointError: It has no usable fingerprint.
        """
        if model is None:
            return ["llm_model", "", None]
        if not isinstance(model, Model):
            return [type(model).__name__, fingerprint_of(model), None]
        info = model.info
        return [self.shown_path(info.path), info.fingerprint, info.parameters]

    def shown_path(self, path: Path | str) -> str:
        """Write ``path`` as seen from pytest's root folder, so that files do not differ.

        The name of a served model is shown as it is.
        """
        return path if isinstance(path, str) else shown_from(self._root, path)

    def watch(self, model: object) -> None:
        """Let a model be looked at when the run ends; a served one has no files.

        Raises:
            CheckpointError: It is not there, or cannot be used.
        """
        if not isinstance(model, LocalModel) or id(model) in self._watched:
            return
        facts = {
            "path": str(model.path),
            "fingerprint": model.fingerprint,
            "contents": known_among(model.info.contents.values()),
        }
        self._store.agree({f"{_KEY}{self.shown_path(model.info.path)}": json.dumps(facts)})
        self._watched[id(model)] = model

    def changed(self) -> dict[str, str]:
        """Return the models of all processes that are other ones now, each with its one line."""
        changed: dict[str, str] = {}
        for key, text in self._store.agreed().items():
            if not key.startswith(_KEY):
                continue
            facts = json.loads(text)
            # What a worker has read need not be read again here.
            remember(Content(Stamp(*stamp), digest) for stamp, digest in facts["contents"])
            path = Path(facts["path"])
            model = self.get(path)
            try:
                if isinstance(model, LocalModel):
                    model.check_still_has(facts["fingerprint"])
            except CheckpointError as error:
                # Results name the file of the weights, or the folder that it lies in.
                names = key.removeprefix(_KEY), self.shown_path(path)
                changed |= dict.fromkeys(names, str(error))
        return changed

    def release(self) -> None:
        """Give back memory and connections, when nobody can need the models any more."""
        for model in self._made.values():
            model.release()


def shown_from(root: Path, path: Path) -> str:
    """Write ``path`` as seen from ``root``; one elsewhere in full."""
    full = real_path(path)
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def is_judge_of_itself(model: Model, judge: JudgeIdentity) -> bool:
    """Say whether the judge is the model under test: the same weights, or the same for servers.

    Raises:
        CheckpointError: The model is not there, or cannot be used.
    """
    if isinstance(model, ServedModel):
        return (model.identity.backend, model.identity.digest) == (judge.backend, judge.digest)
    return judge.digest == model.fingerprint
