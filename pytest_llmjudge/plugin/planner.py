"""Plans a run: what it needs, that all of it is there, and what the results say beforehand."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.generation.base import LocalModel
from pytest_llmjudge.generation.checkpoint_info import is_adapter
from pytest_llmjudge.generation.factory import takes_tokenizer
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
    from collections.abc import Iterable, Iterator, Sequence

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
    "check_base",
    "check_candidate",
    "check_explain",
    "check_labels_options",
    "check_ray",
    "check_responses_field",
    "check_server_options",
    "check_tokenizer",
    "note_suite_options",
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


def check_candidate(session: LlmSession, items: Iterable[pytest.Item]) -> None:
    """Prove that a checkpoint on the command line is tested by something.

    Raises:
        SettingsError: All suites take their responses from their records.
    """
    named, is_forced = session.settings.checkpoint, session.settings.checkpoint_forced
    if is_listing(session.config) or named is None or not is_forced or not session.announced:
        return
    given = not any(session.suites[name].uses_model for name in session.announced)
    if given and not any(ASK_MODEL & set(getattr(item, "fixturenames", ())) for item in items):
        where = "--llm-judge-checkpoint"
        shown = session.resources.models.shown_path(named)
        problem = f"{shown} is tested by nothing: all responses are taken from the records"
        hint = "leave it out, or take responses= out of the marker"
        if session.settings.responses_field is not None:
            hint = "leave it out, or do without --llm-judge-responses-field"
        raise SettingsError(where, problem, hint)


def check_responses_field(session: LlmSession) -> None:
    """Prove that a field on the command line is where a suite has its responses.

    Raises:
        SettingsError: No suite takes its responses from there.
    """
    settings = session.settings
    field = settings.responses_field
    if not settings.responses_field_forced or not session.announced:
        return
    if all(facts.get("responses") != field for facts in session.announced.values()):
        where = "--llm-judge-responses-field"
        problem = f'no suite of this run takes its responses from "{field}"'
        hint = "leave it out, or take checkpoint= or responses= out of the marker"
        raise SettingsError(where, problem, hint)


def check_baseline(session: LlmSession) -> None:
    """Prove that a baseline on the command line is compared with a suite.

    Raises:
        SettingsError: No suite of this run is held to one.
    """
    suites = session.suites.values()
    if not session.settings.baseline_forced or is_listing(session.config) or not suites:
        return
    if not any(session.is_compared(suite) for suite in suites):
        where, problem = "--llm-judge-baseline", "no suite of this run is compared with it"
        hint = "leave it out: suites of pairs compare two models already"
        raise SettingsError(where, problem, hint)


def check_labels_options(session: LlmSession) -> None:
    """Prove that options on the command line about people's labels concern a suite.

    Raises:
        SettingsError: One of them does not.
    """
    settings, announced = session.settings, session.announced.values()
    if not announced:
        return
    problems = []
    path = None if settings.labels is None else session.resources.models.shown_path(settings.labels)
    is_taken = any((facts.get("labels") or {}).get("path") == path for facts in announced)
    nobody = f"no suite of this run takes its labels from {path}"
    for flag in settings.labels_options:
        key = flag.removeprefix("--llm-judge-").replace("-", "_")
        value = getattr(settings, key)
        if key == "labels":
            if not is_taken:
                hint = (
                    "label the responses of this run with llmjudge label, or leave labels= out of "
                    "the marker"
                )
                problems.append(SettingsError(flag, nobody, hint))
        elif all(facts.get(key) != value for facts in announced):
            problem = (
                "it decides nothing: no suite of this run has labels and leaves this to the option"
            )
            hint = "name labels with --llm-judge-labels, or leave it out"
            problems.append(SettingsError(flag, problem, hint))
    if problems:
        first, *others = problems
        raise SettingsError(first.where, first.problem, first.hint, more=tuple(others))
    # Those of an ini file are for suites that need not all run.
    if path is not None and not is_taken and any("labels" in facts for facts in announced):
        note = f"llm_judge_labels: {nobody}, so that they correct no average and hold no judge"
        session.store.add_note(note)


def note_suite_options(session: LlmSession) -> None:
    """Note which options on the command line no suite obeys, because each has its own of a marker.

    A marker may win over them, so that this is no error.
    """
    for flag in session.settings.suite_options if session.announced else ():
        key = flag.removeprefix("--llm-judge-").replace("-", "_")
        value = getattr(session.settings, key)
        if all(facts.get(key) != value for facts in session.announced.values()):
            problem = "it changes nothing: no suite of this run leaves that to the option"
            session.store.add_note(f"{flag}: {problem}")


def check_base(session: LlmSession) -> None:
    """Prove that a base named for this run is added to something; otherwise it does nothing.

    One of an ini file is for the suites with an adapter, which need not all run.

    Raises:
        SettingsError: All checkpoints, once they are planned, are no adapters.
    """
    names = _checkpoints(session) if session.settings.base_forced else None
    if names is None or any(isinstance(name, Path) and is_adapter(name) for name in names):
        return
    shown = ", ".join(map(session.resources.models.shown_path, names)) or _NO_CHECKPOINT
    problem = f"no checkpoint of this run is a LoRA adapter, which alone has a base ({shown})"
    where, hint = "--llm-judge-base", "leave it out, or put an adapter under test"
    raise SettingsError(where, problem, hint)


def check_checkpoint_url(session: LlmSession) -> None:
    """Prove that a server named for this run is asked for a model under test.

    Raises:
        SettingsError: No model of this run is at a server.
    """
    names = _checkpoints(session) if session.settings.checkpoint_url_forced else None
    if names is None or any(isinstance(name, str) for name in names):
        return
    where, problem = "--llm-judge-checkpoint-url", "no model under test of this run is at a server"
    hint = "leave it out, or name one as in --llm-judge-checkpoint=ollama:NAME or openai:NAME"
    raise SettingsError(where, problem, hint)


def check_server_options(session: LlmSession) -> None:
    """Prove that options on the command line for requests to a server reach one.

    Raises:
        SettingsError: The judge and all models under test run in this process.
    """
    settings = session.settings
    if is_listing(session.config) or not (settings.is_judge_local and settings.server_options):
        return
    named = (*session.resources.models.named, settings.checkpoint)
    if not any(isinstance(checkpoint, str) for checkpoint in named):
        where, problem = ", ".join(settings.server_options), "no model of this run is at a server"
        raise SettingsError(where, problem, "leave it out")


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
    if not models and session.settings.ray_forced and session.announced:
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
    if settings.explain_forced and not judged:
        problem = "no suite of this run has responses that a judge scores"
        raise SettingsError(where, problem, "leave it out")
    if settings.explain_forced and own and own == seen:
        problem = "llm_judge is a judge of the user's own, which is not asked what is wrong"
        hint = "leave it out, and put what is wrong into the reply of the Verdict"
        raise SettingsError(where, problem, hint)
    if settings.model == EMBEDDED:
        own = seen
    for name in own:
        note = "no failure is explained, because its judge cannot say what is wrong"
        session.store.add_note(f"{name}: {note}")


def check_tokenizer(session: LlmSession) -> None:
    """Prove that a tokenizer named for this run is taken by a checkpoint, as for a base.

    Raises:
        SettingsError: All checkpoints, once they are planned, have one of their own.
    """
    settings = session.settings
    names = _checkpoints(session) if settings.tokenizer_forced else None
    if names is None or any(takes_tokenizer(name, settings.base) for name in names):
        return
    shown = ", ".join(map(session.resources.models.shown_path, names)) or _NO_CHECKPOINT
    problem = f"no checkpoint of this run takes a tokenizer from elsewhere ({shown})"
    where, hint = "--llm-judge-tokenizer", "leave it out, or put a checkpoint file under test"
    raise SettingsError(where, problem, hint)


_NO_CHECKPOINT = "it has none"


def _checkpoints(session: LlmSession) -> list[Path | str] | None:
    """Return the models that a run tests; ``None`` where it only lists items or has no suite."""
    # Fixtures of plain tests may ask the option's, which no suite has planned.
    named = dict.fromkeys((*session.resources.models.named, session.settings.checkpoint))
    checkpoints = [checkpoint for checkpoint in named if checkpoint is not None]
    is_run = not is_listing(session.config) and (checkpoints or session.announced)
    return checkpoints if is_run else None
