"""One example of a task, and how its question is put."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["Example", "ask", "with_article"]


class Example(NamedTuple):
    """A record with its kind of task and its ``key``: what is new about it.

    A held-out record shares its key with no training example. For a sentence the key is the
    sentence, whatever is asked about it; for a sum the two numbers; for a fact, which cannot be
    guessed, the wording together with the fact.
    """

    kind: str
    instruction: str
    input: str
    output: str
    key: str

    def record(self) -> dict[str, str]:
        """Give the record as the records file has it."""
        return {
            "instruction": self.instruction,
            "input": self.input,
            "output": self.output,
            "kind": self.kind,
        }


def ask(rng: Random, wordings: Sequence[str], text: str) -> tuple[str, str]:
    """Choose a wording; the text goes into its braces or, if it has none, becomes the input."""
    wording = rng.choice(wordings)
    return (wording.format(text), "") if "{}" in wording else (wording, text)


def with_article(noun: str) -> str:
    """Say a tiger, an owl."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
