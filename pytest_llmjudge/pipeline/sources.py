"""What a suite's run asks of whatever has responses, or pairs of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic

from pytest_llmjudge.pipeline.protocols import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["Source"]


class Source(ABC, Generic[Candidate]):
    """Has or makes what is judged."""

    @abstractmethod
    def load(self, records: Iterable[Record]) -> Iterator[tuple[Record, Candidate]]:
        """Yield those of ``records`` for which it is there already."""

    @abstractmethod
    def get(
        self,
        record: Record,
        needed: Sequence[Record],
        on_made: Callable[[Record, Candidate], None],
    ) -> Candidate:
        """Return it for ``record``; make it, and all that are needed, if it is missing.

        Args:
            record: The record that is wanted now.
            needed: All records that this run wants.
            on_made: Called with each record for which it is made here.

        Raises:
            LlmJudgeError: It cannot be had; says why.
        """

    @abstractmethod
    def known(self, record: Record) -> Candidate | None:
        """Return it for ``record`` when it is there already, without a look for it."""

    def thoughts(self, record: Record) -> str:  # noqa: ARG002
        """Return what the model thought before its response; empty for nothing."""
        return ""

    def is_cut(self, record: Record) -> bool:  # noqa: ARG002
        """Say whether the prompt of a record lost its beginning."""
        return False

    def look_up(self, records: Iterable[Record]) -> None:
        """Take from the store what other processes made meanwhile."""

    def forget_failure(self, record: Record) -> None:
        """Let what could not be had be tried again."""

    def confirm(self) -> None:
        """Prove that whoever made it is still the one with which the run began.

        Raises:
            LlmJudgeError: It is another one, or nobody knows.
        """
