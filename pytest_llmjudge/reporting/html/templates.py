"""The page's templates, which escape every text that they are given."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from pytest_llmjudge.reporting.html.texts import safe_text

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["part", "template"]

_PARTS = resources.files(__package__).joinpath("parts")
_TEMPLATES = ("frame.html", "report.html", "history.html", "macros.html", "chart.svg")


def part(name: str) -> str:
    """Return the text of a file in ``parts/``."""
    return _PARTS.joinpath(name).read_text("utf-8")


def template(name: str) -> Template:
    """Return a page, or ``chart.svg``, which draws the ``chart`` it is given."""
    return _environment().get_template(name)


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=DictLoader({name: part(name) for name in _TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_fit,
    )


def _fit(value: object) -> object:
    return safe_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value
