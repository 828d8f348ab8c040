"""Looks again which model answers at a server, before what it answered is kept."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import JudgeError
from pytest_llmjudge.pipeline.protocols import KnownProblemError
from pytest_llmjudge.servers.chat import ReplacedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pytest_llmjudge.servers.identity import Served
    from pytest_llmjudge.storage.store import Store

__all__ = ["Watch"]

_MOST_AWAITING: Final = 32
_MOST_SECONDS: Final = 15.0


class Watch:
    """Sees to it that a run keeps only what the model answered with which the run began.

    What a server answers awaits a look at its model: a request for the model's digest that begins
    after the answer was there. The looks of all processes of a run count together. When the model
    was replaced, what still awaits a look is removed, and the run decides nothing any more.

    Args:
        store: Shared with all processes of the run.
        model: Who is looked at; ``None`` for one that is at no server.
    """

    def __init__(self, store: Store, model: Served | None) -> None:
        self._store = store
        self._model = model

    def check(self) -> None:
        """Go on only if no model of this run is known to have been replaced.

        Raises:
            KnownProblemError: One was.
        """
        fault = None if self._model is None else self._store.fault()
        if fault is not None:
            raise KnownProblemError(fault, is_infrastructure=True)

    def awaits(self, servers: Collection[str]) -> str | None:
        """Name the look that an answer of some servers awaits; ``None`` when it awaits none."""
        return None if self._model is None else f"{self._model.mark} {' '.join(sorted(servers))}"

    def wrote(self) -> None:
        """Look at the model if enough was written since it was last looked at.

        Raises:
            KnownProblemError: It was replaced.
        """
        if self._model is None:
            return
        written, seconds = self._store.since_look(self._model.mark)
        if written < _MOST_AWAITING and (not written or seconds < _MOST_SECONDS):
            return
        with self._store.try_lock(f"look {self._model.mark}") as held:
            if held:
                # A server that says nothing now is looked at once more before anything is decided.
                with contextlib.suppress(JudgeError):
                    self._look(self._model)

    def adopt(self) -> None:
        """Look at the model if a run left answers behind that ended before its look.

        They count where the same weights are there now; else they stay for a run that finds them.

        Raises:
            KnownProblemError: The model was replaced since this run began.
        """
        if self._model is None:
            return
        rows = self._store.left_behind(self._model.mark)
        if not rows:
            return
        with contextlib.suppress(JudgeError):
            self._store.confirm(self._seen(self._model, rows)[0])

    def confirm(self) -> None:
        """Look at the model if anything awaits a look, as it must before something is decided.

        Raises:
            KnownProblemError: It was replaced.
            JudgeError: No server says.
        """
        if self._model is None:
            return
        self.check()
        if not self._store.awaiting(self._model.mark):
            return
        with self._store.lock(f"look {self._model.mark}"):
            silent = self._look(self._model)
        for url, error in silent.items():
            self._store.add_note(
                f"{url}: {error.problem}, so its last answers could not be confirmed"
            )

    def _look(self, model: Served) -> Mapping[str, JudgeError]:
        # Only what is there before the request begins is confirmed by it.
        rows = self._store.awaiting(model.mark)
        try:
            seen, silent = self._seen(model, rows)
        except JudgeError:
            self._store.note_look(model.mark, len(rows))
            raise
        self._store.confirm(seen)
        self._store.note_look(model.mark, len(rows) - len(seen))
        return silent

    def _seen(
        self, model: Served, rows: Sequence[tuple[str, str, str]]
    ) -> tuple[list[tuple[str, str, str]], Mapping[str, JudgeError]]:
        """Look at the servers that rows are from; return the rows seen, and who said nothing."""
        try:
            silent = model.look({url for *_, awaits in rows for url in awaits.split()[1:]})
        except ReplacedError as error:
            self._store.note_fault(str(error))
            self._store.discard(model.mark)
            self.check()
            raise
        return [row for row in rows if silent.keys().isdisjoint(row[2].split()[1:])], silent
