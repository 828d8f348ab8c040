"""Lines at the head of a run: the judge, the model under test, the cache."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_llmjudge.data import CheckpointReference
from pytest_llmjudge.errors import LlmJudgeError, one_line
from pytest_llmjudge.kinds.base import JUDGE_CHECK
from pytest_llmjudge.plugin.cases import case_of
from pytest_llmjudge.plugin.identity import agree_on_judge, agree_on_model
from pytest_llmjudge.plugin.options import is_listing
from pytest_llmjudge.plugin.planner import EARLY_NOTES, USES_JUDGE, template_notes
from pytest_llmjudge.reporting.terminal import checkpoint_line
from pytest_llmjudge.settings import EMBEDDED, Decoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pytest

    from pytest_llmjudge.plugin.session import LlmSession

__all__ = [
    "asks_judge",
    "cache_lines",
    "candidate_lines",
    "judge_lines",
    "model_lines",
    "planned_lines",
    "ray_lines",
]


def asks_judge(session: LlmSession, items: Iterable[pytest.Item]) -> bool:
    """Say whether anything that this process collected, and will run, needs a judge."""
    # What decides over data alone needs no sample.
    asking = (
        name for name, due in session.due.items() if session.needed[name] or JUDGE_CHECK in due
    )
    return any(session.suites[name].uses_judge for name in asking) or any(
        case_of(item) is None and "llm_judge" in getattr(item, "fixturenames", ()) for item in items
    )


def judge_lines(session: LlmSession) -> list[str]:
    """Name the judge, and say how it is asked; a problem is reported where it ends the run.

    Raises:
        SettingsError: A worker that was faster sees another judge.
    """
    if is_listing(session.config):
        return []
    lines = (f"llm-judge: judge {_judge(session)}", *_how_judged(session))
    return [one_line(line) for line in lines]


def candidate_lines(session: LlmSession) -> list[str]:
    """Name the model that the options name, as :func:`judge_lines` does the judge.

    Raises:
        SettingsError: A worker that was faster sees another model.
    """
    if is_listing(session.config):
        return []
    lines = []
    if session.settings.checkpoint is not None and _is_candidate(session):
        lines.append(f"llm-judge: model {_model(session, session.settings.checkpoint)}")
    lines += _how_generated(session)
    return list(map(one_line, lines))


def cache_lines(session: LlmSession) -> list[str]:
    """Say where responses and verdicts are kept."""
    if is_listing(session.config):
        return []
    return [one_line(f"llm-judge: cache {_cache(session)}")]


def _is_candidate(session: LlmSession) -> bool:
    """Say whether suites that name neither a model nor a field ask the options' model."""
    settings = session.settings
    if settings.responses_field_forced:
        return False
    return settings.checkpoint_forced or settings.responses_field is None


def _how_generated(session: LlmSession) -> Iterator[str]:
    settings, is_own = session.settings, _is_overridden(session, "llm_model")
    if settings.concurrency > 1 and isinstance(settings.checkpoint, str) and not is_own:
        yield _in_flight(settings.concurrency)
    if settings.decoding != Decoding() and is_own:
        yield "llm-judge: temperature, seed and stop texts do not reach a conftest's own llm_model"


def _in_flight(number: int) -> str:
    return (
        f"llm-judge: {number} requests in flight at each server, under which some models change "
        "their answers"
    )


def _how_judged(session: LlmSession) -> Iterator[str]:
    settings = session.settings
    judges = settings.model != EMBEDDED and not _is_overridden(session, "llm_judge")
    if judges and settings.is_judge_local:
        yield _in_turns(session)
    elif judges and settings.concurrency > 1:
        yield _in_flight(settings.concurrency)
    if judges and settings.samples > 1 and settings.ask != "integer":
        yield "llm-judge: 1 sample for each record, because a weighted answer does not vary"
    if settings.model == EMBEDDED and (settings.samples > 1 or settings.ask != "integer"):
        yield "llm-judge: --llm-judge-ask and --llm-judge-samples do nothing to the embedded judge"


