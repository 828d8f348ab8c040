"""One run of judged suites in one process: what it needs, its models, its judge, its store."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import CheckpointError, LlmJudgeError, SettingsError
from pytest_llmjudge.pipeline import SuiteRun
from pytest_llmjudge.plugin.cases import READY, Case, Ready, case_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_llmjudge.data import Completion, Record, Verdict
    from pytest_llmjudge.generation.engine import TorchModel
    from pytest_llmjudge.judging.judge import Judge
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.store import Store
    from pytest_llmjudge.suites import Suite

__all__ = ["ConfiguredJudge", "ConfiguredModel", "LlmSession"]

_OUR_FIXTURES = "pytest_llmjudge.plugin.fixtures"
DEFAULT_URL = "http://localhost:11434"


class LlmSession:
    """State of a run with ``--llm-judge``; there is one in each process.

    Args:
        config: pytest's own.
        settings: The run's options.
        store: Shared with the other processes.
        worker: Name of this process among those of xdist, or ``main``.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, store: Store, worker: str
    ) -> None:
        self.config = config
        self.settings = settings
        self.store = store
        self.worker = worker
        self.suites: dict[str, Suite] = {}
        self.selected: dict[str, set[int]] = {}
        self.needed: dict[str, list[int]] = {}
        self._runs: dict[str, SuiteRun] = {}
        self._models: dict[Path, TorchModel] = {}
        self._judge: Judge | None = None

    @property
    def judge(self) -> Judge:
        """The judge that the options name.

        Raises:
            SettingsError: It cannot be used.
        """
        if self._judge is None:
            from pytest_llmjudge.judging.judge import make_judge

            url = self.settings.url or os.environ.get("OLLAMA_HOST") or DEFAULT_URL
            self._judge = make_judge(self.settings.model, url, self.settings.timeout)
        return self._judge

    def model(self, checkpoint: Path | None) -> TorchModel:
        """Return the model under test, not loaded yet.

        Raises:
            CheckpointError: No checkpoint is named.
        """
        if checkpoint is None:
            todo = "give --llm-judge-checkpoint, or checkpoint= or responses= in the marker"
            msg = "llm_model"
            raise CheckpointError(msg, "no checkpoint is named", todo)
        if checkpoint not in self._models:
            from pytest_llmjudge.generation.engine import TorchModel

            self._models[checkpoint] = TorchModel(
                checkpoint,
                batch_size=self.settings.batch_size,
                device=self.settings.device,
                dtype=self.settings.dtype,
            )
        return self._models[checkpoint]

    def configured_model(self) -> ConfiguredModel:
        """Return the value of the ``llm_model`` fixture."""
        return ConfiguredModel(self)

    def configured_judge(self) -> ConfiguredJudge:
        """Return the value of the ``llm_judge`` fixture."""
        return ConfiguredJudge(self)

    def plan(self, session: pytest.Session) -> None:
        """Note which records this run needs and prove that their rig is there.

        Raises:
            LlmJudgeError: No judge or no checkpoint can be had.
        """
        cases = [(item, case) for item in session.items if (case := case_of(item)) is not None]
        for _, case in cases:
            selected = self.selected.setdefault(case.suite.name, set())
            if case.record is not None:
                selected.add(case.index)
        gated = {case.suite.name for _, case in cases if case.record is None}
        for name, selected in self.selected.items():
            every = range(len(self.suites[name].records))
            self.needed[name] = list(every) if name in gated else sorted(selected)
        if self.config.option.collectonly:
            return
        first = {case.suite.name: (item, case.suite) for item, case in reversed(cases)}
        for item, suite in first.values():
            if _is_ours(session, item, "llm_judge"):
                self.judge.identity  # noqa: B018  # asking for it is the check
            if suite.settings.responses is None and _is_ours(session, item, "llm_model"):
                self._check_checkpoint(suite)

    def _check_checkpoint(self, suite: Suite) -> None:
        if suite.settings.checkpoint is None:
            todo = "give --llm-judge-checkpoint, or checkpoint= or responses= in the marker"
            raise SettingsError(suite.name, "it has no model under test", todo)
        self.model(suite.settings.checkpoint).info  # noqa: B018  # reading it is the check

    def set_up(self, request: pytest.FixtureRequest) -> None:
        """Get an item's verdict; without one the item errs with a single line."""
        item: pytest.Item = request.node
        case: Case = request.param
        try:
            run = self._run(case.suite, request)
        except LlmJudgeError as error:
            pytest.fail(str(error), pytrace=False)
        if case.record is None:
            item.stash[READY] = Ready(case, run)
            return
        again = getattr(item, "execution_count", 1) > 1
        outcome = run.outcome(case.record, again=again)
        item.stash[READY] = Ready(case, run, outcome)
        if outcome.verdict.score is None:
            pytest.fail(str(outcome.verdict.error), pytrace=False)
        item.user_properties[:] = [
            *(pair for pair in item.user_properties if pair[0] != "llm_judge_score"),
            ("llm_judge_score", outcome.verdict.score),
        ]

    def _run(self, suite: Suite, request: pytest.FixtureRequest) -> SuiteRun:
        if suite.name not in self._runs:
            judge: JudgeLike = request.getfixturevalue("llm_judge")
            if isinstance(judge, ConfiguredJudge):
                judge = self.judge
            model: ModelLike | None = None
            if suite.settings.responses is None:
                model = request.getfixturevalue("llm_model")
                if isinstance(model, ConfiguredModel):
                    model = self.model(suite.settings.checkpoint)
            self._runs[suite.name] = SuiteRun(
                suite,
                self.settings,
                self.store,
                judge=judge,
                model=model,
                needed=self._needed_records(suite),
                worker=self.worker,
            )
        return self._runs[suite.name]

    def _needed_records(self, suite: Suite) -> list[Record]:
        return [suite.records[index] for index in self.needed[suite.name]]

    def checkpoint_of(self, run: SuiteRun) -> list[Any] | None:
        """Describe a suite's model under test as plain data: path, fingerprint, parameters."""
        model = run.model
        if model is None:
            return None
        info = getattr(model, "info", None)
        if info is None:
            return [type(model).__name__, str(model.fingerprint), None]
        return [self.shown_path(info.path), info.fingerprint, info.parameters]

    def judge_of(self, run: SuiteRun) -> dict[str, Any]:
        """Describe a suite's judge as plain data."""
        judge = run.judge
        identity: JudgeIdentity | None = getattr(judge, "identity", None)
        if identity is None:
            name = type(judge).__name__
            digest = str(getattr(judge, "fingerprint", ""))
            plain = asdict(JudgeIdentity(name, "custom", "", digest, {}))
            return {**plain, "label": f"{name} (custom)"}
        return {**asdict(identity), "label": self.judge.label}

    def shown_path(self, path: Path) -> str:
        """Write ``path`` as seen from pytest's root folder, so that files do not differ."""
        full = path.resolve()
        root = self.config.rootpath
        return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


