"""Every message of an error that a user may see, read out of the sources."""

from __future__ import annotations

import ast
import html
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_llmjudge
from docgen.templates import BLANK, Scope, all_nodes, read_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ERRORS", "Message", "find_messages", "messages_table"]

ERRORS = {
    "SettingsError": {"SettingsError", "BadCriteriaError"},
    "RecordsError": {"RecordsError", "Problem", "BadRecordError", "BadQuestionError"},
    "CheckpointError": {"CheckpointError", "TemplateError"},
    "ExtractionError": {"ExtractionError"},
    "PromptError": {"PromptError", "PromptTooLongError", "TooLongError"},
    "JudgeError": {
        *("JudgeError", "JudgeDownError", "RefusedError", "NoLogprobsError", "ModelGoneError"),
        *("ReplacedError", "_error", "_of_record"),
    },
    "DatasetError": {"DatasetError"},
    "BaselineError": {"BaselineError"},
    "PeopleFileError": {"PeopleFileError"},
    "StoreError": {"StoreError"},
}
"""What makes the errors of each kind: classes of ``errors.py``, what derives from them, helpers."""

_KIND = {maker: kind for kind, makers in ERRORS.items() for maker in makers}
_FACTORIES = {
    **dict.fromkeys(("number_parser", "integer_parser", "number_check", "integer_check"), "give "),
    "_choice": "choose ",
}
"""Factories of ``values.py`` that are given messages, and how their advice begins."""
_WITHOUT_PLACE = (
    *("_error", "_of_record"),
    *("BadRecordError", "BadCriteriaError", "BadQuestionError"),
)
"""What takes no place, as it is known elsewhere."""
_FIELD = re.compile(r"\{[^}]*\}")
_TRANSPORT = re.compile(
    r"(UnreachableError|TimedOutError|DroppedError|InsecureError|AmbiguousError|\w*BodyError|"
    r"TooLargeError|NotHttpError)$"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One place in the sources that makes an error.

    Attributes:
        kind: Its class, or the one that it derives from.
        module: Where it is made.
        problem: The ways to say what is wrong; ``…`` stands for what is filled in. None where all
            of it is filled in.
        hint: The ways to say what to do; none likewise.
    """

    kind: str
    module: str
    problem: tuple[str, ...]
    hint: tuple[str, ...]


@cache
def find_messages() -> tuple[Message, ...]:
    """Return the messages of the whole package, in the order of its files."""
    package = Path(pytest_llmjudge.__file__).parent
    modules = [
        read_module(path.relative_to(package).with_suffix("").as_posix(), path.read_text("utf-8"))
        for path in sorted(package.rglob("*.py"))
    ]
    # Its functions say why a file cannot be read, for all readers.
    shared = next(module.functions for module in modules if module.name == "reading")
    for module in modules:
        module.functions = {**shared, **module.functions}
    everywhere = {
        name: value
        for module in modules
        for name, value in module.constants.items()
        if name.isupper()
    }
    attributes: dict[str, list[ast.expr]] = {}
    for module in modules:
        for name, values in module.attributes.items():
            attributes.setdefault(name, []).extend(values)
    scopes = {module.name: Scope(module, everywhere, attributes=attributes) for module in modules}
    remedies = _remedies(scopes["servers/server"], scopes["servers/transport"])
    return tuple(message for scope in scopes.values() for message in _messages(scope, remedies))


def messages_table(kind: str) -> str:
    """Return the messages of one kind of error as a Markdown table.

    A message without words of its own, or with no remedy in words, helps nobody who searches for it
    and is left out.
    """
    rows = {
        f"| {_cell(message.problem)} | {_cell(message.hint)} |": None
        for message in find_messages()
        if message.kind == kind and message.problem and message.hint
    }
    return "\n".join(["| what is wrong | what to do |", "|---|---|", *rows])


def _messages(outside: Scope, remedies: Mapping[str, list[str]]) -> Iterator[Message]:
    module = outside.module
    for function, call in _calls(module.tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else _name(call.func)
        scope = replace(outside, function=function)
        if _TRANSPORT.match(name) and call.args:
            problem = _said(scope.texts(call.args[0]))
            yield Message("JudgeError", module.name, problem, _said(remedies[name]))
        # A helper that makes errors passes on what its callers say.
        elif function is not None and function.name in _KIND:
            continue
        elif name in _FACTORIES:
            problem, hint = (_said(scope.texts(argument)) for argument in call.args[:2])
            blank = tuple(_FIELD.sub(BLANK, text) for text in problem)
            wanted = tuple(_FACTORIES[name] + text for text in hint or (BLANK,))
            yield Message("SettingsError", module.name, blank, wanted)
        elif name in _KIND and (arguments := _arguments(call, skipped=name not in _WITHOUT_PLACE)):
            problem, hint = (_said(scope.texts(argument)) for argument in arguments)
            # What a factory fills in was already said where the factory was called.
            if (problem or hint) and not _is_filled_in(arguments[0]):
                yield Message(_KIND[name], module.name, problem, hint)


def _remedies(server: Scope, transport: Scope) -> Mapping[str, list[str]]:
    """Return what to do about each class of failed connections, which its raiser does not know."""
    (function,) = server.module.functions["_transport_error"]
    special: dict[str, list[str]] = {}
    for node in all_nodes(function):
        match node:
            case ast.If(
                test=ast.Call(args=[_, kinds]),
                body=[ast.Assign(value=hint) | ast.Return(ast.Call(args=[*_, hint]))],
            ):
                named = (one for one in all_nodes(kinds) if isinstance(one, ast.Name))
                special |= {one.id: server.texts(hint) for one in named}
    (default,) = (node for node in function.body if isinstance(node, ast.Assign))
    classes = [node for node in transport.module.tree.body if isinstance(node, ast.ClassDef)]
    return {
        one.name: next(
            (special[name] for name in (one.name, *map(_name, one.bases)) if name in special),
            server.texts(default.value),
        )
        for one in classes
    }


def _calls(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
    """Yield all calls, each with the innermost function around it."""
    inside: dict[ast.Call, ast.FunctionDef | None] = {}
    for node in all_nodes(tree):
        if isinstance(node, ast.Call):
            inside.setdefault(node, None)
        if isinstance(node, ast.FunctionDef):
            inside |= {call: node for call in all_nodes(node) if isinstance(call, ast.Call)}
    yield from ((function, call) for call, function in inside.items())


def _is_filled_in(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format"


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""


def _arguments(call: ast.Call, *, skipped: bool) -> Sequence[ast.expr]:
    """The two arguments that say what is wrong and what to do."""
    arguments = call.args[1:3] if skipped else call.args[:2]
    return arguments if len(arguments) == 2 else ()


def _said(texts: list[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if re.search(r"\w", text))


def _cell(texts: Sequence[str]) -> str:
    shown = [html.escape(" ".join(text.split())).replace("|", "&#124;") for text in texts]
    return "<br>".join(f"<code>{text}</code>" for text in shown)
