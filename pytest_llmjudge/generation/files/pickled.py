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
        self._stand_ins = stand_ins
        self._stack: list[object] = []
        self._below: list[list[object]] = []
        self._memo: dict[int, object] = {}
        self._work = _WORK_LIMIT

    def read(self) -> object:
        while True:
            self._spend(1)
            code = self._take(1)
            if code == pickle.STOP:
                return self._stack.pop()
            name = _NAMES.get(code)
            if name is None:
                raise PickleError(_DAMAGED)
            step = _STEPS.get(code)
            if step is None:
                message = f"has the opcode {name}, which torch.save does not write"
                raise PickleError(message)
            step(self)

    def _spend(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            message = f"has more than {_WORK_LIMIT:,} values"
            raise PickleError(message)

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._data):
            raise PickleError(_DAMAGED)
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def _counted(self, width: int) -> bytes:
        """Take bytes after their number, which is checked before anything is taken."""
        return self._take(int.from_bytes(self._take(width), "little"))

    def _line(self) -> str:
        end = self._data.index(b"\n", self.at)
        line = self._data[self.at : end]
        self.at = end + 1
        return line.decode()

    def _marked(self) -> list[object]:
        """Pop what was pushed since the last mark."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def _pop(self, count: int) -> list[object]:
        if len(self._stack) < count:
            raise PickleError(_DAMAGED)
        items = self._stack[-count:]
        del self._stack[-count:]
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

    def _pairs(self, items: list[object]) -> dict[object, object]:
        if len(items) % 2:
            raise PickleError(_DAMAGED)
        self._checked(items[::2])
        return dict(zip(items[::2], items[1::2], strict=True))

    # The opcodes, by the names that pickletools gives them.

    def do_proto(self) -> None:
        if self._take(1)[0] > pickle.HIGHEST_PROTOCOL:
            raise PickleError(_DAMAGED)

    def do_frame(self) -> None:
        size = int.from_bytes(self._take(8), "little")
        if size > len(self._data) - self.at:
            raise PickleError(_DAMAGED)

    def do_mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def do_pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._marked()

    def do_pop_mark(self) -> None:
        self._marked()

    def do_dup(self) -> None:
        self._stack.append(self._stack[-1])

    def do_none(self) -> None:
        self._stack.append(None)

    def do_newtrue(self) -> None:
        self._stack.append(True)

    def do_newfalse(self) -> None:
        self._stack.append(False)

    def do_int(self) -> None:
        line = self._line()
        self._stack.append(_BOOLS[line] if line in _BOOLS else int(_short(line)))

    def do_long(self) -> None:
        self._stack.append(int(_short(self._line()).removesuffix("L")))

    def do_binint(self) -> None:
        self._stack.append(int.from_bytes(self._take(4), "little", signed=True))

    def do_binint1(self) -> None:
        self._stack.append(self._take(1)[0])

    def do_binint2(self) -> None:
        self._stack.append(int.from_bytes(self._take(2), "little"))

    def do_long1(self) -> None:
        self._stack.append(int.from_bytes(self._counted(1), "little", signed=True))

    def do_float(self) -> None:
        self._stack.append(float(_short(self._line())))

    def do_binfloat(self) -> None:
        self._stack.extend(struct.unpack(">d", self._take(8)))

    def do_short_binstring(self) -> None:
        self._stack.append(self._counted(1).decode("ascii"))

    def do_binstring(self) -> None:
        self._stack.append(self._counted(4).decode("ascii"))

    def do_short_binbytes(self) -> None:
        self._stack.append(self._counted(1))

    def do_binbytes(self) -> None:
        self._stack.append(self._counted(4))

    def do_binbytes8(self) -> None:
        self._stack.append(self._counted(8))

    def do_short_binunicode(self) -> None:
        self._stack.append(self._counted(1).decode("utf-8", "surrogatepass"))

    def do_binunicode(self) -> None:
        self._stack.append(self._counted(4).decode("utf-8", "surrogatepass"))

    def do_binunicode8(self) -> None:
        self._stack.append(self._counted(8).decode("utf-8", "surrogatepass"))

    def do_empty_tuple(self) -> None:
        self._stack.append(())

    def do_tuple(self) -> None:
        items = self._marked()
        self._stack.append(tuple(items))

    def do_tuple1(self) -> None:
        self._stack.append(tuple(self._pop(1)))

    def do_tuple2(self) -> None:
        self._stack.append(tuple(self._pop(2)))

    def do_tuple3(self) -> None:
        self._stack.append(tuple(self._pop(3)))

    def do_empty_list(self) -> None:
        self._stack.append([])

    def do_list(self) -> None:
        items = self._marked()
        self._stack.append(items)

    def do_append(self) -> None:
        items = self._pop(1)
        _as_list(self._stack[-1]).extend(items)

    def do_appends(self) -> None:
        items = self._marked()
        _as_list(self._stack[-1]).extend(items)

    def do_empty_dict(self) -> None:
        self._stack.append({})

    def do_dict(self) -> None:
        items = self._marked()
        self._stack.append(self._pairs(items))

    def do_setitem(self) -> None:
        items = self._pop(2)
        _as_dict(self._stack[-1]).update(self._pairs(items))

    def do_setitems(self) -> None:
        items = self._marked()
        _as_dict(self._stack[-1]).update(self._pairs(items))

    def do_empty_set(self) -> None:
        self._stack.append(Opaque())

    def do_additems(self) -> None:
        self._checked(self._marked())
        if not isinstance(self._stack[-1], Opaque):
            raise PickleError(_DAMAGED)

    def do_frozenset(self) -> None:
        self._checked(self._marked())
        self._stack.append(Opaque())

    def do_binget(self) -> None:
        self._stack.append(self._memo[self._take(1)[0]])

    def do_long_binget(self) -> None:
        self._stack.append(self._memo[int.from_bytes(self._take(4), "little")])

    def do_binput(self) -> None:
        self._memo[self._take(1)[0]] = self._stack[-1]

    def do_long_binput(self) -> None:
        self._memo[int.from_bytes(self._take(4), "little")] = self._stack[-1]

    def do_memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def do_global(self) -> None:
        module = self._line()
        self._stack.append(self._stand_ins.global_named(module, self._line()))

    def do_stack_global(self) -> None:
        module, name = self._pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleError(_DAMAGED)
        self._stack.append(self._stand_ins.global_named(module, name))

    def do_reduce(self) -> None:
        function, arguments = self._pop(2)
        if not callable(function) or not isinstance(arguments, tuple):
            raise PickleError(_DAMAGED)
        # What is called may look at each of them, and at what they hold.
        sized = [one for one in arguments if isinstance(one, (dict, list, tuple))]
        self._spend(len(arguments) + sum(map(len, sized)))
        self._stack.append(function(*arguments))

    def do_build(self) -> None:
        # The metadata of a state dict, which nobody looks at.
        self._pop(1)
        _as_dict(self._stack[-1])

    def do_binpersid(self) -> None:
        (pid,) = self._pop(1)
        self._stack.append(self._stand_ins.persistent(pid))


def _as_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise PickleError(_DAMAGED)
    return value


def _as_dict(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise PickleError(_DAMAGED)
    return value


def _short(line: str) -> str:
    if len(line) > _DIGITS_LIMIT:
        raise PickleError(_DAMAGED)
    return line


_BOOLS = {"00": False, "01": True}
_SCALARS = (str, int, float, bytes, type(None), Opaque)
_NAMES = {code.code.encode("latin-1"): code.name for code in pickletools.opcodes}
_STEPS: Mapping[bytes, Callable[[_Reader], None]] = {
    code: step
    for code, name in _NAMES.items()
    if (step := getattr(_Reader, f"do_{name.lower()}", None)) is not None
}
"""What each opcode does; those of instances, extensions and buffers are left out."""
