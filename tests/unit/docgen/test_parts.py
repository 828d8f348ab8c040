"""The parts of pages that are made out of the sources."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from docgen.classes import classes_table
from docgen.messages import ERRORS, find_messages, messages_table
from docgen.pages import filled, write_pages
from pytest_llmjudge import errors


def test_every_kind_of_error_has_a_table() -> None:
    """A new class of errors has a place, or derives from one that has."""
    tree = ast.parse(Path(errors.__file__).read_text("utf-8"))
    made = {maker for makers in ERRORS.values() for maker in makers}
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}

    assert classes - made == {"LlmJudgeError"}
    assert {message.kind for message in find_messages()} == set(ERRORS)


def test_a_table_shows_all_ways() -> None:
    """The problem stands beside what to do; marks of HTML and of tables are no marks."""
    table = messages_table("StoreError")

    assert table.startswith("| what is wrong | what to do |\n|---|---|\n")
    assert "| <code>… is a folder</code> | <code>name another place</code> |" in table
    assert all(line.count("|") == 3 for line in messages_table("SettingsError").splitlines())


def test_a_table_says_what_to_do_about_each_message() -> None:
    """Remedies of connections that failed are read where they are chosen; no cell is a blank."""
    table = messages_table("JudgeError")

    assert "| <code>cannot be spoken to securely (…)</code> | <code>correct its cert" in table
    assert (
        "| <code>closed the connection in the middle of its reply</code> "
        "| <code>the log of &quot;ollama serve&quot; tells more</code><br>"
        "<code>the server&#x27;s log tells more</code> |"
    ) in table
    for kind in ERRORS:
        cells = [cell.strip() for cell in messages_table(kind).replace("\n", "|").split("|")]
        assert "…" not in cells
        assert "<code>…</code>" not in cells


def test_every_class_has_a_sentence() -> None:
    """The version is no class, and what is loaded late is there too."""
    table = classes_table()

    assert "| `Record` | One instruction with its reference answer. |" in table
    assert "| `MMLUResult` | How a model answered the questions of one subject. |" in table
    assert "__version__" not in table


def test_a_part_is_written_in_place_of_the_old_one(tmp_path: Path) -> None:
    """What stands around it stays, and a second time nothing changes."""
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- made: options -->\nold\n<!-- end: options -->\n\nAfter.\n")
    write_pages(tmp_path)
    written = page.read_text("utf-8")
    write_pages(tmp_path)

    assert written.startswith("Before.\n\n<!-- made: options -->\n\n| option |")
    assert written.endswith(" |\n\n<!-- end: options -->\n\nAfter.\n")
    assert "old" not in written.splitlines()
    assert page.read_text("utf-8") == written


def test_a_page_that_asks_for_nothing_known() -> None:
    """It is a mistake of the page, and nothing is written."""
    with pytest.raises(KeyError, match="nothing"):
        filled("<!-- made: nothing -->\n<!-- end: nothing -->")
