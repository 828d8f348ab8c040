"""What strings of the sources can say is followed through names, branches and calls."""

from __future__ import annotations

import ast

import pytest

from docgen.templates import Scope, read_module

SOURCE = """
TODO = "say " + "it again"
_KINDS = {"a": "an ant", "b": "a bee"}
JUDGE = Role(option="--url")
OTHER = Role(option="--other-url")

class Server:
    start_it = "start it"

    def __init__(self):
        self.name_it = f"name it with {self.role.option}"

    def plain(self):
        return tell(f"{self.name} is at {where()}", TODO)

    def branches(self, many):
        found = "nothing"
        if many:
            found = "too much"
        else:
            found = f"only {many}"
        return tell(found, self.start_it)

    def before(self):
        found = "first"
        found = "second"
        return tell(found, _KINDS[found])

    def helper(self, found):
        return tell(f"it has {found!r}", self._text())

    def _text(self):
        return "one way" if self.name else "the other"

    def passes(self):
        return self.wrap("a wall")

    def wraps(self):
        return self.wrap(found="a moat")

    def wrap(self, found):
        return tell(found, 7)

    def turns(self, found):
        found = found
        return tell(found, "go round")

    def attributes(self, found):
        return tell(found, self.name_it)

    def looks_up(self, found):
        return tell(found.get("a", "ours"), _KINDS.get(found, "something else"))
"""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("plain", [["… is at …"], ["say it again"]]),
        ("branches", [["only …", "too much", "nothing"], ["start it"]]),
        ("before", [["second"], ["an ant", "a bee"]]),
        ("helper", [["it has …"], ["one way", "the other"]]),
        ("wrap", [["a wall", "a moat"], ["…"]]),
        ("turns", [["…"], ["go round"]]),
        ("attributes", [["…"], ["name it with --url", "name it with --other-url"]]),
        ("looks_up", [["…"], ["an ant", "a bee", "something else"]]),
    ],
)
def test_what_can_be_said(function: str, expected: list[list[str]]) -> None:
    """Fixed words stay, what is filled in is a blank, and each way is there."""
    module = read_module("m", SOURCE)
    (definition,) = module.functions[function]
    (call,) = (
        node
        for node in ast.walk(definition)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "tell"
    )

    assert [Scope(module, {}, definition).texts(argument) for argument in call.args] == expected
