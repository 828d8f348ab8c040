"""What a judge makes of known answers, asked once for each suite in a run."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_llmjudge.judging.judge import Judge
from pytest_llmjudge.pipeline.protocols import KnownProblemError
from pytest_llmjudge.servers.chat import FORMAT_IGNORED, is_same_model
from pytest_llmjudge.settings import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import DataclassInstance

    from pytest_llmjudge.pipeline.judge_pool import JudgePool
    from pytest_llmjudge.pipeline.protocols import JudgeLike
    from pytest_llmjudge.storage.store import Store

__all__ = ["Asked", "KnownAnswerCheck"]


class Asked(Protocol):
    """How one kind of known answers is asked about; ``Any`` stands for the kind's own probes."""

    def probe(self, probe: Any) -> Any:  # noqa: ANN401
        """Return the judgement on a known answer; ask the judge if there is none."""

    def forget_failed_probe(self, probe: Any) -> None:  # noqa: ANN401
        """Let one that could not be had be tried again."""

    def confirm(self) -> None:
        """Prove that the judge is still the one with which the run began."""


Check = TypeVar("Check", bound="DataclassInstance")
"""What is known of a judge."""


class KnownAnswerCheck(Generic[Check]):
    """The known answers of one suite.

    Args:
        suite: Name of the suite.
        judge: Who is asked.
        store: Shared with all processes of the run.
        asked: Asks the judge.
        probes: The known answers, each with a name that is unique in its suite.
        decide: Makes of the judge's name, the probes with what was said of them, how many requests
            are in flight and advice, the result of the check.
        pool: Asks about several at once.
        in_flight: How many requests may be in flight at each server.
        scores: Whether the judge gives scores, for which it could be asked in another way.
    """

    def __init__(
        self,
        suite: str,
        judge: JudgeLike,
        store: Store,
        asked: Asked,
        *,
        probes: Callable[[], Sequence[Any]],
        decide: Callable[..., Check],
        pool: JudgePool | None,
        in_flight: int,
        scores: bool,
    ) -> None:
        self._scores = scores
        self._suite = suite
        self._judge = judge
        self._store = store
        self._asked = asked
        self._probes = probes
        self._decide = decide
        self._pool = pool
        self._in_flight = in_flight
        self._check: Check | None = None

    def check(self, *, again: bool = False) -> Check:
        """Return what the judge makes of known answers; ask it, where nobody has yet.

        Args:
            again: Try once more what failed earlier in this run.

        Raises:
            LlmJudgeError: The infrastructure failed, so that nothing is known of the judge.
        """
        if self._check is None:
            probes = self._probes()
            if again:
                for probe in probes:
                    self._asked.forget_failed_probe(probe)
            self._ask_together(probes)
            said = []
            for probe in probes:
                judgement = self._asked.probe(probe)
                if judgement.score is None and judgement.is_infrastructure:
                    raise KnownProblemError(str(judgement.error), is_infrastructure=True)
                said.append((probe, judgement))
            self._asked.confirm()
            name, advice = self._judge_in_words()
            advice = _advice_on_format(said) or advice
            check = self._decide(name, said, in_flight=self._in_flight, advice=advice)
            self._store.note_check(self._suite, asdict(check))
            self._check = check
        return self._check

    def _ask_together(self, probes: Sequence[Any]) -> None:
        """Ask about all known answers under the load that the records will be asked under."""
        if self._pool is None:
            return
        work = {f"{self._suite} {probe.name}": probe for probe in probes}
        pieces = [(name, partial(self._asked.probe, probe)) for name, probe in work.items()]
        self._pool.work_off(pieces)

    def _judge_in_words(self) -> tuple[str, str]:
        """Name the judge, and say what could be done if it is not fit."""
        if not isinstance(self._judge, Judge):
            return f"of your own ({type(self._judge).__name__})", "correct it, or take another"
        identity = self._judge.identity
        if identity.backend == EMBEDDED:
            return "embedded (chrF, no LLM)", "name a language model with --llm-judge-model"
        others = [
            name for name in self._judge.installed() if not is_same_model(name, identity.model)
        ]
        has = f" (installed: {', '.join(others)})" if others else ""
        is_last = identity.ask.startswith("weighted") or not self._scores
        weighted = "" if is_last else ", or --llm-judge-ask=weighted"
        return identity.model, f"name a larger judge with --llm-judge-model{has}{weighted}"


def _advice_on_format(said: Iterable[tuple[Any, Any]]) -> str:
    """Return what to do where no larger judge could keep to the format; else nothing."""
    errors = (str(judgement.error) for _, judgement in said if judgement.score is None)
    return next((error.rpartition("; ")[2] for error in errors if FORMAT_IGNORED in error), "")
