"""The pages: a response to be scored, and the end."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import abort, redirect, render_template, request
from werkzeug.exceptions import BadRequest

from pytest_llmjudge.local_page.site import Words, make_app
from pytest_llmjudge.stats.labels import seal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask
    from werkzeug.wrappers import Response as Reply

    from pytest_llmjudge.data import Label
    from pytest_llmjudge.labelling.box import LabelBox
    from pytest_llmjudge.labelling.messages import Ending
    from pytest_llmjudge.labelling.sample import Item
    from pytest_llmjudge.local_page.guard import Guard

__all__ = ["LONGEST_NOTE", "make_site"]

LONGEST_NOTE = 2000
"""In characters; a form with a longer one might be refused for its size."""

_NOTES = {
    "other": "You had already labelled that response in another window. That label stands.",
    "skipped": "Skipped. It comes again at the end.",
    "corrected": "Corrected.",
}
_NO_FORM = "This form is not one of this page. Nothing was written."
_NO_SCORE = "A score is a whole number from 0 to 100. Nothing was written."
_TOO_LONG = f"A note has at most {LONGEST_NOTE} characters. Nothing was written."
_WORDS = Words("The label was not written", "The labels cannot be read", "Go on labelling")
_SCORE = re.compile(r"\s*([0-9]{1,3})\s*", re.ASCII)


def make_site(box: LabelBox, guard: Guard, outcome: Callable[[], Ending]) -> Flask:
    """Return the application.

    Args:
        box: The labeler's responses.
        guard: Decides which requests are answered.
        outcome: What the end page shows; asked for only when all responses are labelled.
    """
    site = make_app("pytest_llmjudge.labelling", "label", guard, _WORDS)

    def ask(item: Item, label: Label | None) -> str:
        return render_template(
            "label.html",
            item=item,
            label=label,
            replaced="" if label is None else seal(label),
            before=box.before(item),
            progress=box.progress(),
            token=guard.token,
            longest_note=LONGEST_NOTE,
            note=_NOTES.get(request.args.get("note", "")),
        )

    @site.get("/")
    def show() -> str:
        item = box.next()
        if item is None:
            return render_template("end.html", outcome=outcome(), before=box.before(None))
        return ask(item, None)

    @site.get("/again/<token>")
    def show_again(token: str) -> str | Reply:
        item = box.find(token)
        if item is None:
            abort(HTTPStatus.NOT_FOUND)
        label = box.label_of(item)
        return redirect("/") if label is None else ask(item, label)

    @site.post("/label")
    def label() -> Reply:
        guard.check_token(request.form.get("token", ""))
        item = box.find(request.form.get("item", ""))
        action = request.form.get("action", "")
        if item is None or action not in {"save", "skip"}:
            raise BadRequest(_NO_FORM)
        note = _skip(box, item) if action == "skip" else _save(box, item, request.form)
        return redirect(f"/?note={note}" if note else "/", HTTPStatus.SEE_OTHER)

    return site


def _skip(box: LabelBox, item: Item) -> str:
    box.skip(item)
    return "skipped"


def _save(box: LabelBox, item: Item, form: Mapping[str, str]) -> str:
    """Save what a form says, and return which note the next page shows."""
    score, note = _score(form.get("score", "")), form.get("note", "").strip()
    if len(note) > LONGEST_NOTE:
        raise BadRequest(_TOO_LONG)
    replaced = form.get("replaced", "")
    stands = box.save(item, score, note, replaced)
    if (stands.score, stands.note) != (score, note):
        return "other"
    return "corrected" if replaced else ""


def _score(text: str) -> int:
    match = _SCORE.fullmatch(text)
    if match is None or int(match[1]) > 100:
        raise BadRequest(_NO_SCORE)
    return int(match[1])
