"""Plans a run: what it needs, that all of it is there, and what the results say beforehand."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.generation.base import LocalModel
from pytest_llmjudge.judging.judge import CUSTOM
from pytest_llmjudge.kinds.base import JUDGE_CHECK
from pytest_llmjudge.kinds.markers import ASK_MODEL, MARKERS
from pytest_llmjudge.pipeline.judge_resources import judge_facts
from pytest_llmjudge.pipeline.models import is_judge_of_itself
from pytest_llmjudge.pipeline.resources import MAIN
from pytest_llmjudge.plugin.cases import FIXTURE, Case, case_of
from pytest_llmjudge.plugin.configured import is_ours
from pytest_llmjudge.plugin.options import is_listing
from pytest_llmjudge.plugin.output_conflicts import check_inputs
from pytest_llmjudge.settings import EMBEDDED, LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest

    from pytest_llmjudge.generation.base import Model
    from pytest_llmjudge.judging.judge import Judge
    from pytest_llmjudge.kinds.base import Suite
    from pytest_llmjudge.pipeline import JudgeLike
    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.sharding import Shard

__all__ = [
    "EARLY_NOTES",
    "USES_JUDGE",
    "check_explain",
    "check_ray",
    "plan",
    "suite_facts",
    "template_notes",
]

NOT_ASKED = "not asked"
"""What reports call the judge of a suite of which only the data is looked at."""
_FIRST_WORKER = "gw0"
EARLY_NOTES = "early_notes"
"""The key of a planned suite's facts with what is said of it before work begins."""
USES_JUDGE = "uses_judge"
"""The key of a planned suite's facts that says whether it needs a judge."""
_REPEATED = "__pytest_repeat_step_number"
"""By what pytest-repeat parametrises a function."""


def plan(session: LlmSession, collected: pytest.Session) -> None:
    """Note what this run needs, and prove that judge, models and data are there.

    Raises:
        LlmJudgeError: One of them is not.
    """
    first: dict[str, tuple[pytest.Item, Suite[Any]]] = {}
    cases: dict[str, list[Case]] = {}
    for item in collected.items:
        case = _checked_case(item)
        if case is not None:
            first.setdefault(case.suite.name, (item, case.suite))
            cases.setdefault(case.suite.name, []).append(case)
    for name, of_suite in cases.items():
        session.due[name] = [case.id for case in of_suite if case.is_gate]
        session.needed[name] = _needed(of_suite, session.settings.shard)
    if is_listing(session.config):
        return
    check_inputs(session)
    _check_data(session)
    # What decides over data alone needs neither model nor judge.
    first = {name: one for name, one in first.items() if not _is_data_only(cases[name])}
    if first and session.settings.checkpoint_forced:
        session.resources.models.get(session.settings.checkpoint).info  # noqa: B018  # the check
    _fit_context(session)
    for item, suite in first.values():
        _check(session, collected, item, suite)
    for name, of_suite in cases.items():
        if name in first:
            _announce(session, collected, *first[name])
        else:
            _announce_unseen(session, of_suite[0].suite)


def _check_data(session: LlmSession) -> None:
    """Prove that what gates over data need is there, in one process for all.

    The first worker of xdist will do: no worker gets an item before all have planned.
    """
    if session.resources.worker not in {MAIN, _FIRST_WORKER}:
        return
    for name, gates in session.due.items():
        suite = session.suites[name]
        if not set(gates).isdisjoint(suite.data_gates):
            suite.check_data(session.resources)


def _is_data_only(cases: Sequence[Case]) -> bool:
    return all(case.is_data_gate for case in cases)


def _announce_unseen(session: LlmSession, suite: Suite[Any]) -> None:
    """Have a suite in the results of which only the data is looked at."""
    facts = session.announced[suite.name] = suite_facts(session, suite, None, None)
    if facts["judge"] is not None:
        facts["judge"]["label"] = NOT_ASKED
    if facts["checkpoint"] is not None and suite.checkpoint is not None:
        facts["checkpoint"][0] = session.resources.models.shown_path(suite.checkpoint)
    planned = {**facts, EARLY_NOTES: [], USES_JUDGE: False}
    session.store.note_suite(suite.name, planned, planned=True)


def _fit_context(session: LlmSession) -> None:
    """Let the judge's context hold every question of the suites that were collected.

    Those that are deselected count as well, and all of their records, so that a part of a run has
    the context of the whole, and with it the cached verdicts.
    """
    judges = session.resources.judges
    if judges.fits_context:
        asking = (suite for suite in session.suites.values() if suite.uses_judge)
        sizes = (suite.longest_question(session.settings) for suite in asking)
        judges.fit_context(max(sizes, default=0))