class ConfiguredModel:
    """The model that options and markers name, as the ``llm_model`` fixture gives it.

    Used directly it is the one of ``--llm-judge-checkpoint``.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""
        return self._session.model(self._session.settings.checkpoint).fingerprint

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Return the model's greedy continuation of each prompt."""
        model = self._session.model(self._session.settings.checkpoint)
        return model.generate(prompts, max_new_tokens=max_new_tokens)

    def stream(self, prompts: Sequence[str], *, max_new_tokens: int) -> Iterator[Completion]:
        """Yield each completion as it is finished."""
        model = self._session.model(self._session.settings.checkpoint)
        return model.stream(prompts, max_new_tokens=max_new_tokens)


class ConfiguredJudge:
    """The judge that the options name, as the ``llm_judge`` fixture gives it."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    def score(self, record: Record, response: str) -> Verdict:
        """Ask the judge about one response; not cached."""
        return self._session.judge.score(record, response)


def _is_ours(session: pytest.Session, item: pytest.Item, fixture: str) -> bool:
    """Say whether ``item`` gets our own fixture; pytest has no public way to ask."""
    manager = session._fixturemanager  # noqa: SLF001
    definitions = manager.getfixturedefs(fixture, item)
    return definitions is not None and definitions[-1].func.__module__ == _OUR_FIXTURES
