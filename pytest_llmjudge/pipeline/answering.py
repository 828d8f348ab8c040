"""Under which name a model at servers answers: one in a run, and known to later runs."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import one_line
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.servers.chat import ReplacedError
from pytest_llmjudge.settings import OPENAI

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_llmjudge.storage.store import Store

__all__ = ["JUDGE_NAME", "MODEL_NAME", "AnsweringName", "answering_name", "answering_names"]

JUDGE_NAME: Final = "judge"
MODEL_NAME: Final = "model under test"
_ANSWERS: Final = " answers as"
_BEFORE: Final = " before"
_SHOWN: Final = 100


class AnsweringName:
    """The name under which a model answers.

    A gateway may have another model answer under the name that was asked for. Its replies say so,
    in a tag or a date, and the first of a run says what the others have to say. The store keeps
    that name for later runs, so that answers under another one are not taken for its own.

    Args:
        store: Shared with all processes of the run.
        role: What the model is there for, :data:`JUDGE_NAME` or :data:`MODEL_NAME`.
        model: The name that is asked for.
        urls: Where it is asked for.
    """

    def __init__(self, store: Store, role: str, model: str, urls: Sequence[str]) -> None:
        self._store = store
        self._model = model
        self._key = make_key("answering name/1", role, model, sorted(urls))
        self._fact = _fact(role, model)
        self._now = ""

    @cached_property
    def _before(self) -> tuple[str, str]:
        """The first and the last name of earlier runs, as the first process of this run saw it."""
        known = json.dumps(self._store.answering_names(self._key))
        fact = f"{self._fact}{_BEFORE}"
        first, last = json.loads(self._store.agree({fact: known})[fact])
        return first, last

    @property
    def current(self) -> str:
        """The name of this run; empty while nobody knows."""
        if not self._now:
            self._now = self._before[1] or self._store.agreed().get(self._fact, "")
        return self._now

    @property
    def in_keys(self) -> str:
        """The name of this run, where an earlier one was another; the same for a whole run."""
        first, last = self._before
        return "" if first == last else last

    def agree(self, url: str, name: str) -> None:
        """Take note that the server at ``url`` answered as ``name``.

        Raises:
            ReplacedError: Another name answered before. Nothing is decided in this run any more.
        """
        first = self._store.agree({self._fact: name})[self._fact]
        before = self._before[1]
        if first == name:
            # A run beside this one may have named another, when both knew of none.
            ever = self._store.note_answering_name(self._key, name)
            before = before or ever
            if before == name:
                return
        shown, other = one_line(name, _SHOWN), one_line(before if first == name else first, _SHOWN)
        if first == name:
            change = f'it answered as "{other}" in an earlier run and answers as "{shown}" now'
            hint = "run again, for what the cache has of the other one does not count any more"
        else:
            change = f'it answered as "{other}" and then as "{shown}"'
            hint = "see to it that one model answers, or name the one that you mean, and run again"
        problem = f'the model "{self._model.removeprefix(OPENAI)}" was replaced ({change})'
        error = ReplacedError(url, problem, hint)
        self._store.note_fault(str(error))
        raise error


def answering_name(store: Store, role: str, model: str) -> str:
    """Return under which name a model answered in this run; empty where nobody knows."""
    return _name_of(store.agreed(), _fact(role, model))


def answering_names(store: Store) -> dict[str, str]:
    """Return under which names models answered in this run, each by its role and its own name."""
    agreed = store.agreed()
    facts = {key.removesuffix(_BEFORE) for key in agreed}
    names = {
        fact.removesuffix(_ANSWERS): _name_of(agreed, fact)
        for fact in sorted(facts)
        if fact.endswith(_ANSWERS)
    }
    return {model: name for model, name in names.items() if name}


def _name_of(agreed: Mapping[str, str], fact: str) -> str:
    before = agreed.get(f"{fact}{_BEFORE}")
    return agreed.get(fact) or (str(json.loads(before)[1]) if before else "")


def _fact(role: str, model: str) -> str:
    return f"{role} {model}{_ANSWERS}"
