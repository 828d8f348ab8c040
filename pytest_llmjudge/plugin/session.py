"""One run of judged suites in one process: what it needs, its models, its judge, its store."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmjudge.data import JudgeIdentity
from pytest_llmjudge.errors import (
    CheckpointError,
    JudgeError,
    LlmJudgeError,
    SettingsError,
    printable,
)
from pytest_llmjudge.generation.base import LocalModel, Model
from pytest_llmjudge.generation.checkpoint_info import is_adapter
from pytest_llmjudge.generation.factory import make_model
from pytest_llmjudge.generation.served import ServedModel
from pytest_llmjudge.judging.judge import Judge, make_judge
from pytest_llmjudge.pipeline import (
    JudgePool,
    PairRun,
    Slots,
    SuiteRun,
    fingerprint_of,
    judge_fingerprint,
)
from pytest_llmjudge.pipeline.protocols import KnownProblemError
from pytest_llmjudge.pipeline.watch import Watch
from pytest_llmjudge.plugin.cases import (
    AVERAGE,
    BASELINE,
    FIXTURE,
    JUDGE_CHECK,
    MARKER,
    PAIR_MARKER,
    READY,
    WIN_RATE,
    Case,
    PairReady,
    Ready,
    case_of,
    exam_case_of,
)
from pytest_llmjudge.plugin.identity import agree_on_fixtures
from pytest_llmjudge.plugin.options import is_listing
from pytest_llmjudge.plugin.output_conflicts import check_inputs
from pytest_llmjudge.plugin.watch import watch
from pytest_llmjudge.servers.kinds import judge_addresses
from pytest_llmjudge.storage.results_reader import read_results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.data import Preference, Record, Verdict
    from pytest_llmjudge.pipeline import JudgeLike, ModelLike
    from pytest_llmjudge.plugin.completeness import Completeness
    from pytest_llmjudge.plugin.exams import Exams
    from pytest_llmjudge.plugin.pairings import Pairings
    from pytest_llmjudge.servers.identity import Served
    from pytest_llmjudge.settings import Settings
    from pytest_llmjudge.storage.results_reader import SavedRun
    from pytest_llmjudge.storage.store import Store
    from pytest_llmjudge.suites import Suite

__all__ = [
    "UNDECIDED",
    "ConfiguredJudge",
    "ConfiguredModel",
    "LlmSession",
    "is_ours",
    "is_rerun",
    "judge_identity",
]

UNDECIDED = "nothing else of this suite is decided"
"""Ends what all items are told of a suite whose judge is not fit."""
_OUR_FIXTURES = "pytest_llmjudge.plugin.fixtures"


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
        self.due: dict[str, list[str]] = {}
        self.announced: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, SuiteRun | PairRun] = {}
        self._models: dict[Path | str, Model] = {}
        self._in_use: set[Path | str | None] = set()
        self._judge: Judge | None = None
        self._checkpoint = settings.checkpoint

    @cached_property
    def exams(self) -> Exams:
        """The exams of this process."""
        from pytest_llmjudge.plugin.exams import Exams

        return Exams(self)

    @cached_property
    def completeness(self) -> Completeness:
        """What the run is to have, and has collected."""
        from pytest_llmjudge.plugin.completeness import Completeness

        return Completeness(self)

    @cached_property
    def pairings(self) -> Pairings:
        """What suites of pairs are compared with."""
        from pytest_llmjudge.plugin.pairings import Pairings

        return Pairings(self)

    @cached_property
    def baseline(self) -> SavedRun | None:
        """The results to compare with; ``None`` when none are named.

        Raises:
            BaselineError: They cannot be used.
        """
        path = self.settings.baseline
        return None if path is None else read_results(path, named_by="--llm-judge-baseline")

    @property
    def judge(self) -> Judge:
        """The judge that the options name.

        Raises:
            SettingsError: It cannot be used.
        """
        if self._judge is None:
            settings = self.settings
            self._judge = make_judge(
                settings.model,
                self.addresses,
                settings.timeout,
                ask=settings.ask,
                samples=settings.samples,
                limiter=self._slots,
                note=self.store.add_note,
            )
        return self._judge

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """Where the judge answers, each address once and in its canonical form.

        Raises:
            SettingsError: Something is no address.
        """
        return judge_addresses(self.settings)

    @cached_property
    def _slots(self) -> Slots:
        return Slots(self.store, self.settings.concurrency, len(self.addresses))

    @cached_property
    def pool(self) -> JudgePool | None:
        """The threads that judge at once; ``None`` when one request is in flight at a time."""
        size = len(self.addresses) * self.settings.concurrency
        return JudgePool(self.store, size) if size > 1 else None

    def close(self, *, wait: bool) -> None:
        """Let go of what has not begun to be judged."""
        pool: JudgePool | None = vars(self).get("pool")
        if pool is not None:
            pool.close(wait=wait)

    def confirm(self) -> None:
        """Prove at the end that judge and served models are those with which the run began.

        Raises:
            LlmJudgeError: One is another, or nobody knows.
        """
        served: list[Served] = []
        if self._judge is not None and self._judge.server is not None:
            served.append(self._judge)
        served += [model for model in self._models.values() if isinstance(model, ServedModel)]
        for one in served:
            # Whom nobody could name nobody has asked.
            if one.is_identified:
                Watch(self.store, one).confirm()

    def release(self) -> None:
        """Give back memory and connections, when nobody can need judge and models any more."""
        if self._judge is not None:
            self._judge.close()
        for model in self._models.values():
            model.release()

    def model(self, checkpoint: Path | str | None) -> Model:
        """Return the model under test, not loaded yet.

        Raises:
            CheckpointError: No checkpoint is named.
        """
        if checkpoint is None:
            todo = "give --llm-judge-checkpoint, or checkpoint= or responses= in the marker"
            msg = "llm_model"
            raise CheckpointError(msg, "no checkpoint is named", todo)
        if checkpoint not in self._models:
            self._models[checkpoint] = make_model(
                checkpoint, self.settings, note=self.store.add_note
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
        cases = [(item, case) for item in session.items if (case := checked_case(item))]
        for _, case in cases:
            selected = self.selected.setdefault(case.suite.name, set())
            if case.record is not None:
                selected.add(case.index)
            elif case.gate is not None:
                self.due.setdefault(case.suite.name, []).append(case.gate)
        whole = {AVERAGE, BASELINE, WIN_RATE}
        gated = {case.suite.name for _, case in cases if case.gate in whole}
        for name, selected in self.selected.items():
            every = range(len(self.suites[name].records))
            self.needed[name] = list(every) if name in gated else sorted(selected)
        if is_listing(self.config):
            return
        check_inputs(self)
        if cases and self.settings.checkpoint_forced:
            self.model(self.settings.checkpoint).info  # noqa: B018  # reading it is the check
        first: dict[str, tuple[pytest.Item, Suite]] = {}
        for item, case in cases:
            first.setdefault(case.suite.name, (item, case.suite))
        for item, suite in first.values():
            self._check(session, item, suite)
        for item, suite in first.values():
            self._announce(session, item, suite)

    def check_candidate(self, items: Sequence[pytest.Item]) -> None:
        """Prove that a checkpoint on the command line is tested by something.

        Raises:
            SettingsError: All suites take their responses from their records.
        """
        named, is_forced = self.settings.checkpoint, self.settings.checkpoint_forced
        if is_listing(self.config) or named is None or not is_forced or not self.announced:
            return
        asks = {"llm_model", "mmlu"}
        given = all(facts.get("responses") is not None for facts in self.announced.values())
        if given and not any(asks & set(getattr(item, "fixturenames", ())) for item in items):
            where = "--llm-judge-checkpoint"
            shown = self.shown_path(named)
            found = f"{shown} is tested by nothing: all responses are taken from the records"
            todo = "leave it out, or take responses= out of the marker"
            raise SettingsError(where, found, todo)

    def check_base(self) -> None:
        """Prove that a base named for this run is added to something; otherwise it does nothing.

        One of an ini file is for the suites with an adapter, which need not all run.

        Raises:
            SettingsError: All checkpoints, once they are planned, are no adapters.
        """
        # Fixtures of plain tests may ask the option's, which no suite has planned.
        named = dict.fromkeys((*self._models, self.settings.checkpoint))
        names = [checkpoint for checkpoint in named if checkpoint is not None]
        if is_listing(self.config) or not self.settings.base_forced or not names:
            return
        if not any(isinstance(name, Path) and is_adapter(name) for name in names):
            shown = ", ".join(self.shown_path(name) for name in names)
            found = f"no checkpoint of this run is a LoRA adapter, which alone has a base ({shown})"
            where, todo = "--llm-judge-base", "leave it out, or put an adapter under test"
            raise SettingsError(where, found, todo)

    def _check(self, session: pytest.Session, item: pytest.Item, suite: Suite) -> None:
        if is_ours(session, item, "llm_judge") and not _people_decide(suite):
            self.judge.identity  # noqa: B018  # asking for it is the check
        if suite.pairing is not None:
            self.pairings.check(suite)
        if suite.settings.responses is None and is_ours(session, item, "llm_model"):
            self._check_checkpoint(suite)
            if suite.pairing is not None:
                tested = self.model(suite.settings.checkpoint)
                self.pairings.check_apart(suite, tested.fingerprint)

    def _announce(self, session: pytest.Session, item: pytest.Item, suite: Suite) -> None:
        """Have the suite in the results also when it is never reached, or its fixtures fail."""
        judge: JudgeLike | None = None
        model: ModelLike | None = None
        if is_ours(session, item, "llm_judge") and not _people_decide(suite):
            judge = self.judge
        given = suite.settings.responses is not None
        if not given and is_ours(session, item, "llm_model"):
            model = self.model(suite.settings.checkpoint)
        checkpoint = None if given else self.checkpoint_facts(model)
        facts = self.announced[suite.name] = self._facts(suite, checkpoint, judge)
        self.store.note_suite(suite.name, facts, planned=True)
        for used in (model, self._other_model(suite)):
            watch(self, used)
        least = suite.settings.min_average
        if least is not None and 0 < least < 1:
            self.store.add_note(
                f"{suite.name}: min_average is {least:g} of 100 points, which hardly anything "
                f"misses; write {100 * least:g} if a share was meant"
            )
        if checkpoint is not None and suite.pairing is None:
            known = self.completeness.baseline_fingerprint(suite.name)
            if known and known == checkpoint[1]:
                self.store.add_note(
                    f"{suite.name}: the baseline was made with this very checkpoint; name the "
                    "candidate with --llm-judge-checkpoint"
                )

    def _check_checkpoint(self, suite: Suite) -> None:
        if suite.settings.checkpoint is None:
            todo = "give --llm-judge-checkpoint, or checkpoint= or responses= in the marker"
            raise SettingsError(suite.name, "it has no model under test", todo)
        self.model(suite.settings.checkpoint).check()

    def set_up(self, request: pytest.FixtureRequest) -> None:
        """Get an item's verdict; without one the item errs with a single line."""
        item: pytest.Item = request.node
        case: Case = request.param
        ready = problem = None
        try:
            ready = self._ready(case, request)
        except LlmJudgeError as error:
            problem = str(error)
        if ready is None:
            # Outside of the handler: pytest would show what the error was raised from.
            _note_property(item, "llm_judge_cause", "rig")
            pytest.fail(str(problem), pytrace=False)
        if case.record is None:
            item.stash[READY] = ready
            return
        item.stash[READY] = ready
        said: Verdict | Preference
        value: object
        if isinstance(ready, PairReady):
            pair = ready.outcome = ready.run.outcome(case.record, again=is_rerun(item))
            said, name, value = pair.verdict, "llm_judge_winner", pair.verdict.winner
        else:
            scored = ready.outcome = ready.run.outcome(case.record, again=is_rerun(item))
            said, name, value = scored.verdict, "llm_judge_score", scored.verdict.score
        if said.score is None:
            _note_property(item, "llm_judge_cause", "rig" if said.rig else "record")
            pytest.fail(printable(str(said.error)), pytrace=False)
        _note_property(item, name, value)

    def _ready(self, case: Case, request: pytest.FixtureRequest) -> Ready | PairReady:
        """Prepare what an item decides by; in strict mode all of a suite stands on its judge.

        Raises:
            LlmJudgeError: The rig failed, or the judge did.
        """
        fault = self.store.fault()
        if fault is not None:
            raise KnownProblemError(fault, rig=True)
        run = self._run(case.suite, request)
        ready = PairReady(case, run) if isinstance(run, PairRun) else Ready(case, run)
        checks, again = case.gate == JUDGE_CHECK, is_rerun(request.node)
        if checks or self.settings.check == "strict":
            self._check_judge(ready, again=checks and again)
        if case.record is None and not checks:
            run.prepare(again=again)
        return ready

    def _check_judge(self, ready: Ready | PairReady, *, again: bool) -> None:
        """Ask the judge about known answers; without a fit one only that gate goes on.

        Raises:
            LlmJudgeError: The rig failed, or the judge did.
        """
        case = ready.case
        if isinstance(ready, PairReady):
            ready.check = ready.run.check(again=again)
        else:
            ready.check = ready.run.check(again=again)
        if case.gate != JUDGE_CHECK and ready.check is not None and not ready.check.fit:
            name = case.suite.name
            if JUDGE_CHECK not in self.due.get(name, ()):
                # Nobody else tells why.
                found = f"the judge failed known answers: {ready.check.reason}"
                raise JudgeError(name, found, UNDECIDED)
            where, found = f"{name}[{JUDGE_CHECK}]", "the judge failed known answers"
            raise JudgeError(where, found, f"see there, {UNDECIDED}")

    def _run(self, suite: Suite, request: pytest.FixtureRequest) -> SuiteRun | PairRun:
        judge: JudgeLike | None = None
        if not _people_decide(suite):
            judge = request.getfixturevalue("llm_judge")
            judge = self.judge if isinstance(judge, ConfiguredJudge) else judge
        model: ModelLike | None = None
        if suite.settings.responses is None:
            model = self.model_of(request)
        run = self._runs.get(suite.name)
        if run is None:
            checkpoint = None if model is None else self.checkpoint_facts(model)
            agree_on_fixtures(self, suite.name, model, judge)
            self.store.note_suite(suite.name, self._facts(suite, checkpoint, judge))
            run = self._runs[suite.name] = self._make_run(suite, judge, model)
        if run.judge is not judge or run.model is not model:
            fixture = "llm_judge" if run.judge is not judge else "llm_model"
            found = f"{fixture} is made anew for every item"
            raise SettingsError(suite.name, found, 'give the fixture scope="session"')
        return run

    def _make_run(
        self, suite: Suite, judge: JudgeLike | None, model: ModelLike | None
    ) -> SuiteRun | PairRun:
        needed = [suite.records[index] for index in self.needed[suite.name]]
        pool = self.pool if isinstance(judge, Judge) else None
        in_flight = self.settings.concurrency
        if suite.pairing is None:
            assert judge is not None  # noqa: S101  # only pairs are decided by people
            return SuiteRun(
                suite,
                self.settings,
                self.store,
                judge=judge,
                model=model,
                needed=needed,
                worker=self.worker,
                pool=pool,
                in_flight=in_flight,
            )
        name = suite.settings.responses
        if model is not None:
            name, fingerprint, _ = self.checkpoint_facts(model)
            # Of a model of the user's own it is known only now.
            self.pairings.check_apart(suite, fingerprint)
        return PairRun(
            suite,
            self.settings,
            self.store,
            judge=judge,
            people=self.pairings.people(suite, str(name)),
            model=model,
            against=self.pairings.source(suite),
            needed=needed,
            worker=self.worker,
            pool=pool,
            in_flight=in_flight,
        )

    def check_unchanged(self, name: str, model: object, judge: object = None) -> None:
        """Prove that what a gate passes is what was judged.

        Raises:
            LlmJudgeError: A model of its suite is another one now, or a fixture's fingerprint is.
        """
        suite = self.suites.get(name)
        agree_on_fixtures(self, name, model, judge)
        for used in (model, None if suite is None else self._other_model(suite)):
            if isinstance(used, LocalModel):
                used.check_still_has(used.fingerprint)

    def _other_model(self, suite: Suite) -> Model | None:
        """Return the model that a suite of pairs is compared with, if it is."""
        pairing = suite.pairing
        if pairing is None or pairing.kind != "checkpoint":
            return None
        return self.model(pairing.against)

    def use_checkpoint_of(self, item: pytest.Item) -> None:
        """Let the ``llm_model`` fixture be the model that ``item`` is about."""
        case, exam_case = case_of(item), exam_case_of(item)
        if exam_case is not None:
            self._checkpoint = exam_case.exam.checkpoint
        else:
            settings = self.settings if case is None else case.suite.settings
            self._checkpoint = settings.checkpoint

    def model_of(self, request: pytest.FixtureRequest) -> ModelLike:
        """Return what ``llm_model`` is for an item: the model it is about, or the user's own.

        Raises:
            CheckpointError: No checkpoint is named.
        """
        model: ModelLike = request.getfixturevalue("llm_model")
        return self.model_in_use() if isinstance(model, ConfiguredModel) else model

    def model_in_use(self) -> Model:
        """Return the model that the item being run is about.

        Raises:
            CheckpointError: No checkpoint is named.
        """
        model = self.model(self._checkpoint)
        if self._checkpoint not in self._in_use:
            self._in_use.add(self._checkpoint)
            watch(self, model)
        return model

    def _facts(
        self, suite: Suite, checkpoint: list[Any] | None, judge: JudgeLike | None
    ) -> dict[str, Any]:
        """Describe a suite as plain data, for the process that writes the results."""
        pairing = suite.pairing
        return {
            "path": str(suite.path),
            "digest": suite.digest,
            "responses": suite.settings.responses,
            "sample": suite.settings.sample,
            "total": len(suite.records),
            "min_score": suite.settings.min_score,
            "min_average": suite.settings.min_average,
            "due": self.due.get(suite.name, []),
            "checkpoint": checkpoint,
            "judge": None if _people_decide(suite) else _judge_facts(judge),
            "pairing": None
            if pairing is None
            else {
                "against": asdict(self.pairings.reference(suite)),
                "field": pairing.against if pairing.kind == "field" else None,
                "votes": None if pairing.votes is None else self.shown_path(pairing.votes),
                "min_win_rate": pairing.min_win_rate,
            },
        }

    def checkpoint_facts(self, model: object) -> list[Any]:
        """Describe a model under test as plain data; ``None`` is one that nobody has seen."""
        if model is None:
            return ["llm_model", "", None]
        if not isinstance(model, Model):
            return [type(model).__name__, fingerprint_of(model), None]
        info = model.info
        return [self.shown_path(info.path), info.fingerprint, info.parameters]

    def shown_path(self, path: Path | str) -> str:
        """Write ``path`` as seen from pytest's root folder, so that files do not differ.

        The name of a served model is shown as it is.
        """
        if isinstance(path, str):
            return path
        full = path.resolve()
        root = self.config.rootpath
        return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


