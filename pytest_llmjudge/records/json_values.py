"""JSON of records files: decoded with a mark on what programs read in different ways."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.reading import ROWS_LIMIT, VALUES_LIMIT, has_more_values, is_too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Decoder", "NotFinite", "Repeated", "check_size", "check_values", "kind_of", "listed"]

_SHOWN_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class NotFinite:
    """NaN or an infinity: Python writes and reads them, but no other program has to."""

    text: str


class Repeated(dict[str, Any]):
    """An object with a key that it has more than once, of which programs take one or the other."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs)
        self.again = [key for key, count in counts.items() if count > 1]


class Decoder:
    """Decodes JSON, and marks what other programs would read in another way.

    Attributes:
        is_odd: Whether a :class:`NotFinite` or a :class:`Repeated` is somewhere in the values.
        count: How many values the objects have together.
    """

    def __init__(self) -> None:
        self.is_odd = False
        self.count = 0
        self._json = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._number, parse_float=self._number
        )

    def read(self, where: str, text: str) -> object:
        """Decode one document.

        Raises:
            RecordsError: It is not JSON, or is nested too deeply.
        """
        try:
            value = self._json.decode(text)
            if is_too_deep(value):
                raise RecursionError
            return value
        except json.JSONDecodeError as error:
            place = f"{error.msg}, line {error.lineno} column {error.colno}"
            raise RecordsError(where, f"it is not JSON ({place})", "correct it there") from None
        except RecursionError:
            hint = "a record is a flat object"
            raise RecordsError(where, "it is nested too deeply", hint) from None
        except ValueError:
            # Python refuses to read integers of more than 4,300 digits.
            problem = "it holds a number of thousands of digits"
            raise RecordsError(where, problem, "correct it") from None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self.count += len(pairs)
        unique = dict(pairs)
        if len(unique) == len(pairs):
            return unique
        self.is_odd = True
        return Repeated(pairs)

    def _number(self, text: str) -> float | NotFinite:
        value = float(text)
        if math.isfinite(value):
            return value
        self.is_odd = True
        return NotFinite(one_line(text, 40))


def check_values(name: str, text: str) -> None:
    """Refuse a JSON text of more values than there is memory for, before it is decoded.

    Raises:
        RecordsError: It has.
    """
    if has_more_values(text, VALUES_LIMIT):
        raise _too_large(name)


def check_size(name: str, rows: int, values: int) -> None:
    """Refuse a file that has more records, or values in them, than there is memory for.

    Raises:
        RecordsError: It has.
    """
    if rows > ROWS_LIMIT or values > VALUES_LIMIT:
        raise _too_large(name)


def _too_large(name: str) -> RecordsError:
    problem = f"it has more than the {ROWS_LIMIT:,} rows or {VALUES_LIMIT:,} values that are read"
    return RecordsError(name, problem, "take a part of its records")


_KINDS: Final = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def kind_of(value: object) -> str:
    """Say what kind of JSON value it is, with its article."""
    return value.text if isinstance(value, NotFinite) else _KINDS.get(type(value), "an object")


def listed(names: Iterable[str]) -> str:
    """Quote the names of some fields, and count those beyond the first eight."""
    quoted = [f'"{one_line(name, 40)}"' for name in names]
    shown = quoted[:_SHOWN_FIELDS]
    if len(quoted) > len(shown):
        return f"{', '.join(shown)} and {len(quoted) - len(shown)} more"
    *most, last = shown or ["none"]
    return f"{', '.join(most)} and {last}" if most else last
