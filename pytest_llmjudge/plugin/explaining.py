"""Has failures explained when all scores are final, and adds what the judge says to the reports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import LlmJudgeError, printable
from pytest_llmjudge.judging.judge import CUSTOM
from pytest_llmjudge.kinds import kind_named
from pytest_llmjudge.plugin.reports import ATTRIBUTE
from pytest_llmjudge.settings import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest

    from pytest_llmjudge.data import AnyResult, Entry, Explanation, JudgeIdentity, RunResult
    from pytest_llmjudge.pipeline.explanations import Question
    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["Explaining"]

_TITLE = "what is wrong, in the judge's words"
_PROPERTY = "llm_judge_explanation"


class Explaining:
    """Explanations of a run, in the process that owns the terminal.

    Args:
        session: Of that process.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session
        self._failed: dict[tuple[str, str], pytest.TestReport] = {}
        self._explanations: dict[tuple[str, str], Explanation] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether anything is to be explained."""
        settings = self._session.settings
        return settings.explain != 0 and settings.model != EMBEDDED

    def note(self, report: pytest.TestReport) -> None:
        """Keep the report of an item that failed; that of its last try counts."""
        payload: Mapping[str, Any] = getattr(report, ATTRIBUTE, {})
        if report.failed and payload:
            self._failed[payload["suite"], payload["item"]] = report

    def ask(self, run: RunResult, before: Mapping[str, Mapping[str, Entry]]) -> None:
        """Ask the judge about what failed, and add what it says to the items' failures.

        Args:
            run: The results, with all texts of the records.
            before: What the baseline has of the samples, by suite and id.

        Raises:
            StoreError: The cache cannot be used.
        """
        questions = list(self._questions(run, before))
        if not questions:
            return
        from pytest_llmjudge.pipeline.explanations import INTERRUPTED, explain_all

        resources = self._session.resources
        judges = resources.judges
        try:
            explained = explain_all(
                questions,
                judges.judge,
                resources.store,
                worker=resources.worker,
                at_once=judges.at_once,
            )
        except LlmJudgeError as error:
            self._say(str(error))
            return
        except KeyboardInterrupt:
            self._say(INTERRUPTED)
            return
        self._explanations.update(explained.explanations)
        if explained.problem:
            self._say(explained.problem)
        for name, explanation in self._explanations.items():
            if name in self._failed and not explanation.is_infrastructure:
                _add(self._failed[name], explanation.shown)

    def _say(self, problem: str) -> None:
        self._session.store.add_note(f"not all failures were explained: {problem}")

    def _questions(
        self, run: RunResult, before: Mapping[str, Mapping[str, Entry]]
    ) -> Iterator[Question]:
        for result in run.results:
            kind = kind_named(result.kind)
            if not kind.explains:
                continue
            judge = kind.judge(result)
            if judge is None or judge.backend == CUSTOM:
                continue
            self._take_context(judge)
            entries = before.get(result.name, {})
            yield from kind.questions(result, entries, self._session.settings.explain)

    def _take_context(self, judge: JudgeIdentity) -> None:
        """Give the judge the context with which it scored, which workers of xdist have settled."""
        context = judge.options.get("num_ctx")
        judges = self._session.resources.judges
        if judges.fits_context and isinstance(context, int):
            judges.take_context(context)

    def added_to(self, run: RunResult) -> RunResult:
        """Return results with the explanations."""
        if not self._explanations:
            return run
        return replace(run, results=tuple(map(self._explained, run.results)))

    def _explained(self, result: AnyResult) -> Any:  # noqa: ANN401  # of any kind
        own = {
            item: said for (suite, item), said in self._explanations.items() if suite == result.name
        }
        return kind_named(result.kind).explained(result, own)

    def properties(self) -> Iterator[tuple[str, str]]:
        """Yield names and values for JUnit XML, as those of the suites' figures."""
        for (suite, item), explanation in self._explanations.items():
            if explanation.text:
                yield f"{_PROPERTY}[{printable(f'{suite}[{item}]')}]", explanation.text


def _add(report: pytest.TestReport, text: str) -> None:
    """Add an explanation to what pytest shows of a failure."""
    add_section = getattr(report.longrepr, "addsection", None)
    if add_section is not None:
        add_section(_TITLE, text)
    elif isinstance(report.longrepr, str):
        report.longrepr = f"{report.longrepr}\n{_TITLE}: {text}"
