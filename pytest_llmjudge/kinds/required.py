"""Proof at the end of a run that the suites it requires ran whole, and passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import SettingsError, count_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["sample_count", "unmet"]


def sample_count(facts: Mapping[str, Any]) -> int:
    """Return how many samples a suite has, of MMLU how many subjects.

    Args:
        facts: Of the suite.
    """
    return int(facts.get("total", len(facts.get("subjects", ()))))


def unmet(
    where: str,
    required: Iterable[str],
    facts: Mapping[str, Mapping[str, Any]],
    *,
    reported: Collection[str],
    spared: Collection[str],
    outcomes: Mapping[str, str],
) -> Iterator[SettingsError]:
    """Yield what keeps a run that ended well from having decided over what it requires.

    Other plugins may take items away after they were collected, skip them, or end the run.

    Args:
        where: The setting that requires suites, for messages.
        required: Node ids of suites, or of their files.
        facts: Of all suites of the run, by name.
        reported: Node ids of the items that came to an end.
        spared: Node ids of those that were skipped or expected to fail.
        outcomes: Of the suites, by name.
    """
    for entry in required:
        skipped = [node for node in spared if node.startswith((f"{entry}::", f"{entry}["))]
        if skipped:
            was = "was" if len(skipped) == 1 else "were"
            items = f"{count_of(len(skipped), 'item')} of {entry}"
            problem = f"{items} {was} skipped or expected to fail"
            yield SettingsError(where, problem, "let them run, or take the suite out of the list")
            continue
        meant = [name for name in facts if name == entry or name.startswith(f"{entry}::")]
        if not meant:
            problem = f"nothing of {entry} was to run when the run ended"
            yield SettingsError(where, problem, "find what ended it")
        for name in meant:
            planned = facts[name]
            size = sample_count(planned) + len(planned["due"])
            ended = sum(node.startswith(f"{name}[") for node in reported)
            if ended < size:
                problem = f"{ended} of {size} items of {name} ran"
                yield SettingsError(
                    where, problem, "find what took the others away or ended the run"
                )
            elif outcomes.get(name) != "passed":
                problem = f"{name} is {outcomes.get(name, 'without a result')}"
                yield SettingsError(where, problem, "see its summary, or take it out of the list")
