"""Options and ini values: offered to pytest, read back as settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.settings import OPTIONS, Option, Settings, read_settings

__all__ = [
    "add_options",
    "files_patterns",
    "idle_line",
    "is_enabled",
    "is_listing",
    "settings_from",
]

FILES_INI = "llm_judge_files"
MMLU_INI = "llm_mmlu_data"
_LISTING = ("collectonly", "showfixtures", "show_fixtures_per_test", "setupplan", "cacheshow")
"""Where pytest keeps the options with which it runs no test."""


def add_options(parser: pytest.Parser) -> None:
    """Offer every option on the command line and in ini files."""
    group = parser.getgroup("llm-judge", "judging of language models")
    for option in OPTIONS:
        if option.metavar:
            group.addoption(
                option.flag,
                dest=option.key,
                action="append",
                metavar=option.metavar,
                help=option.help,
            )
        else:
            group.addoption(
                option.flag, dest=option.key, action="store_true", default=None, help=option.help
            )
        parser.addini(option.key, option.help, type="string", default=None)
    text = "Records files to collect besides those named on the command line (glob patterns)"
    parser.addini(FILES_INI, text, type="args", default=[])
    text = "Copy of MMLU for llm_mmlu markers and the mmlu fixture that name none"
    parser.addini(MMLU_INI, text, type="string", default=None)


def is_enabled(config: pytest.Config) -> bool:
    """Say whether judged items are to run.

    Raises:
        SettingsError: The ini value is neither yes nor no.
    """
    option = OPTIONS[0]
    given = _given(config, option)
    if given is None:
        return False
    return bool(option.parse(f"{_ini_name(config)}: {option.key}", given[0]))


def is_listing(config: pytest.Config) -> bool:
    """Say whether pytest only lists items, fixtures or its cache, so that nothing is judged."""
    return any(config.getoption(name, default=False) for name in _LISTING)


def idle_line(config: pytest.Config) -> str | None:
    """Name the options of a command line that do nothing because ``--llm-judge`` is not there."""
    enabling, *others = OPTIONS
    idle = [option.flag for option in others if config.getoption(option.key, default=None)]
    if not idle:
        return None
    does = "does" if len(idle) == 1 else "do"
    told = f"nothing is judged, and {', '.join(idle)} {does} nothing"
    return f"llm-judge: {told}; add {enabling.flag}"


def settings_from(config: pytest.Config) -> Settings:
    """Read and check all options.

    Raises:
        SettingsError: One of them cannot be used.
    """
    given = {option.key: _given(config, option) for option in OPTIONS}
    ini_dir = config.inipath.parent if config.inipath else config.rootpath
    return read_settings(
        {key: pair for key, pair in given.items() if pair is not None},
        cli_dir=Path(config.invocation_params.dir),
        ini_dir=ini_dir,
        ini_name=_ini_name(config),
        mmlu_data=str(_in_ini(config, MMLU_INI) or ""),
    )


def _given(config: pytest.Config, option: Option) -> tuple[str, str] | None:
    on_command_line = config.getoption(option.key, default=None)
    if on_command_line is True:
        return "true", "cli"
    if on_command_line:
        if option.is_list:
            return "".join(f"{value}{option.ends_with}" for value in on_command_line), "cli"
        return str(on_command_line[-1]), "cli"
    in_ini = _in_ini(config, option.key)
    return (str(in_ini), "ini") if in_ini else None


def files_patterns(config: pytest.Config) -> list[str]:
    """Return the patterns of records files that are collected unasked.

    Raises:
        SettingsError: The ini value is neither a list nor a text.
    """
    return list(_in_ini(config, FILES_INI) or ())


def _in_ini(config: pytest.Config, key: str) -> Any:  # noqa: ANN401  # as pytest has it
    try:
        return config.getini(key)
    except (TypeError, pytest.UsageError):
        # pytest 9 reads [tool.pytest] of a pyproject.toml with TOML's own types.
        where, found = f"{_ini_name(config)}: {key}", "it is not a text"
        if key == FILES_INI:
            raise SettingsError(where, "it is not a list of texts", 'write ["*.json"]') from None
        raise SettingsError(where, found, "write the value in quotes") from None


def _ini_name(config: pytest.Config) -> str:
    return config.inipath.name if config.inipath else "ini file"
