"""Prompts by a Jinja template: rendered in a process that has little memory and can be stopped."""

from __future__ import annotations

import json
import math
import signal
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_llmjudge.data import Turn
from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.records.framing import places, split_frame
from pytest_llmjudge.records.prompts import messages_of
from pytest_llmjudge.records.template_process import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_llmjudge.data import Record

__all__ = ["Rendered", "render_prompts"]

_SECONDS: Final = 10
_SECONDS_EACH: Final = 0.005
_TODO: Final = "correct the template"


class Rendered(NamedTuple):
    """What a template makes of some records.

    Attributes:
        prompts: Those of the records, by their ids.
        frames: For the roles of each conversation, what :func:`.split_frame` returns of the prompt.
    """

    prompts: dict[str, str]
    frames: dict[tuple[str, ...], tuple[str, ...]]


def render_prompts(where: str, template: str, records: Sequence[Record]) -> Rendered:
    """Return the prompt of each record.

    The template gets ``messages``, each with ``role`` and ``content``; ``add_generation_prompt``,
    which is true; ``enable_thinking``, which is false; ``strftime_now``, whose day is always 26
    July 2024; and ``raise_exception``. It runs in Jinja's ``ImmutableSandboxedEnvironment``, as
    those of transformers do (``transformers.utils.chat_template_utils``), in a process with 1 GiB
    of memory that is killed after 10 seconds of processor time and 5 milliseconds for each record.

    Args:
        where: The suite and its template, for messages.
        template: Its text.
        records: All that are asked with it.

    Raises:
        SettingsError: It cannot be rendered for one of them, or leaves one of its messages out.
    """
    # One probe for each form of conversation that there is, with the first record of that form.
    probes: dict[tuple[str, ...], Record] = {}
    for record in records:
        probes.setdefault(tuple(turn.role for turn in messages_of(record)), record)
    conversations = [*map(_probe, probes), *map(messages_of, records)]
    about = [*probes.values(), *records]
    lines = [json.dumps(template), *map(_line, conversations)]
    answers = _answers(where, lines, math.ceil(_SECONDS + _SECONDS_EACH * len(records)))
    rendered = Rendered({}, {})
    for number, (record, answer) in enumerate(zip(about, answers, strict=True)):
        if "error" in answer:
            cause = one_line(answer["error"], 300)
            problem = f"it cannot be rendered for record {record.id} ({cause})"
            raise SettingsError(where, problem, _TODO)
        text = answer["text"]
        if number >= len(probes):
            rendered.prompts[record.id] = text
        else:
            lost = [turn.role for turn in conversations[number] if turn.text not in text]
            if lost:
                problem = f"it leaves a message of record {record.id} out, whose role is {lost[0]}"
                raise SettingsError(where, problem, _TODO)
            roles = tuple(turn.role for turn in conversations[number])
            rendered.frames[roles] = split_frame(text, len(roles))
    return rendered


def _probe(roles: Sequence[str]) -> tuple[Turn, ...]:
    """Return a conversation whose messages are found again in what a template makes of it."""
    return tuple(map(Turn, roles, places(len(roles))))


def _line(turns: Sequence[Turn]) -> str:
    return json.dumps([{"role": turn.role, "content": turn.text} for turn in turns])


def _answers(where: str, lines: Sequence[str], seconds: int) -> Iterator[dict[str, str]]:
    """Yield what the process makes of each line but the first, until an error.

    Args:
        where: For messages.
        lines: The template, and then the conversations.
        seconds: The processor time that it may take.

    Raises:
        SettingsError: It took too long, or ended without an answer.
    """
    done = subprocess.run(  # noqa: S603 - this interpreter, and code of this package
        command("pytest_llmjudge.records.jinja_child", str(seconds)),
        input="\n".join(lines).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode == -signal.SIGXCPU:
        problem = f"it was not rendered within {seconds} seconds of processor time"
        raise SettingsError(where, problem, _TODO)
    answers = [line for line in done.stdout.splitlines(keepends=True) if line.endswith(b"\n")]
    yield from map(json.loads, answers)
    # Whoever has had an error reads no further.
    if len(answers) < len(lines) - 1:
        problem = f"the process that renders it ended with status {done.returncode}"
        raise SettingsError(where, problem, _TODO)
