"""What a string in the sources can say: its fixed words, with … for what is filled in."""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["BLANK", "Module", "Scope", "all_nodes", "read_module"]

BLANK = "…"
_MOST = 12
_MOST_INSIDE = 4
_DEEPEST = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef
_TEXT = ast.Constant | ast.JoinedStr | ast.BinOp


@dataclass
class Module:
    """A module of the sources.

    Attributes:
        name: Its path without the ending.
        tree: What stands in it.
        constants: Texts that it gives a name to, those that it imports included.
        attributes: Texts of objects, by the attribute's name: what a class or a method sets, and
            what a constant is made with, as in ``JUDGE = Role(prompt="the judge prompt")``.
        functions: Its functions and methods by name.
    """

    name: str
    tree: ast.Module
    constants: Mapping[str, ast.expr]
    attributes: Mapping[str, list[ast.expr]]
    functions: Mapping[str, list[Function]]


def read_module(name: str, text: str) -> Module:
    """Parse a module."""
    tree = ast.parse(text)
    functions: dict[str, list[Function]] = {}
    for node in all_nodes(tree):
        if isinstance(node, Function):
            functions.setdefault(node.name, []).append(node)
    bodies: list[ast.Module | ast.ClassDef] = [tree]
    bodies += [node for node in tree.body if isinstance(node, ast.ClassDef)]
    constants = {
        target.id: value
        for body in bodies
        for statement in body.body
        for target, value in _assigned(statement)
    }
    attributes: dict[str, list[ast.expr]] = {}
    for attribute, value in _attributes(tree):
        said = constants.get(value.id, value) if isinstance(value, ast.Name) else value
        if isinstance(said, _TEXT):
            attributes.setdefault(attribute, []).append(said)
    return Module(name, tree, constants, attributes, functions)


