"""The pages: a ballot, the end, and short ones for errors."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING

from flask import Flask, Response, redirect, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException

from pytest_llmjudge.errors import LlmJudgeError
from pytest_llmjudge.voting.ballots import CHOICES
from pytest_llmjudge.voting.guard import LARGEST_BODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response as Reply

    from pytest_llmjudge.voting.box import BallotBox
    from pytest_llmjudge.voting.guard import Guard
    from pytest_llmjudge.voting.messages import Ending

__all__ = ["make_site"]

_FILES = {
    "vote.css": "text/css; charset=utf-8",
    "vote.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_NOTES = {
    "other": "You had voted on that one already, in another window. The first vote stands.",
    "skipped": "Skipped. It comes again at the end.",
}
_NO_FORM = "This form is not one of this page. Nothing was written."
_UNWRITTEN = "The vote was not written"
_UNREADABLE = "The votes cannot be read"
_SKIP = "skip"
_DEFAULT_TEXTS = {404: "There is no such page.", 405: "This page takes no such request."}


def make_site(box: BallotBox, guard: Guard, outcome: Callable[[], Ending]) -> Flask:
    """Return the application.

    Args:
        box: The voter's ballots.
        guard: Decides which requests are answered.
        outcome: What the end page shows; asked for only when all ballots are voted on.
    """
    # Without a static folder no path is ever taken from a request.
    site = Flask("pytest_llmjudge.voting", static_folder=None, template_folder="pages")
    site.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    site.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    site.url_map.merge_slashes = False
    site.before_request(lambda: guard.check(request))
    site.after_request(guard.seal)
    for name, kind in _FILES.items():
        site.add_url_rule(f"/{name}", endpoint=name, view_func=_file(name, kind))

    @site.get("/")
    def show() -> str:
        ballot = box.next()
        if ballot is None:
            return render_template("end.html", outcome=outcome())
        return render_template(
            "ballot.html",
            ballot=ballot,
            progress=box.progress(),
            token=guard.token,
            note=_NOTES.get(request.args.get("note", "")),
        )

    @site.post("/vote")
    def vote() -> Reply:
        guard.check_token(request.form.get("token", ""))
        ballot = box.find(request.form.get("ballot", ""))
        choice = request.form.get("choice", "")
        if ballot is None or choice not in {*CHOICES, _SKIP}:
            raise BadRequest(_NO_FORM)
        note = ""
        if choice == _SKIP:
            box.skip(ballot)
            note = "skipped"
        elif box.cast(ballot, choice) != ballot.winner(choice):
            note = "other"
        return redirect(f"/?note={note}" if note else "/", HTTPStatus.SEE_OTHER)

    @site.errorhandler(HTTPException)
    def tell(error: HTTPException) -> tuple[str, int]:
        status = error.code or 500
        text = _DEFAULT_TEXTS.get(status, error.description or error.name)
        return render_template("error.html", title=error.name, text=text), status

    @site.errorhandler(LlmJudgeError)
    def tell_problem(error: LlmJudgeError) -> tuple[str, int]:
        text = " ".join(error.lines)
        title = _UNWRITTEN if request.method == "POST" else _UNREADABLE
        return render_template("error.html", title=title, text=text), 500

    return site


def _file(name: str, kind: str) -> Callable[[], Response]:
    content = resources.files("pytest_llmjudge.voting").joinpath(f"pages/{name}").read_bytes()
    return lambda: Response(content, content_type=kind)
