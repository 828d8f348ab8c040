"""Lets no file that a run writes take the place of one that it reads or that others wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.plugin.step_summary import step_summary
from pytest_llmjudge.storage.files import check_writable
from pytest_llmjudge.storage.own import check_report_replaceable, check_responses_replaceable
from pytest_llmjudge.storage.results import is_responses_file, responses_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_llmjudge.plugin.session import LlmSession
    from pytest_llmjudge.settings import Settings

__all__ = ["check_inputs", "check_outputs"]

_RESPONSES = "--llm-judge-responses"
_MARKDOWN = "--llm-judge-markdown"
_OF_OTHERS = {"xmlpath": "--junitxml", "report_log": "--report-log", "htmlpath": "--html"}
"""Options of pytest and of its plugins that name a file to write, by where pytest keeps them."""
_READ_IN_FOLDERS = (
    "*config.json",
    "*.index.json",
    "*.safetensors",
    "*.bin",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tekken.json",
    "chat_template.*",
    "*.model",
    "*.tiktoken",
)
"""What the folder of a checkpoint is read for; people keep results in it as well."""


def check_outputs(session: LlmSession) -> None:
    """Let no two files that are written be the same, and none of them the baseline.

    Raises:
        SettingsError: A file would take the place of another one.
    """
    settings, baseline = session.settings, session.baseline
    others = _files_of_others(session.config)
    taken = {real_path(path): f"the file of {flag}" for flag, path in others.items()}
    if baseline is not None:
        taken[real_path(baseline.path)] = "the baseline"
    for flag, path in _files(settings).items():
        other = taken.setdefault(real_path(path), f"the file of {flag}")
        if other == "the baseline":
            hint = "write to another file, which takes its place when the candidate is released"
            raise SettingsError(flag, f"{path} is the baseline as well", hint)
        if other != f"the file of {flag}":
            raise SettingsError(flag, f"{path} is {other} as well", "name another file")
    for flag, path in {**_files(settings), **others}.items():
        if settings.responses is not None and is_responses_file(settings.responses, path):
            problem = f"{path} may be a file of {_RESPONSES} as well"
            raise SettingsError(flag, problem, "name another file")


def check_inputs(session: LlmSession) -> None:
    """Let no file that is written be one that suites are made of, or anybody else's.

    Raises:
        SettingsError: A file would take the place of one of those.
        StoreError: A file would take the place of one that no earlier run wrote, or cannot be
            written.
    """
    settings = session.settings
    written = list(_files(settings).items())
    if settings.responses is not None:
        stems = [suite.path.stem for suite in session.suites.values() if suite.has_records]
        paths = responses_files(settings.responses, stems)
        written += [(_RESPONSES, path) for path in paths]
    if not written:
        return
    taken: dict[Path, str] = {}
    for path, name in _inputs(session):
        taken.setdefault(real_path(path), name)
    for flag, path in written:
        place = real_path(path)
        other = taken.get(place)
        if other is None and any(place.match(pattern) for pattern in _READ_IN_FOLDERS):
            other = taken.get(place.parent)
        if other is not None and flag == _RESPONSES:
            raise SettingsError(flag, f"{path} is {other} as well", "name another folder")
        if other is not None:
            raise SettingsError(flag, f"{path} is {other} as well", "name another file")
        if flag == _RESPONSES:
            check_writable(flag, path)
            check_responses_replaceable(flag, path)
        elif not _is_added_to(flag, path):
            check_report_replaceable(flag, path)


def _is_added_to(flag: str, path: Path) -> bool:
    """Whether a file keeps what it holds, as the summary of a step does."""
    summary = step_summary()
    return flag == _MARKDOWN and summary is not None and real_path(path) == real_path(summary)


def _files(settings: Settings) -> dict[str, Path]:
    """Return the files that options name, each of which is written as a whole."""
    named = {
        "--llm-judge-report": settings.report,
        _MARKDOWN: settings.markdown,
        "--llm-judge-html": settings.html,
    }
    return {flag: path for flag, path in named.items() if path is not None}


def _files_of_others(config: pytest.Config) -> dict[str, Path]:
    """Return what pytest and its plugins are to write, as they themselves read such a path."""
    paths = {}
    for name, flag in _OF_OTHERS.items():
        given = config.getoption(name, default=None)
        if given:
            path = os.path.expanduser(os.path.expandvars(str(given)))  # noqa: PTH111  # as they do
            paths[flag] = Path(config.invocation_params.dir) / path
    return paths


def _inputs(session: LlmSession) -> Iterator[tuple[Path, str]]:
    """Yield what the run reads, with what it is; checkpoints may be folders."""
    if session.settings.baseline is not None:
        yield session.settings.baseline, "the baseline"
    if session.settings.tokenizer is not None:
        yield session.settings.tokenizer, "the tokenizer"
    resources = session.resources
    checkpoints: list[Path | str | None] = [session.settings.checkpoint, session.settings.base]
    for suite in session.suites.values():
        yield from suite.inputs(resources.root)
        checkpoints += suite.checkpoints()
    for checkpoint in checkpoints:
        if isinstance(checkpoint, Path):
            name = f"a file of the checkpoint {resources.models.shown_path(checkpoint)}"
            yield checkpoint, name
            if not os.path.isdir(checkpoint):  # noqa: PTH112  # pathlib raises where it is closed
                yield checkpoint.parent, name
