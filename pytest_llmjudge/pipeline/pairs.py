"""Pairs of responses: those of the model under test beside those it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmjudge.errors import BaselineError
from pytest_llmjudge.pipeline.protocols import Pair
from pytest_llmjudge.pipeline.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["Pairs", "SavedResponses"]


class SavedResponses(Source[str]):
    """Responses out of an earlier run's results file.

    Args:
        where: The file, for messages.
        responses: For each record by its id, the response; ``None`` where the file has none.
        reasons: Why it has none, by id.
    """

    def __init__(
        self, where: str, responses: Mapping[str, str | None], reasons: Mapping[str, str]
    ) -> None:
        self._where = where
        self._responses = responses
        self._reasons = reasons

    def load(self, records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
        """Yield those of ``records`` that have a response there."""
        for record in records:
            response = self.known(record)
            if response is not None:
                yield record, response

    def get(
        self,
        record: Record,
        needed: Sequence[Record],  # noqa: ARG002  # as in Source
        on_made: Callable[[Record, str], None],  # noqa: ARG002
    ) -> str:
        """Return the response to ``record``.

        Raises:
            BaselineError: It has none, which concerns this record alone.
        """
        response = self.known(record)
        if response is not None:
            return response
        if record.id in self._responses:
            problem = f"record {record.id} has no response there"
            reason = self._reasons.get(record.id)
            problem += f" ({reason})" if reason else ""
        else:
            problem = f"record {record.id} is not there, or not with this content"
        error = BaselineError(self._where, problem, "make these results again with all records")
        error.is_infrastructure = False
        raise error

    def known(self, record: Record) -> str | None:
        """Return the response to ``record`` when there is one."""
        return self._responses.get(record.id)


class Pairs(Source[Pair]):
    """Responses of two sides, joined record by record.

    Args:
        model: Of the model under test.
        against: Of what it is compared with.
    """

    def __init__(self, model: Source[str], against: Source[str]) -> None:
        self._model = model
        self._against = against

    def load(self, records: Iterable[Record]) -> Iterator[tuple[Record, Pair]]:
        """Yield those of ``records`` whose both responses are there already."""
        known = list(records)
        against = {record.id: response for record, response in self._against.load(known)}
        for record, response in self._model.load(known):
            if record.id in against:
                yield record, Pair(response, against[record.id])

    def get(
        self,
        record: Record,
        needed: Sequence[Record],
        on_made: Callable[[Record, Pair], None],
    ) -> Pair:
        """Return both responses to ``record``; make what is missing.

        Raises:
            LlmJudgeError: One of them cannot be had; says why.
        """

        def pair_up(made: Record, response: str) -> None:
            other = self._against.known(made)
            if other is not None:
                on_made(made, Pair(response, other))

        against = self._against.get(record, needed, lambda *_: None)
        return Pair(self._model.get(record, needed, pair_up), against)

    def known(self, record: Record) -> Pair | None:
        """Return both responses when they are there already, without a look for them."""
        response, against = self._model.known(record), self._against.known(record)
        return None if response is None or against is None else Pair(response, against)

    def thoughts(self, record: Record) -> str:
        """Return what the model under test thought before its response."""
        return self._model.thoughts(record)

    def sides(self, record: Record) -> tuple[str | None, str | None]:
        """Return what is known of either side."""
        return self._model.known(record), self._against.known(record)

    def look_up(self, records: Iterable[Record]) -> None:
        """Take from the store what other processes made meanwhile."""
        known = list(records)
        self._model.look_up(known)
        self._against.look_up(known)

    def confirm(self) -> None:
        """Prove that served models are still those with which the run began."""
        self._model.confirm()
        self._against.confirm()

    def forget_failure(self, record: Record) -> None:
        """Let responses that could not be had be tried again."""
        self._model.forget_failure(record)
        self._against.forget_failure(record)
