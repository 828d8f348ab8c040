"""Exact answers in one process of a run: prompts, responses, and what is extracted from them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.kinds.exact_results import ExactAnswer
from pytest_llmjudge.kinds.records import RecordRun
from pytest_llmjudge.pipeline.judgements import Judgements
from pytest_llmjudge.pipeline.run import Run
from pytest_llmjudge.pipeline.suite_runs import suite_source
from pytest_llmjudge.records.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_llmjudge.data import Record
    from pytest_llmjudge.kinds.records import RecordSuite
    from pytest_llmjudge.pipeline import ModelLike, Outcome
    from pytest_llmjudge.pipeline.resources import Resources
    from pytest_llmjudge.questions.base import ExactForm, ExactQuestion
    from pytest_llmjudge.questions.extraction import Extracted, Extraction, Found

__all__ = ["Asking", "ExactRun", "PresetSuite", "with_form"]


@dataclass(frozen=True, eq=False)
class PresetSuite(Suite):
    """The questions of a public set.

    Attributes:
        form: How they are asked.
        solved: Which solved questions each shows, by the record's id.
    """

    form: ExactForm
    solved: Mapping[str, tuple[ExactQuestion, ...]]

    @property
    def is_benchmark(self) -> bool:
        """See :class:`.Suite`."""
        return True

    def prompts(self, records: Sequence[Record]) -> Iterator[str]:
        """Yield what the model under test reads for some of the records."""
        for record in records:
            question = self.form.parse(record.fields)
            yield self.form.prompt(question, self.solved.get(record.id, ()))


def with_form(
    loaded: Suite, form: ExactForm, solved: Mapping[str, tuple[ExactQuestion, ...]]
) -> PresetSuite:
    """Return a suite whose records are asked as those of a public set."""
    own = {one.name: getattr(loaded, one.name) for one in fields(loaded)}
    return PresetSuite(**own, form=form, solved=solved)


class Asking(NamedTuple):
    """How answers are generated and compared.

    Attributes:
        extraction: What of them is compared.
        expected: With what, by the record's id and for each filter.
        max_new_tokens: The most tokens of an answer; ``None`` for the run's.
    """

    extraction: Extraction
    expected: Mapping[str, Sequence[Found]]
    max_new_tokens: int | None


@dataclass(frozen=True, slots=True)
class _Graded:
    """What was extracted from a response by each filter, or why nobody knows.

    Attributes:
        score: 100 for a right answer and 0 for a wrong one; ``None`` when nobody knows.
    """

    score: float | None
    filters: Mapping[str, Extracted] = field(default_factory=dict)
    error: str | None = None
    is_infrastructure: bool = False


class _Extractions(Judgements[str, _Graded]):
    """Extracts from responses in this process, when an item or a gate needs it."""

    is_ours = False
    asks_a_server = False

    def __init__(self, extraction: Extraction, expected: Mapping[str, Sequence[Found]]) -> None:
        self._extraction = extraction
        self._expected = expected
        self._stopped: dict[str, LlmJudgeError] = {}

    def load(self, pairs: Sequence[tuple[Record, str]]) -> Iterator[tuple[Record, str, _Graded]]:  # noqa: ARG002
        """Yield nothing: it takes no time, but where a pattern runs away."""
        return iter(())

    def get(self, record: Record, candidate: str) -> _Graded:
        """Extract from a response; a pattern that ran away is not tried again.

        Raises:
            ExtractionError: It was stopped.
        """
        if record.id in self._stopped:
            raise self._stopped[record.id]
        try:
            filters = self._extraction.grade(candidate, self._expected[record.id])
        except LlmJudgeError as error:
            self._stopped[record.id] = error
            raise
        first = next(iter(filters.values()))
        return _Graded(100.0 * first.correct, filters)

    def find(self, record: Record, candidate: str) -> _Graded:
        """Return the same."""
        return self.get(record, candidate)

    def name(self, record: Record, candidate: str) -> str:  # noqa: ARG002
        """Name a judgement by its record."""
        return record.id

    def forget_failure(self, record: Record, candidate: str) -> None:  # noqa: ARG002
        """Let a pattern that ran away be tried again."""
        self._stopped.pop(record.id, None)

    def failed(self, error: LlmJudgeError) -> _Graded:
        """Return what stands in the place of what was extracted."""
        return _Graded(None, error=str(error), is_infrastructure=error.is_infrastructure)


class ExactRun(RecordRun[ExactAnswer]):
    """A suite of exact answers that has begun in this process.

    Args:
        suite: The suite.
        resources: Of this process.
        model: Under test; ``None`` when the records hold the responses.
        needed: Ids of the records that this run needs.
        asking: How answers are generated and compared.
    """

    _run: Run[str, _Graded]

    def __init__(
        self,
        suite: RecordSuite[ExactAnswer],
        resources: Resources,
        model: ModelLike | None,
        needed: Sequence[str],
        asking: Asking,
    ) -> None:
        loaded, settings = suite.loaded, resources.settings
        if asking.max_new_tokens is not None:
            settings = replace(settings, max_new_tokens=asking.max_new_tokens)
        if isinstance(loaded, PresetSuite):
            settings = replace(settings, temperature=0.0, stop=loaded.form.until)
        run: Run[str, _Graded] = Run(
            loaded,
            settings,
            judge=None,
            model=model,
            needed=[suite.record(name) for name in needed],
            source=suite_source(loaded, settings, resources.store, model, resources.worker),
            judgements=_Extractions(asking.extraction, asking.expected),
            counter=None,
        )
        super().__init__(suite, run)
        self._expected = asking.expected

    def _value(self, record: Record, outcome: Outcome[str, _Graded]) -> ExactAnswer:
        response, filters = outcome.response, outcome.verdict.filters
        return ExactAnswer(
            record,
            response,
            filters,
            reference=self._expected[record.id][0].text,
            is_cut=response is not None and self._run.is_cut(record),
        )
