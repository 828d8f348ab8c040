"""Suites of records of which a model scores given texts: from the store, or computed together."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from pytest_llmjudge.errors import LlmJudgeError, PromptError
from pytest_llmjudge.kinds.base import Sample, SuiteRun, Value

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Context, Record
    from pytest_llmjudge.kinds.records import RecordSuite
    from pytest_llmjudge.pipeline import ModelLike
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.pipeline.scoring_model import ScoringModel

__all__ = ["ScoredRecordsRun", "Task"]

_CHUNK: Final = 256
"""Records that one process holds the tokens of at a time, so that memory does not grow with a
suite. They are planned together, however many are given out at once: rounding depends on it."""
_KEPT: Final = 32
"""Records of which as much is stored at a time, so that a run that is killed loses little."""


class Task(NamedTuple):
    """What a model scores of a record.

    Attributes:
        contexts: One or more.
        alike: Equal for records that are scored together, as they begin alike.
        about: What the kind has to know of it beside that.
    """

    contexts: Sequence[Context]
    alike: Hashable = None
    about: Any = None

    @property
    def size(self) -> int:
        """How many tokens it has."""
        return sum(len(one.ids) + sum(map(len, one.branches)) for one in self.contexts)


class ScoredRecordsRun(SuiteRun[Value]):
    """A suite that has begun in this process, of whose records a model scores given texts.

    Args:
        suite: The suite.
        resources: Of this process.
        model: Under test.
        needed: Ids of the records that this run needs, so that all are computed by who comes first.
        counted: What is computed for each record, in the plural.
    """

    judge = None
    _marker: ClassVar[str]
    """Of the kind, for messages."""
    _encoder: ClassVar[str] = "encode"
    """The method of a model that makes tokens of a record."""

    def __init__(
        self,
        suite: RecordSuite[Value],
        resources: Resources,
        model: ModelLike | None,
        needed: Sequence[str],
        counted: str,
    ) -> None:
        from pytest_llmjudge.pipeline.protocols import Counter, Fingerprint

        self.model = model
        self._resources = resources
        self._fingerprint = Fingerprint(model)
        self._scored = suite
        self._needed = needed
        self._counter = Counter(resources.store, counted, suite.name, resources.worker)
        self._known: dict[str, Value] | None = None
        self._keys: dict[str, str] = {}

    @abstractmethod
    def _make_key(self, record: Record) -> str:
        """Return under what the scores of a record are kept: a hash of all that decides them."""

    @abstractmethod
    def _encode(self, model: ScoringModel, record: Record) -> Task:
        """Return what a model scores of a record.

        Raises:
            CheckpointError: The model cannot be used.
            PromptError: Nothing can be scored of it.
        """

    @abstractmethod
    def _facts(
        self, record: str, values: Sequence[Sequence[float]], task: Task
    ) -> str | LlmJudgeError:
        """Return what is stored of a record, or why nothing is.

        Args:
            record: Its id.
            values: What the model gave for each branch of each context.
            task: What it scored.
        """

    @abstractmethod
    def _read(self, facts: str) -> Any:  # noqa: ANN401  # of each kind's own
        """Return what was stored.

        Raises:
            ValueError: It is nothing that :meth:`_facts` returned.
        """

    @abstractmethod
    def _value(self, record: Record, kept: Any) -> Value:  # noqa: ANN401
        """Return what the kind keeps of a record.

        Args:
            record: It.
            kept: What :meth:`_read` returned.
        """

    def sample(self, name: str, *, again: bool = False) -> Sample[Value]:
        """Return what is known of a record, or find out."""
        try:
            return Sample(name, self._result(name, again=again))
        except LlmJudgeError as error:
            return Sample(name, None, str(error), "rig" if error.is_infrastructure else "record")

    def samples(self) -> list[Sample[Value]]:
        """Return the records that this run needs."""
        return [self.sample(name) for name in self._needed]

    def prepare(self, *, again: bool) -> None:
        """Have all of these, before a gate decides."""
        for sample in self.samples():
            if again and sample.error is not None:
                self.sample(sample.id, again=True)

    def _result(self, name: str, *, again: bool) -> Value:
        from pytest_llmjudge.pipeline.turns import wait_or_compute

        if self._known is None:
            # All at once: a query for each record is slow.
            self._known = self._stored(self._needed)
        if name not in self._known:
            store, key = self._resources.store, self._key(name)
            if again:
                store.forget_failure(key)
            self._known[name] = wait_or_compute(
                store,
                key,
                lambda: self._stored([name]).get(name),
                lambda: self._compute(name),
                self.model,
            )
        return self._known[name]

    def _key(self, name: str) -> str:
        if name not in self._keys:
            self._keys[name] = self._make_key(self._scored.record(name))
        return self._keys[name]

    def _stored(self, names: Iterable[str]) -> dict[str, Value]:
        keys = {name: self._key(name) for name in names}
        answers = self._resources.store.answers(list(dict.fromkeys(keys.values())), self._read)
        return {
            name: self._value(self._scored.record(name), answers[key])
            for name, key in keys.items()
            if key in answers
        }

    def _compute(self, wanted: str) -> None:
        from pytest_llmjudge.storage.store import Failure

        store = self._resources.store
        names = dict.fromkeys([*self._needed, wanted])
        known = self._stored(names)
        # Records that ask the same share a key.
        missing = {self._key(name): name for name in names if name not in known}
        missing = {key: name for key, name in missing.items() if store.failure(key) is None}
        self._counter.found(len(known), len(names))
        self._counter.start(len(missing))
        keys = {name: key for key, name in missing.items()}
        try:
            self._keep_all((keys[name], result) for name, result in self._score(keys))
        except LlmJudgeError as error:
            known = self._stored(names)
            for key, name in missing.items():
                if name not in known and store.failure(key) is None:
                    store.add_failure(key, Failure(str(error), error.is_infrastructure))
        finally:
            self._counter.flush()

    def _score(self, names: Iterable[str]) -> Iterator[tuple[str, str | LlmJudgeError]]:
        """Yield for each record, in any order, what is stored of it, or why nothing is.

        Raises:
            CheckpointError: The model cannot be used.
        """
        from pytest_llmjudge.pipeline.scoring_model import most_groups, raised_by, scoring_model
        from pytest_llmjudge.pipeline.user_code import user_code

        model, left = scoring_model(self.model, self._marker, self._encoder), iter(names)
        with user_code(partial(raised_by, self.model)):
            while some := list(islice(left, _CHUNK * most_groups(model))):
                yield from self._score_some(model, some)

    def _score_some(
        self, model: ScoringModel, names: Sequence[str]
    ) -> Iterator[tuple[str, str | LlmJudgeError]]:
        from pytest_llmjudge.pipeline.scoring_model import scored

        tasks: dict[str, Task] = {}
        groups: dict[Hashable, list[str]] = {}
        for at, name in enumerate(names):
            try:
                tasks[name] = task = self._encode(model, self._scored.record(name))
            except PromptError as error:
                yield name, error
                continue
            groups.setdefault((at // _CHUNK, task.alike), []).append(name)
        for group in groups.values():
            # A batch is as long as its longest text.
            group.sort(key=lambda name: -tasks[name].size)
        asked = [{name: tasks[name].contexts for name in group} for group in groups.values()]
        for name, values in scored(model, asked):
            if isinstance(values, PromptError):
                yield name, values
            else:
                yield name, self._facts(name, values, tasks[name])

    def _keep_all(self, results: Iterable[tuple[str, str | LlmJudgeError]]) -> None:
        """Keep results as they come, also those before an error or Ctrl-C."""
        some: dict[str, str | LlmJudgeError] = {}
        try:
            for key, result in results:
                some[key] = result
                if len(some) == _KEPT:
                    kept, some = some, {}
                    self._keep(kept)
        except BaseException:
            with suppress(LlmJudgeError):  # what came first is told
                self._keep(some)
            raise
        self._keep(some)

    def _keep(self, results: Mapping[str, str | LlmJudgeError]) -> None:
        from pytest_llmjudge.storage.store import Failure

        if not results:
            return
        self._fingerprint.check()
        store = self._resources.store
        store.add_answers({key: one for key, one in results.items() if isinstance(one, str)})
        for key, one in results.items():
            if not isinstance(one, str):
                store.add_failure(key, Failure(str(one), one.is_infrastructure))
            self._counter.step(kept=isinstance(one, str))

    def _model_name(self) -> str:
        """Name the model in messages."""
        from pytest_llmjudge.generation.base import Model
        from pytest_llmjudge.pipeline.protocols import name_of

        return str(self.model.info.path) if isinstance(self.model, Model) else name_of(self.model)
