"""Turns whatever a user's own model or judge raises into an error of one line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import LlmJudgeError, one_line
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
    """
    try:
        yield
    except (LlmJudgeError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise error_of(error) from error


def described(error: BaseException) -> str:
    """Return type and text of an error, on one line; the text may be the user's code as well."""
    text = text_of(str, error)
    shown_text = "a text that cannot be read" if text is None else one_line(text, 200)
    return f"{type(error).__name__}: {shown_text}"
