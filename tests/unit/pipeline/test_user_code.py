"""Whatever a user's own code raises becomes an error of one line; what is no failure passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_llmjudge.errors import CheckpointError, JudgeError, LlmJudgeError
from pytest_llmjudge.generation import devices
from pytest_llmjudge.pipeline.user_code import described, user_code
from pytest_llmjudge.values import shown

if TYPE_CHECKING:
    from collections.abc import Generator


def error_of(error: BaseException) -> JudgeError:
    return JudgeError("judge", f"it raised {described(error)}", "correct it")


def model_error_of(error: BaseException) -> CheckpointError:
    return CheckpointError("llm_model", f"generate() raised {described(error)}", "correct it")


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (SystemExit(1), "SystemExit: 1"),
        (StopIteration(), "StopIteration: "),
        (pytest.skip.Exception("not now"), "Skipped: not now"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_raised(raised: BaseException, text: str) -> None:
    """Anything at all, with its type, on one line, and as the cause of the new error."""
    with pytest.raises(JudgeError) as caught, user_code(error_of):
        raise raised

    assert caught.value.problem.strip() == f"it raised {text}".strip()
    assert caught.value.__cause__ is raised


BROKEN_OFF = (
    "torch: an import of torch was broken off in this process (TimeoutError: too late), which cannot "
    "repeat it; import torch at the top of a conftest.py, where no time limit applies, and run again"
)


@pytest.mark.parametrize(
    ("module", "raised", "text"),
    [
        ("torch", "TimeoutError('too late')", BROKEN_OFF),
        (
            "torch",
            "ImportError('no libc10.so')",
            (
                "torch: it cannot be imported (ImportError: no libc10.so); mend its installation until "
                'python -c "import torch" works'
            ),
        ),
        ("torch.nn", "ValueError('x')", "llm_model: generate() raised ValueError: x; correct it"),
        (
            "torchvision",
            "ValueError('x')",
            "llm_model: generate() raised ValueError: x; correct it",
        ),
    ],
)
def test_an_import_of_torch_that_fails(
    module: str, raised: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named as what it is, and not as a fault of the code that asked for it."""
    monkeypatch.setattr(devices, "_FAILED", [])
    raising = compile(f"raise {raised}", "fake.py", "exec")

    with pytest.raises(LlmJudgeError) as caught, user_code(model_error_of):
        exec(raising, {"__name__": module})  # noqa: S102 - as Python runs the code of a module

    assert str(caught.value) == text


class Wordless(Exception):  # noqa: N818  # the name is shown
    """Cannot be shown, as an error with a fault in its own text."""

    def __str__(self) -> str:
        raise pytest.skip.Exception("no text")

    __repr__ = __str__


def test_a_text_that_cannot_be_had() -> None:
    """What fails or gives up while it is shown is named by its type."""
    with pytest.raises(JudgeError) as caught, user_code(error_of):
        raise Wordless

    assert caught.value.problem == "it raised Wordless: a text that cannot be read"
    assert shown(Wordless(), 80) == "a Wordless that cannot be shown"
    assert shown("a" * 99, 10) == "'aaaaaaaa…"


def test_an_interrupt_while_a_value_is_shown() -> None:
    """It ends the run as anywhere else."""

    class Slow:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shown(Slow(), 80)


@pytest.mark.parametrize(
    "raised", [CheckpointError("m.pth", "no such file", "train it"), KeyboardInterrupt()], ids=repr
)
def test_what_passes(raised: BaseException) -> None:
    """Errors that can be shown as they are, and interrupts."""
    with pytest.raises(type(raised)) as caught, user_code(error_of):
        raise raised

    assert caught.value is raised


def test_a_generator_that_is_closed() -> None:
    """Whoever takes no more from a generator makes no error of it."""

    def numbers() -> Generator[int]:
        with user_code(error_of):
            yield 1
            yield 2

    generator = numbers()
    assert next(generator) == 1
    generator.close()
