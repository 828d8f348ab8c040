"""Reads a pickle with a bound on everything it asks for, and calls nothing that it names.

The standard library's reader has no bounds: a pickle of a few bytes lets it take gigabytes for the
table of what was read before, or end the process by hashing tuples nested a million deep. Here
memory and time are proportional to the pickle's own size, which is bounded, and nothing that is
nested is ever hashed.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["SIZE_LIMIT", "Opaque", "PickleError", "StandIns", "read_pickle"]

SIZE_LIMIT = 1 << 26
"""Bytes of a pickle. A state dict takes about 150 a tensor; a training program adds its own."""

_WORK_LIMIT = 1 << 22
"""Opcodes of a pickle, and arguments of its calls: of the former a tensor takes about 40."""

_DIGITS_LIMIT = 640
"""Digits of an integer, the least that Python can be set to; in binary 255 bytes."""

_KEY_LIMIT = 16
"""Entries of a tuple that is a key."""

_PLAIN_KEYS = 1 << 60
"""Integers of a smaller size have hashes of their own."""

_WORK_OF_A_KEY = 256
"""What a key counts for that may have the hash of others: so few cannot take long."""


class PickleError(ValueError):
    """A pickle that is damaged, or asks for what no state dict needs; its text is the verb."""


class Opaque:
    """What stands for an object that nobody looks at; it holds nothing."""


class StandIns(Protocol):
    """What takes the place of all that a pickle names."""

    def global_named(self, module: str, name: str) -> str | Callable[..., object]:
        """Return a plain value, or what is called in the place of a class or function."""

    def persistent(self, pid: object) -> object:
        """Return what stands for an object that lies outside of the pickle."""


def read_pickle(data: bytes, stand_ins: StandIns, start: int = 0) -> tuple[object, int]:
    """Read one pickle, which consists of plain values and stand-ins.

    Args:
        data: Bytes that hold it.
        stand_ins: For what it names.
        start: Where it begins.

    Returns:
        Its value, and where it ends in ``data``.

    Raises:
        PickleError: It is damaged, or asks for what no state dict needs.
    """
    reader = _Reader(data, stand_ins, start)
    try:
        return reader.read(), reader.at
    except PickleError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, struct.error):
        raise PickleError(_DAMAGED) from None


_DAMAGED = "is damaged"


class _Reader:
    """A machine with a stack, as the module pickletools of the standard library describes it."""

    def __init__(self, data: bytes, stand_ins: StandIns, start: int) -> None:
        self.at = start
        self._data = data
        self.stand_ins = stand_ins
        self.stack: list[object] = []
        self._below: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self._work = _WORK_LIMIT

    def read(self) -> object:
        while True:
            self._spend(1)
            code = self.take(1)
            if code == pickle.STOP:
                return self.stack.pop()
            name = _NAMES.get(code)
            if name is None:
                raise PickleError(_DAMAGED)
            if (value := _VALUES.get(name)) is not None:
                pushed = value(self)
                self.stack.append(pushed)
            elif (step := _STEPS.get(name)) is not None:
                step(self)
            else:
                message = f"has the opcode {name}, which torch.save does not write"
                raise PickleError(message)

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            message = f"has more than {_WORK_LIMIT:,} values"
            raise PickleError(message)

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise PickleError(_DAMAGED)
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def counted(self, width: int) -> bytes:
        """Take bytes after their number, which is checked before anything is taken."""
        return self.take(self.number(width))

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        end = self._data.index(b"\n", self.at)
        line = self._data[self.at : end]
        self.at = end + 1
        return line.decode()

    def marked(self) -> list[object]:
        """Pop what was pushed since the last mark."""
        items, self.stack = self.stack, self._below.pop()
        return items

    def pop(self, count: int) -> list[object]:
        if len(self.stack) < count:
            raise PickleError(_DAMAGED)
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _checked(self, keys: Iterable[object]) -> None:
        """Refuse keys that take long to hash, or that could all be made to have one hash."""
        for key in keys:
            if isinstance(key, str) or (isinstance(key, int) and abs(key) < _PLAIN_KEYS):
                continue
            self._spend(_WORK_OF_A_KEY)
            parts = key if isinstance(key, tuple) and len(key) <= _KEY_LIMIT else (key,)
            if not all(isinstance(part, _SCALARS) for part in parts):
                message = "has a key that is made of others"
                raise PickleError(message)

    def pairs(self, items: list[object]) -> dict[object, object]:
        if len(items) % 2:
            raise PickleError(_DAMAGED)
        self._checked(items[::2])
        return dict(zip(items[::2], items[1::2], strict=True))

    def begin(self) -> None:
        if self.number(1) > pickle.HIGHEST_PROTOCOL:
            raise PickleError(_DAMAGED)

    def frame(self) -> None:
        if self.number(8) > len(self._data) - self.at:
            raise PickleError(_DAMAGED)

    def mark(self) -> None:
        self._below.append(self.stack)
        self.stack = []

    def drop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.marked()

    def extend(self, items: list[object]) -> None:
        _as_list(self.stack[-1]).extend(items)

    def update(self, items: list[object]) -> None:
        _as_dict(self.stack[-1]).update(self.pairs(items))

    def add(self, items: list[object]) -> None:
        self._checked(items)
        if not isinstance(self.stack[-1], Opaque):
            raise PickleError(_DAMAGED)

    def keep(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def global_named(self, module: object, name: object) -> object:
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError(_DAMAGED)
        return self.stand_ins.global_named(module, name)

    def called(self) -> object:
        function, arguments = self.pop(2)
        if not callable(function) or not isinstance(arguments, tuple):
            raise PickleError(_DAMAGED)
        # What is called may look at each of them, and at what they hold.
        sized = [one for one in arguments if isinstance(one, (dict, list, tuple))]
        self._spend(len(arguments) + sum(map(len, sized)))
        return function(*arguments)

    def frozen(self) -> Opaque:
        self._checked(self.marked())
        return Opaque()


def _as_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise PickleError(_DAMAGED)
    return value


def _as_dict(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise PickleError(_DAMAGED)
    return value


def _integer(line: str) -> int:
    return _BOOLS[line] if line in _BOOLS else int(_short(line))


def _short(line: str) -> str:
    if len(line) > _DIGITS_LIMIT:
        raise PickleError(_DAMAGED)
    return line


_BOOLS = {"00": False, "01": True}
_SCALARS = (str, int, float, bytes, type(None), Opaque)
_VALUES: Mapping[str, Callable[[_Reader], object]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "INT": lambda reader: _integer(reader.line()),
    "LONG": lambda reader: int(_short(reader.line()).removesuffix("L")),
    "BININT": lambda reader: int.from_bytes(reader.take(4), "little", signed=True),
    "BININT1": lambda reader: reader.number(1),
    "BININT2": lambda reader: reader.number(2),
    "LONG1": lambda reader: int.from_bytes(reader.counted(1), "little", signed=True),
    "FLOAT": lambda reader: float(_short(reader.line())),
    "BINFLOAT": lambda reader: struct.unpack(">d", reader.take(8))[0],
    "SHORT_BINSTRING": lambda reader: reader.counted(1).decode("ascii"),
    "BINSTRING": lambda reader: reader.counted(4).decode("ascii"),
    "SHORT_BINBYTES": lambda reader: reader.counted(1),
    "BINBYTES": lambda reader: reader.counted(4),
    "BINBYTES8": lambda reader: reader.counted(8),
    "SHORT_BINUNICODE": lambda reader: reader.counted(1).decode("utf-8", "surrogatepass"),
    "BINUNICODE": lambda reader: reader.counted(4).decode("utf-8", "surrogatepass"),
    "BINUNICODE8": lambda reader: reader.counted(8).decode("utf-8", "surrogatepass"),
    "EMPTY_TUPLE": lambda _: (),
    "TUPLE": lambda reader: tuple(reader.marked()),
    "TUPLE1": lambda reader: tuple(reader.pop(1)),
    "TUPLE2": lambda reader: tuple(reader.pop(2)),
    "TUPLE3": lambda reader: tuple(reader.pop(3)),
    "EMPTY_LIST": lambda _: [],
    "LIST": lambda reader: reader.marked(),
    "EMPTY_DICT": lambda _: {},
    "DICT": lambda reader: reader.pairs(reader.marked()),
    "EMPTY_SET": lambda _: Opaque(),
    "FROZENSET": lambda reader: reader.frozen(),
    "DUP": lambda reader: reader.stack[-1],
    "BINGET": lambda reader: reader.memo[reader.number(1)],
    "LONG_BINGET": lambda reader: reader.memo[reader.number(4)],
    "GLOBAL": lambda reader: reader.global_named(reader.line(), reader.line()),
    "STACK_GLOBAL": lambda reader: reader.global_named(*reader.pop(2)),
    "REDUCE": lambda reader: reader.called(),
    "BINPERSID": lambda reader: reader.stand_ins.persistent(*reader.pop(1)),
}
"""What each opcode pushes; those of instances, extensions and buffers are left out."""
_STEPS: Mapping[str, Callable[[_Reader], object]] = {
    "PROTO": _Reader.begin,
    "FRAME": _Reader.frame,
    "MARK": _Reader.mark,
    "POP": _Reader.drop,
    "POP_MARK": _Reader.marked,
    "APPEND": lambda reader: reader.extend(reader.pop(1)),
    "APPENDS": lambda reader: reader.extend(reader.marked()),
    "SETITEM": lambda reader: reader.update(reader.pop(2)),
    "SETITEMS": lambda reader: reader.update(reader.marked()),
    "ADDITEMS": lambda reader: reader.add(reader.marked()),
    "BINPUT": lambda reader: reader.keep(reader.number(1)),
    "LONG_BINPUT": lambda reader: reader.keep(reader.number(4)),
    "MEMOIZE": lambda reader: reader.keep(len(reader.memo)),
    # The metadata of a state dict, which nobody looks at.
    "BUILD": lambda reader: (reader.pop(1), _as_dict(reader.stack[-1])),
}
"""What each of the others does."""
_NAMES = {code.code.encode("latin-1"): code.name for code in pickletools.opcodes}
