"""What must be the same in all processes of a run, each with what to do where it differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_llmjudge.errors import one_line

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WRITTEN", "Shared", "shared_file", "shared_model", "shown_value"]

WRITTEN = "run again when nothing writes to it"
_SHOWN = 12
_DIGEST = 64
_TRAINED = "run again when the training is done"


class Shared(NamedTuple):
    """Something that must be the same in all processes.

    Attributes:
        key: Names it among those of the run, the same on machines where files lie elsewhere.
        where: What it belongs to, for messages.
        what: It is, for messages.
        value: Plain data.
        hint: What the reader can do where it differs.
    """

    key: str
    where: str
    what: str
    value: object
    hint: str = WRITTEN


def shared_model(key: str, name: str, fingerprint: str) -> Shared:
    """Let all processes see the same model, wherever it lies."""
    return Shared(key, name, "fingerprint", fingerprint, _TRAINED)


def shared_file(key: str, path: Path) -> Shared:
    """Let all processes read the same content of a file."""
    from pytest_llmjudge.records.files import file_digest

    return Shared(key, path.name, "content", file_digest(path))


def shown_value(value: object) -> str:
    """Show a value in a message on what differs, the first digits of a digest."""
    text = one_line(str(value), 80)
    return text[:_SHOWN] if len(text) == _DIGEST else text or "none"
