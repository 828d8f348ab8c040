"""The pages: a ballot, and the end."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import redirect, render_template, request
from werkzeug.exceptions import BadRequest

from pytest_llmjudge.local_page.site import Words, make_app
from pytest_llmjudge.voting.ballots import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response as Reply

    from pytest_llmjudge.local_page.guard import Guard
    from pytest_llmjudge.voting.box import BallotBox
    from pytest_llmjudge.voting.messages import Ending

__all__ = ["make_site"]

_NOTES = {
    "other": "You had voted on that one already, in another window. The first vote stands.",
    "skipped": "Skipped. It comes again at the end.",
}
_NO_FORM = "This form is not one of this page. Nothing was written."
_WORDS = Words("The vote was not written", "The votes cannot be read", "Go on voting")
_SKIP = "skip"


def make_site(box: BallotBox, guard: Guard, outcome: Callable[[], Ending]) -> Flask:
    """Return the application.

    Args:
        box: The voter's ballots.
        guard: Decides which requests are answered.
        outcome: What the end page shows; asked for only when all ballots are voted on.
    """
    site = make_app("pytest_llmjudge.voting", "vote", guard, _WORDS)

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

    return site
