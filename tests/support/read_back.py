"""Suites of results files, read back as results and written again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.kinds import kind_named

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_read_back", "written_again"]


def written_again(suite: Mapping[str, Any], judge: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a suite of a file as it is written once it was read back."""
    kind = kind_named(suite["kind"])
    document = kind.document(kind.from_document(suite, judge), judge)
    again: dict[str, Any] = json.loads(json.dumps(document))
    return again


def check_read_back(document: Mapping[str, Any]) -> None:
    """Raise where a results file of this version is another one once it was read back."""
    for suite in document["suites"]:
        assert written_again(suite, document["judge"]) == suite
