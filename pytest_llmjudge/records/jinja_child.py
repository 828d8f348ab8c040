"""Renders a Jinja template for one conversation after another, in a process of its own."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.records.template_process import (
    TOO_MUCH_MEMORY,
    limit_memory,
    longest_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ["DAY", "main"]

DAY: Final = datetime(2024, 7, 26, tzinfo=timezone.utc)
"""The day of every run, for templates that tell the model: today's would change answers daily. It
is the one that Llama's templates have where nobody tells a day.
"""

_TOTAL: Final = 1 << 28
"""Characters of all prompts, beside ten for each character of all messages."""


def main(seconds: int) -> None:
    """Read a template and then conversations, a line of JSON each; write a line for each of these.

    A line is ``{"text": …}``, or ``{"error": …}``, which is the last one.

    Args:
        seconds: The processor time after which SIGXCPU ends the process.
    """
    import resource

    limit_memory()
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        render = _compiled(json.loads(sys.stdin.buffer.readline()))
        _render_lines(render, sys.stdin.buffer)
    except MemoryError:
        _write({"error": TOO_MUCH_MEMORY})
    except RecursionError:
        _write({"error": "it calls itself without an end"})
    except Exception as error:  # noqa: BLE001 - a template may raise whatever it wants
        _write({"error": f"{type(error).__name__}: {error}"[:1000]})


def _render_lines(render: Callable[[Any], str], lines: BinaryIO) -> None:
    left = _TOTAL
    for line in lines:
        text = render(json.loads(line))
        left -= len(text) - 10 * len(line)
        if len(text) > longest_text(len(line)) or left < 0:
            message = f"its text has {len(text):,} characters"
            raise ValueError(message)
        _write({"text": text})


def _write(value: dict[str, str]) -> None:
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")


def _compiled(source: str) -> Callable[[Any], str]:
    """Compile a template as transformers does, with what a file cannot know left out."""
    import jinja2
    from jinja2 import meta, nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Reads ``{% generation %}``, with which trainers mark answers, as nothing."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Any) -> list[nodes.Node]:  # noqa: ANN401 - of Jinja
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(
                ("name:endgeneration",), drop_needle=True
            )
            return body

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = DAY.strftime
    if "eos_token" in meta.find_undeclared_variables(environment.parse(source)):
        message = "it asks for eos_token, which a file does not know: write the token itself"
        raise ValueError(message)
    template = environment.from_string(source)

    def render(messages: Any) -> str:  # noqa: ANN401 - JSON
        return template.render(
            messages=messages,
            tools=None,
            documents=None,
            add_generation_prompt=True,
            enable_thinking=False,
            # Whoever makes tokens of the text puts it in front, as of any other.
            bos_token="",
        )

    return render


def _tojson(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - as transformers has it
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Write JSON without the escapes for HTML of Jinja's own filter."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