class ConfiguredModel:
    """The model that options and markers name, as the ``llm_model`` fixture gives it.

    In an item of a suite it is the suite's, elsewhere the one of ``--llm-judge-checkpoint``.
    """

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    @property
    def fingerprint(self) -> str:
        """A text that changes when the model's answers may."""
        return self._session.model_in_use().fingerprint

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Return the model's greedy continuation of each prompt."""
        model = self._session.model_in_use()
        return model.generate(prompts, max_new_tokens=max_new_tokens)


class ConfiguredJudge:
    """The judge that the options name, as the ``llm_judge`` fixture gives it."""

    def __init__(self, session: LlmSession) -> None:
        self._session = session

    def score(self, record: Record, response: str) -> Verdict:
        """Ask the judge about one response; not cached."""
        return self._session.judge.score(record, response)

    def compare(self, record: Record, a: str, b: str) -> Preference:
        """Ask the judge which of two responses is better, in both orders; not cached."""
        return self._session.judge.compare(record, a, b)


def checked_case(item: pytest.Item) -> Case | None:
    """Return what ``item`` is about.

    Raises:
        SettingsError: It is marked, but cannot be judged as it is collected.
    """
    case = case_of(item)
    if case is None:
        marker = item.get_closest_marker(MARKER) or item.get_closest_marker(PAIR_MARKER)
        if marker is None:
            return None
        found = f"{marker.name} marks what pytest cannot parametrise"
        todo = "write it as a plain function or as a method of a plain class"
        raise SettingsError(item.nodeid, found, todo)
    if len(item.callspec.params) > 1:  # type: ignore[attr-defined]
        others = ", ".join(name for name in item.callspec.params if name != FIXTURE)  # type: ignore[attr-defined]
        todo = "write one marked function for each variant"
        raise SettingsError(case.suite.name, f"it is parametrised by {others} as well", todo)
    return case