def _in_turns(session: LlmSession) -> str:
    """Say what is done to the memory of a judge in this process, and which engine runs it."""
    engine = ""
    # A judge that cannot be used is reported where the run plans.
    with suppress(LlmJudgeError):
        engine = session.resources.judges.engine
    where = "in this process" if session.resources.actors is None else "on actors of Ray"
    return (
        f"llm-judge: the judge runs {where}{f' ({engine})' if engine else ''}; it and a model "
        "under test that does too are in memory one after the other"
    )


def model_lines(session: LlmSession) -> list[str]:
    """Name the models that only markers name, and say what is known of suites by now."""
    if is_listing(session.config):
        return []
    chosen = {named for suite in session.suites.values() for named in suite.named_models()}
    candidate = session.settings.checkpoint
    if _is_candidate(session):
        chosen.discard(candidate)
    elif any(candidate in suite.checkpoints() for suite in session.suites.values()):
        chosen.add(candidate)
    lines = (one_line(f"llm-judge: model {_model(session, path)}") for path in chosen if path)
    notes = (one_line(f"llm-judge: {note}") for note in session.early_notes.values())
    return [*sorted(lines), *_template_lines(session), *notes]


def planned_lines(session: LlmSession, judge: Sequence[str]) -> list[str]:
    """Say of suites what a worker of xdist has noted for the time before work begins.

    Args:
        session: Of the controller.
        judge: The lines on the judge, which are for runs that need one.
    """
    suites = session.store.suites().values()
    notes = (one_line(f"llm-judge: {note}") for facts in suites for note in facts[EARLY_NOTES])
    return [*(judge if any(facts[USES_JUDGE] for facts in suites) else ()), *notes]


def ray_lines(session: LlmSession) -> list[str]:
    """Say which nodes of Ray take part, once the process that checked them has noted it."""
    actors = session.resources.actors
    if actors is None or is_listing(session.config):
        return []
    return [one_line(f"llm-judge: {line}") for line in actors.lines]


def _template_lines(session: LlmSession) -> Iterator[str]:
    if _is_overridden(session, "llm_model"):
        return
    for suite in session.suites.values():
        if not suite.ignores_template():
            continue
        for checkpoint in suite.checkpoints():
            # Without a model, or with one that cannot be used, the run says so where it plans.
            with suppress(LlmJudgeError):
                model = session.resources.models.get(checkpoint)
                for note in template_notes(session, suite, model):
                    yield one_line(f"llm-judge: {note}")


def _judge(session: LlmSession) -> str:
    if _is_overridden(session, "llm_judge"):
        return "of a conftest's own"
    try:
        label = session.resources.judges.judge.label
    except LlmJudgeError as error:
        name = session.settings.model
        # The name of a judge in this process is the path, where the error is.
        where = "" if session.settings.is_judge_local else f"{error.where}: "
        return f"{name} ({where}{error.problem})"
    agree_on_judge(session, session.resources.judges.judge.identity)
    return label


def _is_overridden(session: LlmSession, fixture: str) -> bool:
    """Say whether a conftest that pytest has loaded by now has the fixture."""
    plugins = session.config.pluginmanager.get_plugins()
    return any(
        fixture in vars(plugin)
        for plugin in plugins
        if isinstance(plugin, ModuleType) and not plugin.__name__.startswith("pytest_llmjudge.")
    )


def _model(session: LlmSession, path: Path | str) -> str:
    try:
        model = session.resources.models.get(path)
        info, engine = model.info, model.engine
    except LlmJudgeError as error:
        where = f"{error.where}: " if isinstance(path, str) else ""
        return f"{session.resources.models.shown_path(path)} ({where}{error.problem})"
    agree_on_model(session, session.resources.models.shown_path(info.path), info.fingerprint)
    shown = session.resources.models.shown_path(path)
    reference = CheckpointReference(shown, info.fingerprint, info.parameters)
    is_verbose = session.config.get_verbosity() > 0
    return checkpoint_line(reference, fingerprint=is_verbose, engine=engine)


def _cache(session: LlmSession) -> str:
    if not hasattr(session.config, "cache"):
        return "off, because pytest's cacheprovider is"
    if session.settings.cache == "off":
        return "off"
    folder = session.resources.models.shown_path(session.store.folder)
    if session.settings.cache == "refresh":
        return f"{folder}, made anew"
    return f"{folder} (--llm-judge-cache=use)" if session.config.get_verbosity() > 0 else folder
