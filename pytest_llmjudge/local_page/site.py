"""What every local page is made of: its files, its guard, and its pages for errors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from flask import Flask, Response, render_template, request
from jinja2 import ChoiceLoader, PackageLoader
from werkzeug.exceptions import HTTPException

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.local_page.guard import LARGEST_BODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_llmjudge.local_page.guard import Guard

__all__ = ["Words", "make_app", "visible"]

_HERE = "pytest_llmjudge.local_page"
_SHARED_FILES = ("icon.svg", "page.css", "page.js")
_KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Control characters but for white space, and what embeds, overrides or isolates a direction.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_DEFAULT_TEXTS = {404: "There is no such page.", 405: "This page takes no such request."}


@dataclass(frozen=True, slots=True)
class Words:
    """What pages for errors say.

    Attributes:
        unwritten: Title when an answer could not be written.
        unreadable: Title when the file of answers cannot be read.
        back: Of the link that leads on.
    """

    unwritten: str
    unreadable: str
    back: str


def make_app(package: str, name: str, guard: Guard, words: Words) -> Flask:
    """Return an application without pages of its own.

    Args:
        package: Its folder ``pages`` has the templates, ``<name>.css`` and ``<name>.js``.
        name: Of these two files.
        guard: Decides which requests are answered.
        words: For pages that say what went wrong.
    """
    # Without a static folder no path is ever taken from a request.
    app = Flask(package, static_folder=None)
    app.jinja_loader = ChoiceLoader([PackageLoader(one, "pages") for one in (package, _HERE)])
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.url_map.merge_slashes = False
    app.before_request(lambda: guard.check(request))
    app.after_request(guard.seal)
    app.add_template_filter(visible)
    app.context_processor(lambda: {"files": name})
    for file in _SHARED_FILES:
        app.add_url_rule(f"/{file}", endpoint=file, view_func=_file(_HERE, file))
    for file in (f"{name}.css", f"{name}.js"):
        app.add_url_rule(f"/{file}", endpoint=file, view_func=_file(package, file))

    @app.errorhandler(HTTPException)
    def tell(error: HTTPException) -> tuple[str, int]:
        status = error.code or 500
        text = _DEFAULT_TEXTS.get(status, error.description or error.name)
        return _error_page(error.name, text), status

    @app.errorhandler(LlmJudgeError)
    def tell_problem(error: LlmJudgeError) -> tuple[str, int]:
        title = words.unwritten if request.method == "POST" else words.unreadable
        return _error_page(title, " ".join(error.lines)), 500

    def _error_page(title: str, text: str) -> str:
        return render_template("error.html", title=title, text=text, back=words.back)

    return app


def visible(text: str) -> str:
    """Show as escapes what nobody would see, or what would turn the order of what is seen.

    Joiners and marks of direction stay: emoji and texts of several scripts need them.
    """
    return _UNSEEN.sub(lambda match: ascii(match[0])[1:-1], text)


def _file(package: str, name: str) -> Callable[[], Response]:
    content = resources.files(package).joinpath(f"pages/{name}").read_bytes()
    kind = _KINDS[name.rpartition(".")[2]]
    return lambda: Response(content, content_type=kind)