def _note_property(item: pytest.Item, name: str, value: object) -> None:
    """Put a property on an item for JUnit XML, in the place of what an earlier try left."""
    ours = {"llm_judge_score", "llm_judge_winner", "llm_judge_cause"}
    kept = [pair for pair in item.user_properties if pair[0] not in ours]
    item.user_properties[:] = [*kept, (name, value)]


def _people_decide(suite: Suite) -> bool:
    return suite.pairing is not None and suite.pairing.votes is not None


def is_rerun(item: pytest.Item) -> bool:
    """Say whether pytest-rerunfailures runs ``item`` once more."""
    return bool(getattr(item, "execution_count", 1) > 1)


def judge_identity(judge: JudgeLike | None) -> JudgeIdentity:
    """Return what decides a judge's answers; ``None`` is one that nobody has seen.

    Raises:
        JudgeError: It cannot be had.
    """
    if isinstance(judge, Judge):
        return judge.identity
    name = "llm_judge" if judge is None else type(judge).__name__
    return JudgeIdentity(name, "custom", "", judge_fingerprint(judge) or "", {})


def _judge_facts(judge: JudgeLike | None) -> dict[str, Any]:
    identity = judge_identity(judge)
    label = judge.label if isinstance(judge, Judge) else f"{identity.model} (custom)"
    return {**asdict(identity), "label": label}


def is_ours(session: pytest.Session, item: pytest.Item, fixture: str) -> bool:
    """Say whether ``item`` gets our own fixture; pytest has no public way to ask."""
    manager = session._fixturemanager  # noqa: SLF001
    definitions = manager.getfixturedefs(fixture, item)
    return definitions is not None and definitions[-1].func.__module__ == _OUR_FIXTURES
