"""The parts of pages that are made out of the sources."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from docgen.messages import ERRORS, find_messages, messages_table
from mkdocs_hooks import filled
from pytest_llmjudge import errors


def test_every_kind_of_error_has_a_table() -> None:
    """A new class of errors has a place, or derives from one that has."""
    tree = ast.parse(Path(errors.__file__).read_text("utf-8"))
    made = {maker for makers in ERRORS.values() for maker in makers}
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}

    assert classes - made == {"LlmJudgeError"}
    assert {message.kind for message in find_messages()} == set(ERRORS)


def test_a_table_shows_all_ways() -> None:
    """What was found stands beside what to do; marks of HTML and of tables are no marks."""
    table = messages_table("StoreError")

    assert table.startswith("| what was found | what to do |\n|---|---|\n")
    assert "| <code>… is a folder</code> | <code>name another place</code> |" in table
    assert all(line.count("|") == 3 for line in messages_table("SettingsError").splitlines())


def test_a_part_is_set_in_like_its_place() -> None:
    """In a block that can be folded all of it is folded."""
    page = filled('??? note "vote.json"\n\n    <!-- made: schema vote -->\n\nNext.\n')
    lines = page.splitlines()[2:-2]

    assert lines[0] == "    ```json"
    assert lines[-1] == "    ```"
    assert all(line.startswith("    ") for line in lines if line)


def test_a_page_that_asks_for_nothing_known() -> None:
    """It is a mistake of the page, and ends the build."""
    with pytest.raises(KeyError, match="nothing"):
        filled("<!-- made: nothing -->")