def _needed(cases: Sequence[Case], shard: Shard | None) -> list[str]:
    """Return the ids of the samples that items need, in the suite's order.

    Args:
        cases: The items of the suite.
        shard: Whose samples these are; ``None`` for all.
    """
    suite = cases[0].suite
    before = {JUDGE_CHECK, *suite.data_gates}
    gates = [case.id for case in cases if case.is_gate and case.id not in before]
    needed = {case.id for case in cases if not case.is_gate}
    needed.update(*map(suite.needed_by, gates))
    return [
        sample
        for sample in suite.samples
        if sample in needed and (shard is None or sample in shard)
    ]


def _checked_case(item: pytest.Item) -> Case | None:
    """Return what ``item`` is about.

    Raises:
        SettingsError: It is marked, but cannot be run as it is collected.
    """
    case = case_of(item)
    if case is None:
        marker = next((name for name, *_ in MARKERS if item.get_closest_marker(name)), None)
        if marker is None:
            return None
        problem = f"{marker} marks what pytest cannot parametrise"
        hint = "write it as a plain function or as a method of a plain class"
        raise SettingsError(item.nodeid, problem, hint)
    if len(item.callspec.params) > 1:  # type: ignore[attr-defined]
        others = ", ".join(name for name in item.callspec.params if name != FIXTURE)  # type: ignore[attr-defined]
        if others == _REPEATED:
            problem = (
                "pytest-repeat runs it several times, and its verdicts are kept after the first"
            )
            hint = "leave out --count and the marker repeat, and ask again with --llm-judge-samples"
            raise SettingsError(case.suite.name, problem, hint)
        hint = "write one marked function for each variant"
        raise SettingsError(case.suite.name, f"it is parametrised by {others} as well", hint)
    return case


def _check(
    session: LlmSession, collected: pytest.Session, item: pytest.Item, suite: Suite[Any]
) -> None:
    resources = session.resources
    if suite.uses_judge and is_ours(collected, item, "llm_judge"):
        identity = resources.judges.judge.identity
        if resources.judges.fits_context:
            session.store.add_note(_fitted(identity.options["num_ctx"]))
        suite.check_judge(identity)
    needs_model = suite.uses_model and is_ours(collected, item, "llm_model")
    if needs_model and suite.checkpoint is None:
        raise suite.no_model()
    suite.check(resources)
    for other in suite.other_models(resources):
        suite.check_prompts_of(other)
    if not needs_model:
        return
    model = resources.models.get(suite.checkpoint)
    model.check()
    suite.check_prompts_of(model)
    suite.check_model(resources, model.fingerprint)


def _fitted(context: object) -> str:
    return (
        f"--llm-judge-context=auto: the judge has a context of {context} tokens; verdicts of "
        "another context are not taken from the cache"
    )


def _announce(
    session: LlmSession, collected: pytest.Session, item: pytest.Item, suite: Suite[Any]
) -> None:
    """Have the suite in the results also when it is never reached, or its fixtures fail."""
    resources = session.resources
    judge: Judge | None = None
    model: Model | None = None
    if suite.uses_judge and is_ours(collected, item, "llm_judge"):
        judge = resources.judges.judge
    if suite.uses_model and is_ours(collected, item, "llm_model"):
        model = resources.models.get(suite.checkpoint)
    facts = session.announced[suite.name] = suite_facts(session, suite, model, judge)
    readers = (model, *suite.other_models(resources))
    notes = [text for one in readers for text in template_notes(session, suite, one)]
    early = [*notes, *filter(None, [session.early_notes.get(suite.name)])]
    planned = {**facts, EARLY_NOTES: early, USES_JUDGE: suite.uses_judge}
    session.store.note_suite(suite.name, planned, planned=True)
    for used in readers:
        resources.models.watch(used)
    if model is not None and judge is not None and is_judge_of_itself(model, judge.identity):
        shown = resources.models.shown_path(model.info.path)
        session.store.add_note(
            f"{suite.name}: the judge is the model under test ({shown}), and models rate their own "
            "responses higher than others do; take another judge"
        )
    fingerprint = "" if model is None else model.fingerprint
    for text in (*notes, *suite.advice(session.baseline_fingerprint(suite.name), fingerprint)):
        session.store.add_note(text)


