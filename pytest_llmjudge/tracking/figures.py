"""Flat names and values of a results document, for trackers that know no deeper ones."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import storable
from pytest_llmjudge.kinds import all_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["metrics", "outcome", "params", "records", "suite_tags"]

_LONGEST = 250
"""Characters of a name, as MLflow allows."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\- ]")
_BOUNDED = ("average", "accuracy", "win_rate", "perplexity")
"""Figures that ``ci95`` may be the interval of, one of which stands beside it."""
_INTERVALS = {"bounds": "difference_bounds", "interval": "difference"}
"""What other intervals are of, where their key does not say."""
_LIMITS = ("min_", "max_")
_SETTINGS = {"checkpoint", "judge", "against", "rule"}
"""Objects in a suite that hold no figures."""


def outcome(results: Mapping[str, Any]) -> str:
    """Return ``failed``, ``incomplete`` or ``passed``: what a run came to.

    Args:
        results: As ``--llm-judge-report`` writes them.

    Returns:
        ``failed`` where a suite failed, else ``incomplete`` where one is; else by the exit status:
        ``passed`` for 0, ``failed`` for 1, and ``incomplete`` for any other.
    """
    found = {suite["outcome"] for suite in results["suites"]}
    status = results.get("status", 0)
    by_status = "passed" if status == 0 else "failed" if status == 1 else "incomplete"
    return next((name for name in ("failed", "incomplete") if name in found), by_status)


def metrics(results: Mapping[str, Any]) -> dict[str, float]:
    """Return every figure of a run under a flat name.

    A name is the suite's, then where the number stands in the results file, such as
    ``test_quality.py/test_instructions/categories/history/average``. An interval is two numbers,
    ``average_lower`` and ``average_upper``. Settings, limits and single records are left out, and
    so is a figure that there is none of.

    Args:
        results: As ``--llm-judge-report`` writes them.
    """
    found: dict[str, float] = {}
    for suite, prefix, settings in _suites(results):
        found |= _numbers(suite, prefix, settings)
        for subject in suite.get("subjects", ()):
            found |= _numbers(subject, f"{prefix}/subjects/{_segment(subject['subject'])}", ())
    outcomes = [suite["outcome"] for suite in results["suites"]]
    counts = {f"suites_{name}": outcomes.count(name) for name in ("passed", "failed", "incomplete")}
    found |= {name: float(count) for name, count in {"suites": len(outcomes), **counts}.items()}
    return {_short(name): value for name, value in found.items()}


def params(results: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run was made with under flat names: judge, models, limits and other settings.

    Args:
        results: As ``--llm-judge-report`` writes them.
    """
    found = {} if results["judge"] is None else dict(_texts(results["judge"], "judge"))
    for suite, prefix, settings in _suites(results):
        for name in ("checkpoint", "against", "judge"):
            if suite.get(name) is not None:
                found |= _texts(suite[name], f"{prefix}/{name}")
        found |= _texts({key: suite.get(key) for key in settings if key not in _SETTINGS}, prefix)
        found |= _limits(suite, prefix)
    for name, rule in results.get("rules", {}).items():
        found |= _texts(rule, f"{_name(name)}/rule")
    return {_short(name): value for name, value in found.items()}


def records(results: Mapping[str, Any]) -> list[dict[str, object]]:
    """Return a row for each record of a run, and for each question of an exam.

    Args:
        results: As ``--llm-judge-report`` writes them.

    Returns:
        Rows that all have the same keys: ``suite``, ``kind``, and what the results file has of any
        record, ``None`` where it has nothing of this one. Lists and objects are JSON.
    """
    rows = [
        {"suite": suite["name"], "kind": suite["kind"], **_flat(row)}
        for suite in results["suites"]
        for row in _rows(suite)
    ]
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]


def suite_tags(results: Mapping[str, Any]) -> dict[str, str]:
    """Return what became of each suite, by a name for it."""
    return {
        _short(f"llm_judge.outcome/{_name(suite['name'])}"): suite["outcome"]
        for suite in results["suites"]
    }


def _suites(
    results: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], str, tuple[str, ...]]]:
    """Yield each suite with what its names begin with, and the keys of its settings."""
    settings = {kind.name: kind.settings for kind in all_kinds()}
    for suite in results["suites"]:
        yield suite, _name(suite["name"]), settings.get(suite["kind"], ())


def _numbers(
    entry: Mapping[str, Any], prefix: str, settings: tuple[str, ...]
) -> Iterator[tuple[str, float]]:
    for key, value in entry.items():
        if key in settings or key in _SETTINGS or key.startswith(_LIMITS):
            continue
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}/{_segment(key)}", settings)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"{prefix}/{key}", float(value)
        elif value is not None and (figure := _bounded(key, entry)):
            yield f"{prefix}/{figure}_lower", float(value[0])
            yield f"{prefix}/{figure}_upper", float(value[1])


def _bounded(key: str, entry: Mapping[str, Any]) -> str:
    """Return of which figure a key's two numbers are the interval; empty for no interval."""
    if key == "ci95":
        return next((name for name in _BOUNDED if name in entry), "value")
    if key in _INTERVALS:
        return _INTERVALS[key]
    return key.removesuffix("_interval") if key.endswith("_interval") else ""


def _texts(entry: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{prefix}/{_segment(key)}")
        elif value not in (None, ""):
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{prefix}/{_segment(key)}", text


def _limits(entry: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield what figures have to reach, those of categories too."""
    for key, value in entry.items():
        if key.startswith(_LIMITS):
            yield from _texts({key: value}, prefix)
        elif isinstance(value, dict) and key not in _SETTINGS:
            yield from _limits(value, f"{prefix}/{_segment(key)}")


def _rows(suite: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from suite.get("records", ())
    for subject in suite.get("subjects", ()):
        yield from (
            {"subject": subject["subject"], **question} for question in subject["questions"]
        )
        if not subject["questions"]:
            yield {name: subject[name] for name in ("subject", "outcome", "error")}


def _flat(row: Mapping[str, Any]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, (dict, list)):
            flat[key] = json.dumps(value)
        else:
            # MLflow writes UTF-8, which holds no half of a surrogate pair.
            flat[key] = storable(value) if isinstance(value, str) else value
    return flat


def _name(node: str) -> str:
    """Return the start of the names of a suite."""
    return "/".join(map(_segment, node.replace("::", "/").split("/")))


def _segment(text: str) -> str:
    """Return a part of a name, of which every tracker takes each character; no two are the same."""
    safe = _UNSAFE.sub("_", text).strip(" .")
    # What begins or ends with a dot or a blank is no name of a file everywhere.
    return text if safe == text and text else f"{safe}-{_digest(text)}"


def _short(name: str) -> str:
    """Cut a name that is too long, so that no two become the same."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
