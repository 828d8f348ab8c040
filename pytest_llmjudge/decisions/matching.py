"""Which suite of a baseline is which suite of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import SettingsError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Matching", "match_suites", "names_of"]

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Matching:
    """Suites of a run beside those of its baseline.

    Attributes:
        old_names: The baseline's name of each suite of the run that the baseline has.
        lacking: Suites of the baseline that the run lacks, in the baseline's order.
    """

    old_names: Mapping[str, str]
    lacking: tuple[str, ...]

    def old_name(self, name: str) -> str:
        """Return the baseline's name of a suite; its own where the baseline has none such."""
        return self.old_names.get(name, name)


def match_suites(
    old: Mapping[str, str],
    new: Mapping[str, str],
    renamed: Sequence[str] = (),
    *,
    compared: Iterable[str],
    where: str,
) -> Matching:
    """Match suites by ``renamed``, then by name, then where either side has one to compare.

    Args:
        old: The kinds of the baseline's suites, by name.
        new: The kinds of the run's suites, by name.
        renamed: Names that differ, as ``OLD=NEW``.
        compared: The kinds whose suites compare.
        where: The option that gives ``renamed``, for messages.

    Raises:
        SettingsError: A name in ``renamed`` is unknown or stands there twice.
    """
    old_names = _renamed(where, renamed, old, new)
    for name, kind in old.items():
        if new.get(name) == kind and name not in old_names and name not in old_names.values():
            old_names[name] = name
    for kind in compared:
        # A wrong guess does no harm: records pair up by what they say.
        (olds, news) = ([name for name in side if side[name] == kind] for side in (old, new))
        if len(olds) == len(news) == 1 and news[0] not in old_names:
            old_names[news[0]] = olds[0]
    matched = set(old_names.values())
    return Matching(old_names, tuple(name for name in old if name not in matched))


def names_of(names: Iterable[str]) -> str:
    """Name suites in a message, not more than ten."""
    listed = list(names)
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(one_line(name, 200) for name in listed[:_NAMED]) + more


def _renamed(
    where: str, renamed: Sequence[str], old: Mapping[str, str], new: Mapping[str, str]
) -> dict[str, str]:
    old_names: dict[str, str] = {}
    for text in renamed:
        before, after = _split(where, text, old, new)
        if old[before] != new[after]:
            problem = f"{before} and {after} are suites of different kinds"
            raise SettingsError(where, problem, "name two suites of one kind")
        if after in old_names or before in old_names.values():
            twice = after if after in old_names else before
            raise SettingsError(where, f"{twice} is named twice", "name each suite once")
        old_names[after] = before
    return old_names


def _split(
    where: str, text: str, old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[str, str]:
    """Split ``OLD=NEW`` where both are known; a name may hold ``=`` itself."""
    splits = [(text[:i], text[i + 1 :]) for i, char in enumerate(text) if char == "="]
    for before, after in splits:
        if before in old and after in new:
            return before, after
    known = [(before, after) for before, after in splits if before in old]
    if known:
        problem = f'this run has no suite named "{known[0][1]}"'
        raise SettingsError(where, problem, _one_of(new))
    problem = f'the baseline has no suite named "{splits[0][0]}"'
    raise SettingsError(where, problem, _one_of(old))


def _one_of(names: Iterable[str]) -> str:
    there = names_of(names)
    return f"name one of {there}" if there else "there is none, so leave it out"
