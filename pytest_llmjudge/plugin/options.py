"""Options and ini values: offered to pytest, read back as settings."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest

from pytest_llmjudge.errors import SettingsError
from pytest_llmjudge.kinds.markers import MARKERS
from pytest_llmjudge.settings import OPTIONS, Option, Settings, read_settings

__all__ = [
    "REQUIRE_INI",
    "add_options",
    "check_idle",
    "check_ini",
    "files_patterns",
    "ini_name",
    "is_enabled",
    "is_listing",
    "required_suites",
    "settings_from",
]

FILES_INI = "llm_judge_files"
REQUIRE_INI = "llm_judge_require"
_LISTS = {FILES_INI: "*.json", REQUIRE_INI: "test_quality.py"}
"""Ini options that are lists, with what one may hold."""
_PATHS = [path for marker in MARKERS for path in marker.paths]
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
    for path in _PATHS:
        parser.addini(path.key, path.help, type="string", default=None)
    text = "Suites that every run must judge as a whole: node ids or file names, one a line"
    parser.addini(REQUIRE_INI, text, type="linelist", default=[])


def is_enabled(config: pytest.Config) -> bool:
    """Say whether judged items are to run.

    Raises:
        SettingsError: The ini value is neither yes nor no.
    """
    option = OPTIONS[0]
    given = _given(config, option)
    if given is None:
        return False
    return bool(option.parse(f"{ini_name(config)}: {option.key}", given[0]))


def is_listing(config: pytest.Config) -> bool:
    """Say whether pytest only lists items, fixtures or its cache, so that nothing is judged."""
    return any(config.getoption(name, default=False) for name in _LISTING)


def check_ini(config: pytest.Config) -> None:
    """Refuse ini options that are meant for this package and do not exist.

    pytest only warns of them, and the gate that one was to set would decide nothing.

    Raises:
        SettingsError: There is one.
    """
    known = [*_LISTS, *(option.key for option in OPTIONS), *(path.key for path in _PATHS)]
    ours = tuple({"_".join(key.split("_")[:2]) for key in known})
    # pytest has no public way to ask; a version without this one warns of them as ever.
    unknown = getattr(config, "_get_unknown_ini_keys", set)
    for key in sorted(unknown()):
        name = key.lower().replace("-", "_")
        if name.startswith(ours):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean "{close[0]}"?' if close else "pytest --help lists those there are"
            where = f"{ini_name(config)}: {key}"
            raise SettingsError(where, "there is no such option", hint)


def check_idle(config: pytest.Config) -> None:
    """Refuse a run without ``--llm-judge`` that was meant to judge something.

    Raises:
        SettingsError: Options that only such a run obeys are given, or suites are required.
    """
    enabling, *others = OPTIONS
    idle = [option for option in others if config.getoption(option.key, default=None)]
    if idle:
        flags, keys = ", ".join(o.flag for o in idle), ", ".join(o.key for o in idle)
        does = "does" if len(idle) == 1 else "do"
        problem = f"without {enabling.flag} nothing is judged, and {flags} {does} nothing"
        where, hint = "llm-judge", f"add {enabling.flag}, or write defaults as ini options ({keys})"
        raise SettingsError(where, problem, hint)
    if required_suites(config):
        problem = f"suites are required, and without {enabling.flag} nothing is judged"
        where, hint = f"{ini_name(config)}: {REQUIRE_INI}", f"add {enabling.flag}"
        raise SettingsError(where, problem, hint)


def required_suites(config: pytest.Config) -> list[str]:
    """Return the node ids or file names of suites that have to run as a whole.

    Raises:
        SettingsError: The ini value is neither a list nor a text.
    """
    return [name for name in _in_ini(config, REQUIRE_INI) or () if name]


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
        ini_name=ini_name(config),
        paths={path.key: str(text) for path in _PATHS if (text := _in_ini(config, path.key))},
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
        where, problem = f"{ini_name(config)}: {key}", "it is not a text"
        if key in _LISTS:
            hint = f'write ["{_LISTS[key]}"]'
            raise SettingsError(where, "it is not a list of texts", hint) from None
        raise SettingsError(where, problem, "write the value in quotes") from None


def ini_name(config: pytest.Config) -> str:
    """Name the ini file, for messages."""
    return config.inipath.name if config.inipath else "ini file"
