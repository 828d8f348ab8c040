"""The judge of one process, and the threads and slots with which it is asked."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.data import UNSEEN, JudgeIdentity
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.in_process import InProcessModel
from pytest_llmjudge.judging.context import context_for
from pytest_llmjudge.judging.judge import CUSTOM, Judge, identity_label, judge_of, make_judge
from pytest_llmjudge.pipeline.answering import JUDGE_NAME, AnsweringName
from pytest_llmjudge.pipeline.judge_pool import JudgePool, Slots
from pytest_llmjudge.pipeline.local_judge import MOST_TOGETHER, LocalJudge, settings_of_judge
from pytest_llmjudge.pipeline.models import shown_from
from pytest_llmjudge.pipeline.protocols import judge_fingerprint
from pytest_llmjudge.servers.kinds import judge_addresses
from pytest_llmjudge.servers.ollama import CONTEXT
from pytest_llmjudge.settings import LOCAL, OPENAI

if TYPE_CHECKING:
    from pytest_llmjudge.generation.base import LocalModel
    from pytest_llmjudge.pipeline.actors import Actors
    from pytest_llmjudge.pipeline.protocols import JudgeLike
    from pytest_llmjudge.pipeline.room import SharedRoom
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store

__all__ = ["JudgeResources", "judge_facts", "judge_identity"]

_MOST_ACTORS: Final = 16
"""For how many actors there are questions at a time: each question has a thread that waits."""


class JudgeResources:
    """What it takes to ask the judge that the options name; made when it is first needed.

    Args:
        settings: The run's options.
        store: Shared with all processes of the run.
        root: Folder that paths are shown relative to.
        room: What a ``local:`` judge shares with the models under test; ``None`` where nothing is.
        actors: Those of Ray that such a judge runs on; ``None`` where it runs in this process.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        root: Path,
        room: SharedRoom | None = None,
        actors: Actors | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._root = root
        self._room = room if settings.is_judge_local else None
        self._actors = actors
        self._model: LocalModel[Any, Any] | None = None
        self._context = settings.context or CONTEXT

    @property
    def fits_context(self) -> bool:
        """Whether the judge's context is to be as long as the run needs."""
        return self._settings.context is None and self._settings.is_judge_ollama

    def fit_context(self, size: int) -> None:
        """Let the judge have the context that its longest question takes.

        A judge of another context, which the head of the run has named, is replaced.

        Args:
            size: Bytes of the texts that the question is about.
        """
        self.take_context(context_for(size))

    def take_context(self, context: int) -> None:
        """Let the judge have a context of so many tokens, where another process has settled it."""
        if context != self._context:
            self._context = context
            self.release()
            vars(self).pop("judge", None)

    @cached_property
    def judge(self) -> Judge:
        """The judge.

        Raises:
            SettingsError: It cannot be used.
        """
        settings = self._settings
        if self._local is not None:
            return judge_of(self._local, ask=settings.ask, samples=settings.samples)
        return make_judge(
            settings.model,
            self.addresses,
            settings.timeout,
            ask=settings.ask,
            samples=settings.samples,
            num_ctx=self._context,
            lowers_num_ctx=settings.context is None,
            limiter=Slots(self._store, settings.concurrency, len(self.addresses)),
            note=self._store.add_note,
            names=self._names,
            once=self._store.once,
        )

    @property
    def in_files(self) -> LocalModel[Any, Any] | None:
        """The model of a judge that is loaded from files, if anything has needed the judge."""
        return None if self.made is None else self._model

    @cached_property
    def _local(self) -> LocalJudge | None:
        """The client of a judge that runs in this process; ``None`` for any other judge."""
        settings, room = self._settings, self._room
        if room is None:
            return None
        path = Path(settings.model.removeprefix(LOCAL))
        own = settings_of_judge(settings)
        inner = make_model(path, own)
        assert isinstance(inner, InProcessModel)  # noqa: S101  # a path names no other
        model: LocalModel[Any, Any] = inner
        if self._actors is not None:
            model = self._actors.holding(inner, own)
        room.add_judge(model)
        self._model = model
        name = f"{LOCAL}{shown_from(self._root, path)}"
        return LocalJudge(
            model, name, self._store, settings, is_alone=room.is_alone, most=self._most_together
        )

    @property
    def engine(self) -> str:
        """Which engine runs a judge in this process, and why; empty for any other judge.

        Raises:
            CheckpointError: The judge is not there, or cannot be used.
        """
        return "" if self._local is None else self._local.engine

    @property
    def _names(self) -> AnsweringName | None:
        """Under which name the judge answers; a digest tells what else Ollama's may be."""
        name = self._settings.model
        if not name.startswith(OPENAI):
            return None
        return AnsweringName(self._store, JUDGE_NAME, name, self.addresses)

    @property
    def made(self) -> Judge | None:
        """The judge, if anything has needed it."""
        judge: Judge | None = vars(self).get("judge")
        return judge

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """Where the judge answers, each address once and in its canonical form.

        Raises:
            SettingsError: Something is no address.
        """
        return judge_addresses(self._settings)

    @cached_property
    def _pool(self) -> JudgePool | None:
        """The threads that judge at once; ``None`` when one question is asked at a time."""
        size = self.at_once
        if self._room is not None:
            return JudgePool(self._store, size, is_only=True)
        return JudgePool(self._store, size) if size > 1 else None

    @property
    def at_once(self) -> int:
        """How many questions may be asked at the same time."""
        if self._room is not None:
            # All that a batch has room for, and what is asked while it is computed.
            return 2 * self._most_together()
        return len(self.addresses) * self._settings.concurrency

    def _most_together(self) -> int:
        """How many questions a judge in files answers together."""
        actors = 1 if self._actors is None else min(self._actors.number, _MOST_ACTORS)
        return actors * MOST_TOGETHER

    @property
    def in_flight(self) -> int:
        """How many requests may be in flight at each server; a judge in this process has none."""
        return 1 if self._room is not None else self._settings.concurrency

    def pool_for(self, judge: JudgeLike | None) -> JudgePool | None:
        """Return the threads that may ask a judge; one of the user's own is asked in one thread."""
        return self._pool if isinstance(judge, Judge) else None

    def close(self, *, wait: bool) -> None:
        """Let go of what has not begun to be judged.

        Args:
            wait: Until what is under way is done.
        """
        pool: JudgePool | None = vars(self).get("_pool")
        if pool is not None:
            pool.close(wait=wait)

    def release(self) -> None:
        """Close connections and free memory, when nobody can need the judge any more."""
        if self.made is not None:
            self.made.close()


def judge_identity(judge: JudgeLike | None) -> JudgeIdentity:
    """Return what decides a judge's answers; ``None`` is one that nobody has seen.

    Raises:
        JudgeError: It cannot be had.
    """
    if isinstance(judge, Judge):
        return judge.identity
    name = UNSEEN if judge is None else type(judge).__name__
    return JudgeIdentity(name, CUSTOM, "", judge_fingerprint(judge) or "", {})


def judge_facts(judge: JudgeLike | None) -> dict[str, Any]:
    """Describe a judge as plain data: its identity, and its label for readers.

    Raises:
        JudgeError: As :func:`judge_identity`.
    """
    identity = judge_identity(judge)
    return {**asdict(identity), "label": identity_label(identity)}
