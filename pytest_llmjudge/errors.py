"""Every error a user may see: one line that says where, what is wrong, and what to do.

LlmJudgeError
├── SettingsError      an option, ini value or marker keyword
├── RecordsError       a records file
├── DatasetError       a benchmark's files
├── CheckpointError    the model under test or its tokenizer
├── PromptError        one record's prompt, which the model cannot take
├── ExtractionError    one answer, of which nobody knows what is extracted from it
├── JudgeError         the judge's server or model
│   ├── JudgeDownError     it does not answer at all
│   └── RefusedError       it does not take this one request
├── BaselineError      an earlier run's results file
├── PeopleFileError    a file of people's votes or labels
└── StoreError         the cache directory
"""

from __future__ import annotations

import re

__all__ = [
    "BaselineError",
    "CheckpointError",
    "DatasetError",
    "ExtractionError",
    "JudgeDownError",
    "JudgeError",
    "LlmJudgeError",
    "PeopleFileError",
    "PromptError",
    "RecordsError",
    "RefusedError",
    "SettingsError",
    "StoreError",
    "count_of",
    "one_line",
    "printable",
    "printable_json",
    "storable",
]


_CONSIDERED = 64
"""Characters of a text that are looked at for each that may be shown, as blanks are folded."""

_COMMAND = re.compile(r"^(?P<gap>[ \t]*):(?=:[\w-][^\n]*::)|#(?=#[a-z]*\[)", re.MULTILINE | re.I)
"""How a line begins that GitHub's runner obeys, and what runners look for all over a line.

No two repetitions next to each other match the same characters, so it takes linear time.
"""


def count_of(number: int, noun: str) -> str:
    """``1 label``, ``2 labels``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def one_line(text: str, limit: int = 300) -> str:
    """Fold ``text`` into a single line, as :func:`printable`, of at most ``limit`` characters."""
    start = text.lstrip()
    # A file of any size may be one line.
    most = _CONSIDERED * limit
    safe = printable(" ".join(start[:most].split()))
    return safe if len(safe) <= limit and len(start) <= most else safe[: limit - 1] + "…"


def printable(text: str) -> str:
    """Show as escapes what a terminal or the runner of a CI job would obey; keep line breaks.

    A terminal obeys control characters, GitHub's runner a line such as ``::error::``, and
    ``##[error]`` anywhere in a line, as those of Azure and TeamCity do.
    """
    shown = "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text
    )
    return _COMMAND.sub(_escaped, shown)


def printable_json(document: str) -> str:
    """Do the same to a JSON document in ASCII, which still means what it meant.

    JSON has escapes of its own for what a terminal obeys, except for the character DEL.
    """
    # No line begins with a colon, and a "#" stands in strings only.
    return _COMMAND.sub(r"\\u0023", document).replace("\x7f", r"\u007f")


def _escaped(match: re.Match[str]) -> str:
    return f"{match['gap']}\\x3a" if match["gap"] is not None else "\\x23"


def storable(text: str) -> str:
    """Replace what UTF-8 cannot hold, such as half a surrogate pair in a server's reply."""
    return text.encode("utf-8", "replace").decode()


class LlmJudgeError(Exception):
    """A problem written as ``<where>: <what is wrong>; <what to do>``.

    Args:
        where: The file, option, address or record that is at fault.
        problem: What is wrong there.
        hint: What the reader can do about it.
        more: Further problems of the same file.
        left: How many more it has, which are not shown.

    Attributes:
        is_infrastructure: Whether the infrastructure failed, and not the one record at work.
    """

    is_infrastructure = True

    def __init__(
        self,
        where: str,
        problem: str,
        hint: str,
        *,
        more: tuple[LlmJudgeError, ...] = (),
        left: int = 0,
    ) -> None:
        super().__init__(where, problem, hint)
        self.where = where
        self.problem = problem
        self.hint = hint
        self.more = more
        self.left = left

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem shown, and a count of those that are not."""
        own = f"{one_line(self.where)}: {one_line(self.problem, 600)}; {one_line(self.hint, 600)}"
        shown = [own, *(line for problem in self.more for line in problem.lines)]
        if self.left:
            shown.append(f"{one_line(self.where.split(': ')[0])}: and {self.left} more problems")
        return tuple(shown)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class SettingsError(LlmJudgeError):
    """An option, ini value or marker keyword cannot be used."""


class RecordsError(LlmJudgeError):
    """A records file cannot be used; carries the problems of the whole file."""


class DatasetError(LlmJudgeError):
    """A benchmark's files cannot be used."""


class CheckpointError(LlmJudgeError):
    """The model under test, or its tokenizer, cannot be used."""


class PromptError(LlmJudgeError):
    """One record's prompt cannot be answered by this model; the other records can."""

    is_infrastructure = False


class ExtractionError(LlmJudgeError):
    """Nobody knows what would be extracted from one answer; what of the others can be told."""

    is_infrastructure = False


class JudgeError(LlmJudgeError):
    """The judge gave no usable reply."""


class JudgeDownError(JudgeError):
    """The judge's server does not answer."""


class RefusedError(JudgeError):
    """The server refused this one request as it is; it may well take others."""


class BaselineError(LlmJudgeError):
    """A results file of an earlier run cannot be used."""


class PeopleFileError(LlmJudgeError):
    """A file of people's votes or labels cannot be used."""


class StoreError(LlmJudgeError):
    """The cache directory cannot be read or written."""