@dataclass
class Scope:
    """Where a string stands.

    Attributes:
        module: Its module.
        everywhere: Constants of all modules, for those that are imported.
        function: The function around it, if any.
        attributes: Texts of objects of all modules, for those that are made in another one.
        depth: How many names were followed to get here.
    """

    module: Module
    everywhere: Mapping[str, ast.expr]
    function: Function | None = None
    attributes: Mapping[str, list[ast.expr]] = field(default_factory=dict)
    depth: int = 0
    _seen: frozenset[str] = field(default=frozenset())

    def texts(self, node: ast.expr) -> list[str]:
        """Return what an expression can say, in at most a dozen ways."""
        texts = dict.fromkeys(itertools.islice(self._texts(node), _MOST))
        return list(texts) or [BLANK]

    def _texts(self, node: ast.expr) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield from self._joined(parts)
            case ast.FormattedValue(
                value=ast.Name() | ast.Attribute() as name, conversion=-1, format_spec=None
            ):
                texts = list(self._texts(name))
                # An empty default of an attribute is filled in elsewhere.
                is_known = any(texts) or isinstance(name, ast.Name)
                yield from texts if is_known and len(texts) <= _MOST_INSIDE else [BLANK]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                yield from self._joined([left, right])
            case ast.IfExp(body=body, orelse=other):
                yield from self._texts(body)
                yield from self._texts(other)
            case ast.Name():
                yield from self._named(node)
            case ast.Subscript(value=ast.Name(id=name)):
                yield from self._entries(name)
            case ast.Attribute(attr=name):
                yield from self._attribute(name)
            case ast.Call():
                yield from self._called(node)
            case _:
                yield BLANK

    def _called(self, node: ast.Call) -> Iterator[str]:
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[_, other]
            ) if isinstance(self._constants(name).get(name), ast.Dict):
                yield from self._entries(name)
                yield from self._texts(other)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield from self._returned(name)
            case _:
                yield BLANK

    def _joined(self, parts: Iterable[ast.expr]) -> Iterator[str]:
        for texts in itertools.product(*(self.texts(part) for part in parts)):
            yield "".join(texts)

    def _constants(self, name: str) -> Mapping[str, ast.expr]:
        return self.module.constants if name in self.module.constants else self.everywhere

    def _named(self, node: ast.Name) -> Iterator[str]:
        name = node.id
        if self.function is not None and name not in self._seen:
            inner = self._deeper(self.function, name)
            local = _reaching(self.function, node)
            if local:
                yield from itertools.chain(*(inner.texts(value) for value in local))
                return
            if name in (names := [argument.arg for argument in self.function.args.args]):
                yield from self._passed(name, names)
                return
            outer = _functions(self.module.tree).get(self.function)
            if outer is not None:
                yield from replace(self, function=outer)._named(node)  # noqa: SLF001  # one of its own
                return
        yield from self._constant(name)

    def _entries(self, name: str) -> Iterator[str]:
        match self._constants(name).get(name):
            case ast.Dict(values=values):
                yield from itertools.chain(*(self.texts(value) for value in values))
            case _:
                yield BLANK

    def _attribute(self, name: str) -> Iterator[str]:
        values = self.module.attributes.get(name) or self.attributes.get(name, [])
        if name == "name":
            # Files, models and records have one too: whose it is cannot be seen.
            values = []
        # A default that stands for nothing is no text.
        values = [value for value in values if not _is_empty(value)]
        # An attribute that many kinds of objects have says nothing of this one.
        if not 0 < len(values) <= _MOST_INSIDE or self.depth > _DEEPEST:
            yield from self._constant(name)
            return
        for value in values:
            yield from self._deeper(None, name).texts(value)

    def _constant(self, name: str) -> Iterator[str]:
        value = self._constants(name).get(name)
        if value is None or self.depth > _DEEPEST:
            yield BLANK
        else:
            yield from self._deeper(None, name).texts(value)

    def _passed(self, name: str, names: list[str]) -> Iterator[str]:
        """What the module's own calls of this function give for an argument."""
        function = self.function
        if function is None or self.depth > _DEEPEST:
            yield BLANK
            return
        index = names.index(name) - (names[0] in {"self", "cls"})
        has_value = False
        for caller, call in _calls(self.module.tree, function.name):
            value = next((word.value for word in call.keywords if word.arg == name), None)
            if value is None and 0 <= index < len(call.args):
                value = call.args[index]
            if value is not None:
                has_value = True
                yield from self._deeper(caller, f"{function.name}({name})").texts(value)
        if not has_value:
            yield BLANK

    def _returned(self, name: str) -> Iterator[str]:
        functions = self.module.functions.get(name, ())
        has_value = False
        for function in functions if self.depth <= _DEEPEST else ():
            for node in all_nodes(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    has_value = True
                    yield from self._deeper(function, f"{name}()").texts(node.value)
        if not has_value:
            yield BLANK

    def _deeper(self, function: Function | None, name: str) -> Scope:
        seen = self._seen | {name}
        return Scope(self.module, self.everywhere, function, self.attributes, self.depth + 1, seen)


def _is_empty(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value == ""


def _attributes(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in all_nodes(tree):
        match node:
            case ast.ClassDef(body=body):
                for statement in body:
                    yield from ((target.id, value) for target, value in _assigned(statement))
            case ast.Assign(targets=[ast.Attribute(ast.Name("self"), name)], value=value):
                yield name, value
    for statement in tree.body:
        for _, value in _assigned(statement):
            if isinstance(value, ast.Call):
                yield from ((word.arg, word.value) for word in value.keywords if word.arg)


def _assigned(statement: ast.stmt) -> Iterator[tuple[ast.Name, ast.expr]]:
    match statement:
        case ast.Assign(targets=[ast.Name() as target], value=value):
            yield target, value
        case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
            yield target, value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            for one, its_value in zip(targets, values, strict=False):
                if isinstance(one, ast.Name):
                    yield one, its_value


@cache
def all_nodes(node: ast.AST) -> Sequence[ast.AST]:
    """Return a node and all within it, what is nearer first."""
    return tuple(ast.walk(node))


@cache
def _functions(tree: ast.Module) -> Mapping[ast.AST, Function]:
    """Return the innermost function around each node that is in one."""
    around: dict[ast.AST, Function] = {}
    for function in all_nodes(tree):
        if isinstance(function, Function):
            around.update(dict.fromkeys(all_nodes(function)[1:], function))
    return around


def _reaching(function: Function, name: ast.Name) -> list[ast.expr]:
    """Return what a name may have been given last, the nearest first."""
    before = [
        (value, block)
        for statement, block in _statements(function)
        for target, value in _assigned(statement)
        if target.id == name.id and statement.lineno < name.lineno
    ]
    around = {block for statement, block in _statements(function) if name in all_nodes(statement)}
    values = []
    for value, block in reversed(before):
        values.append(value)
        if block in around:
            break
    return values


Block = tuple[ast.AST, str]


def _statements(node: ast.AST) -> Iterator[tuple[ast.stmt, Block]]:
    """Yield all statements inside, each with the block that it belongs to."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else ():
            if isinstance(child, ast.stmt):
                yield child, (node, name)
            if isinstance(child, (ast.stmt, ast.match_case, ast.ExceptHandler)):
                yield from _statements(child)


def _calls(tree: ast.Module, name: str) -> Iterator[tuple[Function | None, ast.Call]]:
    for node in all_nodes(tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called == name:
                yield _functions(tree).get(node), node
