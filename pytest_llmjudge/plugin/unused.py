"""Refuses options on the command line that nothing of a run obeys, which would go unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.generation.checkpoint_info import is_adapter
from pytest_llmjudge.generation.factory import takes_tokenizer
from pytest_llmjudge.kinds.markers import ASK_MODEL
from pytest_llmjudge.plugin.options import is_listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest

    from pytest_llmjudge.plugin.session import LlmSession

__all__ = ["check_unused"]

_NO_CHECKPOINT = "it has none"


def check_unused(session: LlmSession, items: Iterable[pytest.Item]) -> None:
    """Prove that each option that is meant for this run reaches a suite of it.

    What ``--lf`` repeats has the options of the whole run, and may leave out whom they are for.

    Args:
        session: Of this process, planned.
        items: All that are selected.

    Raises:
        SettingsError: One of them does not.
    """
    if is_listing(session.config) or session.is_repeated_part:
        return
    # Fixtures of plain tests may ask the option's, which no suite has planned.
    named = dict.fromkeys((*session.resources.models.named, session.settings.checkpoint))
    checkpoints = [checkpoint for checkpoint in named if checkpoint is not None]
    if checkpoints or session.announced:
        _check_base(session, checkpoints)
        _check_tokenizer(session, checkpoints)
        _check_checkpoint_url(session, checkpoints)
    _check_server_options(session, checkpoints)
    if session.announced:
        _check_candidate(session, items)
        _check_responses_field(session)
        _check_baseline(session)
        _check_labels_options(session)
        _note_suite_options(session)


def _check_base(session: LlmSession, checkpoints: Sequence[Path | str]) -> None:
    """Prove that a base named for this run is added to something; otherwise it does nothing.

    One of an ini file is for the suites with an adapter, which need not all run.

    Raises:
        SettingsError: All checkpoints, once they are planned, are no adapters.
    """
    if not session.settings.base_forced:
        return
    if any(isinstance(checkpoint, Path) and is_adapter(checkpoint) for checkpoint in checkpoints):
        return
    shown = ", ".join(map(session.resources.models.shown_path, checkpoints)) or _NO_CHECKPOINT
    problem = f"no checkpoint of this run is a LoRA adapter, which alone has a base ({shown})"
    where, hint = "--llm-judge-base", "leave it out, or put an adapter under test"
    raise SettingsError(where, problem, hint)


def _check_tokenizer(session: LlmSession, checkpoints: Sequence[Path | str]) -> None:
    """Prove that a tokenizer named for this run is taken by a checkpoint, as for a base.

    Raises:
        SettingsError: All checkpoints, once they are planned, have one of their own.
    """
    settings = session.settings
    if not settings.tokenizer_forced:
        return
    if any(takes_tokenizer(checkpoint, settings.base) for checkpoint in checkpoints):
        return
    shown = ", ".join(map(session.resources.models.shown_path, checkpoints)) or _NO_CHECKPOINT
    problem = f"no checkpoint of this run takes a tokenizer from elsewhere ({shown})"
    where, hint = "--llm-judge-tokenizer", "leave it out, or put a checkpoint file under test"
    raise SettingsError(where, problem, hint)


def _check_checkpoint_url(session: LlmSession, checkpoints: Sequence[Path | str]) -> None:
    """Prove that a server named for this run is asked for a model under test.

    Raises:
        SettingsError: No model of this run is at a server.
    """
    is_asked = any(isinstance(checkpoint, str) for checkpoint in checkpoints)
    if is_asked or not session.settings.checkpoint_url_forced:
        return
    where, problem = "--llm-judge-checkpoint-url", "no model under test of this run is at a server"
    hint = "leave it out, or name one as in --llm-judge-checkpoint=ollama:NAME or openai:NAME"
    raise SettingsError(where, problem, hint)


def _check_candidate(session: LlmSession, items: Iterable[pytest.Item]) -> None:
    """Prove that a checkpoint on the command line is tested by something.

    Raises:
        SettingsError: All suites take their responses from their records.
    """
    named, is_forced = session.settings.checkpoint, session.settings.checkpoint_forced
    if named is None or not is_forced:
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


def _check_responses_field(session: LlmSession) -> None:
    """Prove that a field on the command line is where a suite has its responses.

    Raises:
        SettingsError: No suite takes its responses from there.
    """
    settings = session.settings
    field = settings.responses_field
    if not settings.responses_field_forced:
        return
    if all(facts.get("responses") != field for facts in session.announced.values()):
        where = "--llm-judge-responses-field"
        problem = f'no suite of this run takes its responses from "{field}"'
        hint = "leave it out, or take checkpoint= or responses= out of the marker"
        raise SettingsError(where, problem, hint)


def _check_baseline(session: LlmSession) -> None:
    """Prove that a baseline on the command line is compared with a suite.

    Raises:
        SettingsError: No suite of this run is held to one.
    """
    is_compared = any(map(session.is_compared, session.suites.values()))
    if session.settings.baseline_forced and not is_compared:
        where, problem = "--llm-judge-baseline", "no suite of this run is compared with it"
        hint = "leave it out: suites of pairs compare two models already"
        raise SettingsError(where, problem, hint)


def _check_labels_options(session: LlmSession) -> None:
    """Prove that options on the command line about people's labels concern a suite.

    Raises:
        SettingsError: One of them does not.
    """
    settings, announced = session.settings, session.announced.values()
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


def _note_suite_options(session: LlmSession) -> None:
    """Note which options on the command line no suite obeys, because each has its own of a marker.

    A marker may win over them, so that this is no error.
    """
    for flag in session.settings.suite_options:
        key = flag.removeprefix("--llm-judge-").replace("-", "_")
        value = getattr(session.settings, key)
        if all(facts.get(key) != value for facts in session.announced.values()):
            problem = "it changes nothing: no suite of this run leaves that to the option"
            session.store.add_note(f"{flag}: {problem}")


def _check_server_options(session: LlmSession, checkpoints: Sequence[Path | str]) -> None:
    """Prove that options on the command line for requests to a server reach one.

    Raises:
        SettingsError: The judge and all models under test run in this process.
    """
    settings = session.settings
    if not (settings.is_judge_local and settings.server_options):
        return
    if not any(isinstance(checkpoint, str) for checkpoint in checkpoints):
        where, problem = ", ".join(settings.server_options), "no model of this run is at a server"
        raise SettingsError(where, problem, "leave it out")
