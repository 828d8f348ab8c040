"""Which weights a model at servers has, and proof that it still has them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_llmjudge.data import JudgeIdentity
    from pytest_llmjudge.errors import JudgeError

__all__ = ["Names", "Served"]


class Names(Protocol):
    """Knows under which name a model at servers answers."""

    @property
    def current(self) -> str:
        """The name of this run; empty while nobody knows."""

    @property
    def in_keys(self) -> str:
        """What tells answers under this name from those under an earlier one.

        It is empty as long as there was no other name, and stays the same during a run.
        """

    def agree(self, url: str, name: str) -> None:
        """Take note that the server at ``url`` answered as ``name``.

        Raises:
            ReplacedError: Another name answered before.
        """


class _Source(Protocol):
    """What names the weights, as :class:`.chat.ChatClient` does."""

    def identify(self) -> JudgeIdentity: ...

    def look(self, servers: Collection[str], digest: str) -> Mapping[str, JudgeError]: ...


class Served(ABC):
    """A model at servers.

    Args:
        source: Asked for the weights.
        known: The identity, when another process has asked for it already.
        names: Under which name it answers, where that may be another than it was asked for.
    """

    def __init__(
        self,
        source: _Source,
        known: JudgeIdentity | None = None,
        *,
        names: Names | None = None,
    ) -> None:
        self._source = source
        self._known = known
        self._names = names

    @property
    def identity(self) -> JudgeIdentity:
        """What decides the answers; found out once.

        Raises:
            JudgeDownError: A server does not answer.
            JudgeError: A server does not have the model, or cannot be asked in this way.
            SettingsError: Several servers have different models.
        """
        known = self._weights
        return known if self._names is None else replace(known, answers_as=self._names.current)

    @property
    def _weights(self) -> JudgeIdentity:
        """The same without the name in its replies, which the store may have to be asked for."""
        if self._known is None:
            self._known = self._source.identify()
        return self._known

    @property
    def is_identified(self) -> bool:
        """Whether the identity was found out already."""
        return self._known is not None

    @property
    def _name_in_keys(self) -> list[str]:
        """What keys of answers hold beside the identity: nothing unless the name has changed."""
        name = "" if self._names is None else self._names.in_keys
        return [name] if name else []

    @property
    @abstractmethod
    def mark(self) -> str:
        """A text without blanks that only this model has, with these weights.

        It raises as :attr:`identity` does.
        """

    def look(self, servers: Collection[str]) -> Mapping[str, JudgeError]:
        """Prove that servers still have the weights with which the run began.

        Returns:
            Those that did not say, with the reason.

        Raises:
            ReplacedError: One has other weights.
            JudgeError: None says.
        """
        return self._source.look(servers, self.identity.digest)