def template_notes(session: LlmSession, suite: Suite[Any], model: Model | None) -> Iterator[str]:
    """Yield that a suite leaves a model's chat template out, which nobody may have meant.

    Args:
        session: Of this process.
        suite: Any.
        model: One that reads its prompts; ``None`` when it is not of this package's own.
    """
    if model is not None and suite.ignores_template() and model.chat_template:
        shown = session.resources.models.shown_path(model.info.path)
        yield (
            f"{suite.name}: its prompts are in Alpaca form, and {shown} has a chat template; write "
            'prompt="chat" if it was finetuned on that'
        )


def suite_facts(
    session: LlmSession, suite: Suite[Any], model: object, judge: JudgeLike | None
) -> dict[str, Any]:
    """Describe a suite as plain data, for the process that writes the results.

    Args:
        session: Of this process.
        suite: Any.
        model: Under test; ``None`` when nobody has seen it yet.
        judge: The same.

    Raises:
        LlmJudgeError: Model or judge has no usable fingerprint.
    """
    return {
        **suite.facts(session.resources),
        "kind": suite.kind.name,
        "due": session.due.get(suite.name, []),
        "gates": list(chain.from_iterable(suite.gates(session.settings))),
        "rule": asdict(session.rule(suite)) if session.is_compared(suite) else None,
        "checkpoint": session.resources.models.facts(model) if suite.uses_model else None,
        "judge": judge_facts(judge) if suite.uses_judge else None,
    }


def check_ray(session: LlmSession, collected: pytest.Session) -> None:
    """Prove that there are actors of Ray, and a model in files that they can hold.

    Ray of an ini file is for the suites with such a model, which need not all run.

    Raises:
        SettingsError: No model of this run is in files, or the cluster cannot be used.
    """
    resources = session.resources
    if resources.actors is None or is_listing(session.config):
        return
    models = _models_in_files(session, collected)
    is_needed = session.announced and not session.is_repeated_part
    if not models and session.settings.ray_forced and is_needed:
        where, problem = "--llm-judge-ray", "only models in files run on it, and this run has none"
        raise SettingsError(where, problem, "leave it out")
    # One process looks for all: no worker of xdist gets an item before all have planned.
    if models and resources.worker in {MAIN, _FIRST_WORKER}:
        resources.actors.check(models)


def _models_in_files(
    session: LlmSession, collected: pytest.Session
) -> dict[str, LocalModel[Any, Any]]:
    """Return the models that this run loads from files, by the names that are shown."""
    settings, resources = session.settings, session.resources
    found = list(resources.models.watched)
    # Plain tests ask the option's by fixtures, which no suite has planned.
    asked = any(
        ASK_MODEL & set(getattr(item, "fixturenames", ()))
        for item in collected.items
        if case_of(item) is None and is_ours(collected, item, "llm_model")
    )
    if asked and settings.checkpoint is not None:
        model = resources.models.get(settings.checkpoint)
        found += [model] if isinstance(model, LocalModel) else []
    shown, judge = resources.models.shown_path, resources.judges.in_files
    named = {} if judge is None else {f"{LOCAL}{shown(judge.path)}": judge}
    return named | {shown(model.info.path): model for model in found}


def check_explain(session: LlmSession) -> None:
    """Prove that a judge of this run can explain failures, where the command line wants that.

    What an ini file wants is left out where it cannot be had, and a note says so.

    Raises:
        SettingsError: No suite is scored by a judge that can.
    """
    settings = session.settings
    if settings.explain == 0 or is_listing(session.config) or not session.announced:
        return
    judged = [name for name in session.announced if session.suites[name].kind.explains]
    # Of suites of which only the data is looked at, no judge is seen.
    seen = [name for name in judged if session.announced[name]["judge"]["label"] != NOT_ASKED]
    own = [name for name in seen if session.announced[name]["judge"]["backend"] == CUSTOM]
    where = "--llm-judge-explain"
    if settings.explain_forced and not judged and not session.is_repeated_part:
        problem = "no suite of this run has responses that a judge scores"
        raise SettingsError(where, problem, "leave it out")
    if settings.explain_forced and own and own == seen and not session.is_repeated_part:
        problem = "llm_judge is a judge of the user's own, which is not asked what is wrong"
        hint = "leave it out, and put what is wrong into the reply of the Verdict"
        raise SettingsError(where, problem, hint)
    if settings.model == EMBEDDED:
        own = seen
    for name in own:
        note = "no failure is explained, because its judge cannot say what is wrong"
        session.store.add_note(f"{name}: {note}")
