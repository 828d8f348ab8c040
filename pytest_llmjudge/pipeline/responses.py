"""A suite's responses: from its records, from the store, or generated together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, SettingsError, storable
from pytest_llmjudge.generation.base import Model
from pytest_llmjudge.generation.served import ServedModel
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline.protocols import Fingerprint, KnownProblemError, name_of
from pytest_llmjudge.pipeline.sources import Source
from pytest_llmjudge.pipeline.turns import wait_or_compute
from pytest_llmjudge.pipeline.user_code import described, user_code
from pytest_llmjudge.pipeline.watch import Watch
from pytest_llmjudge.prompts import clean_response, plain_prompt
from pytest_llmjudge.storage.store import Failure, Store, StoredResponse

if TYPE_CHECKING:
    from pytest_llmjudge.data import Prompt, Record
    from pytest_llmjudge.pipeline.protocols import Counter, ModelLike
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.suites import Suite

__all__ = ["Responses", "prompt_for", "text_of", "thinking_option"]

_CUSTOM_BATCH = 16
_LOOKED_UP = 200
_THINKING = "enable_thinking"

OnMade = Callable[["Record", str], None]


class Responses(Source[str]):
    """Responses of one suite.

    Args:
        suite: Its records and settings.
        settings: The run's options.
        store: Shared with all processes of the run.
        model: Makes responses; ``None`` when the records hold them.
        counter: Told how many are made.
        releases: Whether the model is let go of when all is made, to make room for another.
    """

    def __init__(
        self,
        suite: Suite,
        settings: Settings,
        store: Store,
        model: ModelLike | None,
        counter: Counter,
        *,
        releases: bool = False,
    ) -> None:
        self._suite = suite
        self._settings = settings
        self._store = store
        self._model = model
        self._counter = counter
        self._releases = releases
        self._known: dict[str, str] = {}
        self._fingerprint = Fingerprint(model)
        self._watch = Watch(store, model if isinstance(model, ServedModel) else None)

    def load(self, records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
        """Yield those of ``records`` whose response is there already."""
        if self._model is None:
            for record in records:
                yield record, self._given(record)
            return
        self._watch.adopt()
        keys = [(self._key(record), record) for record in records]
        have = self._store.responses([key for key, _ in keys])
        for key, record in keys:
            text = have[key].text if key in have else None
            if text is not None:
                self._known[record.id] = text
                yield record, text

    def get(self, record: Record, needed: Sequence[Record], on_made: OnMade) -> str:
        """Return the response to ``record``; make it, and all that are needed, if it is missing.

        Args:
            record: The record that is wanted now.
            needed: All records that this run wants.
            on_made: Called with each record and response that is made here.

        Raises:
            LlmJudgeError: There is no response; says why.
        """
        if self._model is None:
            return self._given(record)
        if record.id not in self._known:
            self._known[record.id] = self._wait_or_generate(record, needed, on_made)
        return self._known[record.id]

    def known(self, record: Record) -> str | None:
        """Return the response to ``record`` when it is there already, without a look for it."""
        return self._given(record) if self._model is None else self._known.get(record.id)

    def look_up(self, records: Iterable[Record]) -> None:
        """Take from the store what other processes made meanwhile, of the first few missing."""
        if self._model is None:
            return
        unknown = (record for record in records if record.id not in self._known)
        missing = {self._key(record): record for record in islice(unknown, _LOOKED_UP)}
        for key, stored in self._store.responses(list(missing)).items():
            if stored.text is not None:
                self._known[missing[key].id] = stored.text

    def forget_failure(self, record: Record) -> None:
        """Let a response that could not be had be tried again."""
        if self._model is not None:
            self._store.forget_failure(self._key(record))

    def confirm(self) -> None:
        """Prove that a served model is still the one with which the run began."""
        self._watch.confirm()

    def _given(self, record: Record) -> str:
        return clean_response(str(record.fields[str(self._suite.settings.responses)]))

    def _wait_or_generate(self, record: Record, needed: Sequence[Record], on_made: OnMade) -> str:
        key = self._key(record)
        stored = wait_or_compute(
            self._store,
            key,
            lambda: self._store.response(key),
            lambda: self._generate([*needed, record], on_made),
        )
        if stored.text is None:
            raise KnownProblemError(str(stored.error), is_infrastructure=False)
        return stored.text

    def _generate(self, records: Iterable[Record], on_made: OnMade) -> None:
        keys = {self._key(record): record for record in records}
        have = self._store.responses(list(keys))
        missing = [
            (key, record)
            for key, record in keys.items()
            if key not in have and self._store.failure(key) is None
        ]
        self._counter.start(len(missing))
        try:
            self._watch.check()
            self._fingerprint.check()
            for done in self._completions([self._prompt(record) for _, record in missing]):
                self._fingerprint.check()
                key, record = missing[done.index]
                if done.error is not None and not done.final:
                    self._store.add_failure(key, Failure(done.error, is_infrastructure=False))
                    self._counter.step()
                    continue
                text = None if done.text is None else clean_response(storable(done.text))
                made = StoredResponse(text, done.error)
                stored = self._store.add_response(key, made, self._watch.awaits(done.servers))
                self._watch.wrote()
                self._counter.step()
                if stored.text is not None:
                    self._known[record.id] = stored.text
                    on_made(record, stored.text)
        except LlmJudgeError as error:
            self._fail([key for key, _ in missing], Failure(str(error), error.is_infrastructure))
        else:
            self._fail([key for key, _ in missing], Failure(self._lost(), is_infrastructure=True))
        finally:
            self._counter.flush()
            if self._releases and isinstance(self._model, Model):
                self._model.release()

    def _fail(self, keys: Sequence[str], failure: Failure) -> None:
        have = self._store.responses(keys)
        for key in keys:
            if key not in have:
                self._store.add_failure(key, failure)

    def _lost(self) -> str:
        problem = "the model ended without an answer to this prompt"
        return str(CheckpointError(name_of(self._model), problem, "correct its generate()"))

    def _completions(self, prompts: Sequence[Prompt]) -> Iterator[Completion]:
        tokens = self._settings.max_new_tokens
        with user_code(self._error_of):
            if isinstance(self._model, Model):
                chat = self._suite.is_chat
                yield from self._model.stream(prompts, max_new_tokens=tokens, chat=chat)
            else:
                texts = [text_of(self._suite.name, prompt, self._model) for prompt in prompts]
                yield from self._batches(texts, tokens)

    def _error_of(self, error: BaseException) -> CheckpointError:
        what = described(error)
        hint = "lower --llm-judge-batch-size" if "memory" in what else "correct it"
        return CheckpointError(name_of(self._model), f"generate() raised {what}", hint)

    def _batches(self, prompts: Sequence[str], tokens: int) -> Iterator[Completion]:
        model = self._model
        assert model is not None  # noqa: S101  # responses are made by a model alone
        size = self._settings.batch_size or _CUSTOM_BATCH
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            texts = model.generate([prompts[index] for index in batch], max_new_tokens=tokens)
            if not _are_strings(texts, len(batch)):
                problem = (
                    f"generate() gave no list of {len(batch)} strings for {len(batch)} prompts"
                )
                raise CheckpointError(
                    name_of(self._model), problem, "return one string for each, in order"
                )
            for index, text in zip(batch, texts, strict=True):
                yield Completion(index, text)

    def _prompt(self, record: Record) -> Prompt:
        return prompt_for(self._suite, record, self._model)

    def _key(self, record: Record) -> str:
        options: dict[str, object] = {
            "max_new_tokens": self._settings.max_new_tokens,
            "chat": self._suite.is_chat,
        }
        if isinstance(self._model, Model):
            options |= self._settings.decoding.decides
            if not self._model.is_served:
                options |= {"device": self._settings.device, "dtype": self._settings.dtype}
                options |= thinking_option(self._suite, self._model)
        prompt = plain_prompt(self._prompt(record))
        return make_key("response/3", self._fingerprint.first, prompt, options)


def prompt_for(suite: Suite, record: Record, model: object) -> Prompt:
    """Return what a model under test reads for a record; see :meth:`.Suite.framed`."""
    prompt = suite.prompt(record)
    if isinstance(model, Model) and suite.has_frame:
        return suite.framed(record, prompt, model.special_tokens)
    return prompt


def text_of(suite: str, prompt: Prompt, model: object) -> str:
    """Return a prompt for a model of the user's own, which takes texts.

    Raises:
        SettingsError: It is a conversation.
    """
    if not isinstance(prompt, str):
        where, problem = f"{suite}: prompt", f"{name_of(model)} takes texts, and no conversations"
        hint = "choose chatml or another template that makes a text of them"
        raise SettingsError(where, problem, hint)
    return prompt


def thinking_option(suite: Suite, model: object) -> dict[str, object]:
    """Return what a key has besides where a folder's chat template is asked not to let it think."""
    takes = isinstance(model, Model) and _THINKING in model.chat_template
    return {_THINKING: False} if suite.is_chat and takes else {}


def _are_strings(texts: object, count: int) -> bool:
    return (
        isinstance(texts, (list, tuple))
        and len(texts) == count
        and all(isinstance(text, str) for text in texts)
    )
