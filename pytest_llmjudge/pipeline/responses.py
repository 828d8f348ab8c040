"""A suite's responses: from its records, from the store, or generated together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, SettingsError, storable
from pytest_llmjudge.generation.base import Model, text_before
from pytest_llmjudge.generation.served import ServedModel
from pytest_llmjudge.generation.thoughts import prompt_opens, without_thoughts
from pytest_llmjudge.keys import make_key
from pytest_llmjudge.pipeline.dialogue import Dialogue
from pytest_llmjudge.pipeline.protocols import Fingerprint, KnownProblemError, name_of
from pytest_llmjudge.pipeline.sources import Source
from pytest_llmjudge.pipeline.turns import wait_or_compute
from pytest_llmjudge.pipeline.user_code import described, user_code
from pytest_llmjudge.pipeline.watch import Watch
from pytest_llmjudge.records.answers import final_turn
from pytest_llmjudge.records.prompts import clean_response, given_response, plain_prompt
from pytest_llmjudge.storage.rows import StoredResponse
from pytest_llmjudge.storage.store import Failure, Store

if TYPE_CHECKING:
    from pytest_llmjudge.data import Prompt, Record
    from pytest_llmjudge.pipeline.protocols import Counter, ModelLike
    from pytest_llmjudge.records.suites import Suite
    from pytest_llmjudge.settings import Settings

__all__ = ["Responses", "prompts_for", "text_of", "thinking_option"]

_CUSTOM_BATCH = 16
_LOOKED_UP = 200
_THINKING = "enable_thinking"
_CUT = "cut"

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
        self._thoughts: dict[str, str] = {}
        self._fingerprint = Fingerprint(model)
        self._watch = Watch(store, model if isinstance(model, ServedModel) else None)

    def load(self, records: Iterable[Record]) -> Iterator[tuple[Record, str]]:
        """Yield those of ``records`` whose response is there already."""
        if self._model is None:
            for record in records:
                yield record, self._given(record)
            return
        self._watch.adopt()
        dialogues = [Dialogue(record) for record in records]
        self._continue(dialogues)
        answered, left = (
            sum(len(one.answers) for one in dialogues),
            sum(one.left for one in dialogues),
        )
        self._counter.found(answered, answered + left)
        for dialogue in dialogues:
            if not dialogue.left:
                yield dialogue.record, self._known[dialogue.record.id]

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
            self._wait_or_generate(record, needed, on_made)
        return self._known[record.id]

    def known(self, record: Record) -> str | None:
        """Return the response to ``record`` when it is there already, without a look for it."""
        return self._given(record) if self._model is None else self._known.get(record.id)

    def thoughts(self, record: Record) -> str:
        """Return what the model thought before its response, or in its place."""
        return self._thoughts.get(record.id, "")

    def is_cut(self, record: Record) -> bool:
        """Say whether the prompt of a record with a response lost its beginning."""
        if self._model is None or not self._suite.is_benchmark:
            return False
        key = _cut_key(self._key(*self._prompts([record])))
        return bool(self._store.answers([key], str))

    def look_up(self, records: Iterable[Record]) -> None:
        """Take from the store what other processes made meanwhile, of the first few missing."""
        if self._model is None:
            return
        unknown = (record for record in records if record.id not in self._known)
        self._continue([Dialogue(record) for record in islice(unknown, _LOOKED_UP)])

    def forget_failure(self, record: Record) -> None:
        """Let a response that could not be had be tried again."""
        if self._model is not None:
            for dialogue in self._continue([Dialogue(record)]):
                self._store.forget_failure(dialogue.key)

    def confirm(self) -> None:
        """Prove that a served model is still the one with which the run began."""
        self._watch.confirm()

    def _given(self, record: Record) -> str:
        return given_response(record, str(self._suite.settings.responses))

    def _wait_or_generate(self, record: Record, needed: Sequence[Record], on_made: OnMade) -> str:
        return wait_or_compute(
            self._store,
            self._key(*self._prompts([Dialogue(record).question])),
            lambda: self._find(record),
            lambda: self._generate([*needed, record], on_made),
            self._model,
        )

    def _find(self, record: Record) -> str | None:
        """Return a response that is there by now.

        Raises:
            KnownProblemError: There will be none.
        """
        dialogue = Dialogue(record)
        if not self._continue([dialogue]):
            return self._known[record.id]
        if dialogue.error is not None:
            error = dialogue.named(dialogue.error)
            raise KnownProblemError(error, is_infrastructure=False)
        failure = self._store.failure(dialogue.key)
        if failure is None:
            return None
        is_infrastructure = failure.is_infrastructure
        error = failure.message if is_infrastructure else dialogue.named(failure.message)
        raise KnownProblemError(error, is_infrastructure=is_infrastructure)

    def _continue(self, dialogues: Sequence[Dialogue]) -> list[Dialogue]:
        """Take the answers that the store has; return those dialogues that lack one.

        What they lack has its key then, and an error if it cannot be had.
        """
        unanswered = []
        going = [one for one in dialogues if one.left and one.error is None]
        while going:
            self._name(going)
            unanswered += [one for one in going if one.error is not None]
            going = [one for one in going if one.error is None]
            have = self._store.responses([one.key for one in going])
            answered = []
            for one in going:
                stored = have.get(one.key)
                if stored is not None and self._take(one, stored):
                    answered.append(one)
                else:
                    one.error = None if stored is None else stored.error
                    unanswered.append(one)
            going = [one for one in answered if one.left]
        return unanswered

    def _name(self, dialogues: Sequence[Dialogue]) -> None:
        """Give each its key; where the template refuses its turns it has an error."""
        try:
            prompts = [*self._prompts([one.question for one in dialogues])]
        except SettingsError as error:
            if len(dialogues) == 1:
                dialogues[0].error = str(error)
                return
            for one in dialogues:
                self._name([one])
            return
        for one, prompt in zip(dialogues, prompts, strict=True):
            one.key = self._key(prompt)

    def _take(self, dialogue: Dialogue, stored: StoredResponse) -> bool:
        """Go on with an answer, and say whether there is one."""
        if stored.text is None:
            if stored.thoughts:
                self._thoughts[dialogue.record.id] = stored.thoughts
            return False
        dialogue.answer(stored.text, stored.thoughts)
        if not dialogue.left:
            self._known[dialogue.record.id] = dialogue.response
            if dialogue.thoughts:
                self._thoughts[dialogue.record.id] = dialogue.thoughts
        return True

    def _generate(self, records: Iterable[Record], on_made: OnMade) -> None:
        """Have all questions answered, the first of all records before the second of any."""
        by_id = {record.id: record for record in records}
        waiting = self._open([Dialogue(record) for record in by_id.values()])
        self._counter.start(sum(one.left for one in waiting))
        try:
            self._check_takes_turns(waiting)
            while waiting:
                self._ask(waiting, on_made)
                waiting = self._open(waiting)
        except LlmJudgeError as error:
            self._fail(self._open(waiting), Failure(str(error), error.is_infrastructure))
        finally:
            self._counter.flush()
            if self._releases and isinstance(self._model, Model):
                self._model.release()

    def _open(self, dialogues: Sequence[Dialogue]) -> list[Dialogue]:
        """Return those with a question that can be asked."""
        return [
            one
            for one in self._continue(dialogues)
            if one.error is None and self._store.failure(one.key) is None
        ]

    def _check_takes_turns(self, dialogues: Sequence[Dialogue]) -> None:
        """Prove that later turns are texts too, where the model takes no messages."""
        if not isinstance(self._model, Model):
            for record in (one.record for one in dialogues if one.record.follow_ups):
                text_of(self._suite.name, self._suite.prompt(final_turn(record)), self._model)

    def _ask(self, dialogues: Sequence[Dialogue], on_made: OnMade) -> None:
        """Ask the next question of those that have the fewest answers, all together."""
        turn = min(len(one.answers) for one in dialogues)
        groups: dict[str, list[Dialogue]] = {}
        for one in dialogues:
            if len(one.answers) == turn:
                groups.setdefault(one.key, []).append(one)
        asked = list(groups.values())
        self._watch.check()
        self._fingerprint.check()
        prompts = self._prompts([group[0].question for group in asked])
        for done in self._completions(list(prompts)):
            self._fingerprint.check()
            kept = self._keep(asked[done.index][0].key, done)
            for one in asked[done.index]:
                if kept is None or not self._take(one, kept):
                    self._counter.step(one.left, kept=False)
                    continue
                self._counter.step()
                if not one.left:
                    on_made(one.record, one.response)
        lost = [one for group in asked for one in group if len(one.answers) == turn]
        self._fail(self._open(lost), Failure(self._lost(), is_infrastructure=True))

    def _keep(self, key: str, done: Completion) -> StoredResponse | None:
        """Store a completion; return the stored row, ``None`` for a failure to be retried."""
        if done.error is not None and not done.final:
            self._store.add_failure(key, Failure(done.error, is_infrastructure=False))
            return None
        text = None if done.text is None else storable(done.text)
        if text is not None and not self._suite.is_benchmark:
            text = clean_response(text)
        if done.is_cut:
            self._store.add_answers({_cut_key(key): _CUT})
        made = StoredResponse(text, done.error, storable(done.thoughts))
        stored = self._store.add_response(key, made, self._watch.awaits(done.servers))
        self._watch.wrote()
        return stored

    def _fail(self, dialogues: Iterable[Dialogue], failure: Failure) -> None:
        for one in dialogues:
            self._store.add_failure(one.key, failure)

    def _lost(self) -> str:
        problem = "the model ended without an answer to this prompt"
        return str(CheckpointError(name_of(self._model), problem, "correct its generate()"))

    def _completions(self, prompts: Sequence[Prompt]) -> Iterator[Completion]:
        tokens = self._settings.max_new_tokens
        with user_code(self._error_of):
            if isinstance(self._model, Model):
                cut = self._suite.is_benchmark
                self._model.on_tokens = self._counter.wrote
                yield from self._model.stream(
                    prompts,
                    max_new_tokens=tokens,
                    chat=self._suite.is_chat,
                    decoding=self._settings.decoding if cut else None,
                    cut=cut,
                )
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
                    name_of(model), problem, "return one string for each, in order"
                )
            for index, text in zip(batch, texts, strict=True):
                opened = prompt_opens(prompts[index], chat=False)
                stops = self._settings.decoding.stop if self._suite.is_benchmark else ()
                done = Completion(index, text_before(stops, text))
                yield without_thoughts(done, name_of(model), opened=opened)

    def _prompts(self, questions: Sequence[Record]) -> Iterator[Prompt]:
        return prompts_for(self._suite, questions, self._model)

    def _key(self, prompt: Prompt) -> str:
        options: dict[str, object] = {
            "max_new_tokens": self._settings.max_new_tokens,
            "chat": self._suite.is_chat,
        }
        if self._suite.is_benchmark:
            options |= {"cut": True, "stop": self._settings.decoding.stop}
        if isinstance(self._model, Model):
            options |= self._settings.decoding.decides
            if not self._model.is_served:
                options |= {"device": self._settings.device, "dtype": self._settings.dtype}
                options |= thinking_option(self._suite, self._model)
        return make_key("response/3", self._fingerprint.first, plain_prompt(prompt), options)


def _cut_key(key: str) -> str:
    """Name the fact that the prompt of a response lost its beginning."""
    return make_key("cut/1", key)


def prompts_for(suite: Suite, records: Sequence[Record], model: object) -> Iterator[Prompt]:
    """Yield what a model under test reads for some records; see :meth:`.Suite.framed`."""
    prompts = suite.prompts(records)
    if not (isinstance(model, Model) and suite.has_frame):
        return prompts
    tokens = model.special_tokens
    pairs = zip(records, prompts, strict=True)
    return (suite.framed(record, prompt, tokens) for record, prompt in pairs)


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
