"""Turns whatever a user's own model or judge raises into an error of one line."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import LlmJudgeError, one_line
from pytest_llmjudge.generation.devices import broken_import, failed_import
from pytest_llmjudge.values import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["described", "user_code"]


@contextmanager
def user_code(error_of: Callable[[BaseException], LlmJudgeError]) -> Iterator[None]:
    """Run code that may raise anything, also what is no ``Exception``, as ``pytest.skip()`` does.

    Errors of this package, interrupts and the end of a generator pass as they are.

    Args:
        error_of: Makes the error that is raised in the place of any other.

    Raises:
        LlmJudgeError: The code raised something.
        CheckpointError: An import of torch failed, whoever asked for it.
    """
    try:
        yield
    except (LlmJudgeError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        if _is_from_import_of_torch(error):
            make = failed_import if _is_fault_of_torch(error) else broken_import
            raise make(described(error)) from error
        raise error_of(error) from error


def _is_from_import_of_torch(error: BaseException) -> bool:
    """Say whether an error went through the code that an import of torch runs."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(
        frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == "torch"
        for frame in frames
    )


def _is_fault_of_torch(error: BaseException) -> bool:
    """Say whether the import would fail again, as without a library that it needs."""
    return isinstance(error, (ImportError, OSError)) and not isinstance(error, TimeoutError)


def described(error: BaseException) -> str:
    """Return type and text of an error, on one line; the text may be the user's code as well."""
    text = text_of(str, error)
    shown_text = "a text that cannot be read" if text is None else one_line(text, 200)
    return f"{type(error).__name__}: {shown_text}"
