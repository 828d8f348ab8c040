"""Tells files that this package wrote, which it may replace, from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_llmjudge.errors import StoreError
from pytest_llmjudge.reading import open_file, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["JUNIT_NAME", "check_report_replaceable", "check_responses_replaceable"]

_HEAD: Final = 65_536
"""Bytes in which a file says what it is; results may be large."""
_RESULTS: Final = ('"schema":', '"created":', '"pytest_llmjudge":')
_MARKDOWN: Final = "## llm-judge: "
_PAGE: Final = "<!doctype html>"
_GENERATOR: Final = '<meta name="generator" content="pytest-llmjudge">'
# The first versions' pages had this alone.
_TITLE_END: Final = "\u2013 llm-judge</title>"
_XML: Final = "<?xml "
JUNIT_NAME: Final = "pytest-llmjudge results"
"""Of the whole of a JUnit XML file, by which one of ours is known from pytest's."""
_ADDED: Final = frozenset({"score", "winner"})


def check_report_replaceable(where: str, path: Path) -> None:
    """Let a report of a run replace nothing but results and reports of earlier runs.

    Args:
        where: What named the file, for the message.
        path: The file, if there is one.

    Raises:
        StoreError: It is there and something else, or cannot be read.
    """
    _check(where, path, _is_report, limit=_HEAD)


def check_responses_replaceable(where: str, path: Path) -> None:
    """Do the same for a file of records with their responses, as earlier runs wrote it.

    Raises:
        StoreError: It is there and something else, or cannot be read.
    """
    _check(where, path, _is_with_responses, limit=-1)


def _check(where: str, path: Path, is_own: Callable[[str], bool], *, limit: int) -> None:
    try:
        with open_file(path) as file:
            text = file.read(limit).decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        problem = f"{path} is there and cannot be read ({error.strerror})"
        raise StoreError(where, problem, "name another place") from None
    # Programs that reserve a name leave an empty file.
    if text and not is_own(text):
        problem = f"{path} is there and was not written by pytest-llmjudge"
        raise StoreError(where, problem, "name another place, or move that file away")


def _is_report(text: str) -> bool:
    if text.startswith(_PAGE):
        return _GENERATOR in text or _TITLE_END in text
    if text.startswith("{"):
        return all(name in text for name in _RESULTS)
    if text.startswith(_XML):
        return f'<testsuites name="{JUNIT_NAME}">' in text
    return text.startswith(_MARKDOWN)


def _is_with_responses(text: str) -> bool:
    try:
        records = parse_json(text, allow_repeated_keys=True)
    except ValueError:
        return False
    return isinstance(records, list) and all(
        isinstance(record, dict) and _ADDED & record.keys() for record in records
    )
