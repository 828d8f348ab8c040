"""How the text of an option, or the value of a marker keyword, is read and checked."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_llmjudge.criteria import BadCriteriaError, read_criteria
from pytest_llmjudge.errors import SettingsError, one_line
from pytest_llmjudge.sharding import MOST_SHARDS, Shard

if TYPE_CHECKING:
    from pytest_llmjudge.data import Criterion

Parser = Callable[[str, str], Any]
"""Turns ``(where, text)`` into a value, or raises SettingsError."""

_T = TypeVar("_T")
_Parse = Callable[[str, str], _T]
_Check = Callable[[str, object], _T]
ALL = "all"
"""Stands for the whole suite among the categories of ``min_average`` and ``min_accuracy``."""
_LEAST_DROP = 0.01
MOST_POWER = 0.999
"""Highest power that can be planned with."""
_MOST_DIGITS = 18
_MOST = 10**_MOST_DIGITS - 1
"""Largest integer that is taken where nothing else bounds it; results files hold none above."""
_SHOWN = 60
"""Characters of a value in a message."""
# Below, the ends of an interval are drawn from a handful of resamples, or from one.
_LEAST_RESAMPLES, _MOST_RESAMPLES = 100, 100_000


def number_parser(problem: str, wanted: str, holds: Callable[[float], bool]) -> _Parse[float]:
    """Make a parser of numbers.

    Args:
        problem: What is wrong with a number for which ``holds`` is false; ``{text}`` is the text
            and ``{value}`` the number.
        wanted: What to give instead, for messages.
        holds: Says whether a number will do.
    """
    return _parser(_number, problem, wanted, holds)


def integer_parser(
    problem: str, wanted: str, holds: Callable[[int], bool], most: int = _MOST
) -> _Parse[int]:
    """Make a parser of integers of at most ``most``, as :func:`number_parser` does."""
    return _parser(_integer, problem, wanted, holds, most)


def _number(where: str, text: str, wanted: str) -> float:
    try:
        return float(text)
    except ValueError:
        problem = f'"{_short(text)}" is not a number'
        raise SettingsError(where, problem, f"give {wanted}") from None


def _integer(where: str, text: str, wanted: str) -> int:
    try:
        return int(text)
    except ValueError:
        # Python reads no integer of thousands of digits.
        is_long = text.strip().lstrip("+-").isdecimal()
        problem = f'"{_short(text)}" is {"too large" if is_long else "not a whole number"}'
        raise SettingsError(where, problem, f"give {wanted}") from None


def _parser(
    read: Callable[[str, str, str], _T],
    problem: str,
    wanted: str,
    holds: Callable[[_T], bool],
    most: int = _MOST,
) -> _Parse[_T]:
    def parse(where: str, text: str) -> _T:
        value = read(where, text, wanted)
        if not holds(value):
            filled = problem.format(text=_short(text), value=shown(value))
            raise SettingsError(where, filled, f"give {wanted}")
        _check_size(where, value, wanted, most)
        return value

    return parse


def number_check(problem: str, wanted: str, holds: Callable[[float], bool]) -> _Check[float]:
    """Make a check of a keyword's number, as :func:`number_parser` does; an integer is one."""

    def check(where: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not holds(value):
            raise SettingsError(where, problem.format(value=shown(value)), f"give {wanted}")
        _check_size(where, value, wanted)
        return float(value)

    return check


def integer_check(problem: str, wanted: str, holds: Callable[[int], bool]) -> _Check[int]:
    """Make a check of a keyword's integer, as :func:`number_parser` does."""

    def check(where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not holds(value):
            raise SettingsError(where, problem.format(value=shown(value)), f"give {wanted}")
        _check_size(where, value, wanted)
        return value

    return check


def _check_size(where: str, value: object, wanted: str, most: int = _MOST) -> None:
    if isinstance(value, int) and value > most:
        raise SettingsError(
            where, f"{shown(value)} is too large", f"give {wanted} and fewer digits"
        )


def shown(value: object, limit: int = _SHOWN) -> str:
    """Return a user's value as a message shows it, on one line of at most ``limit`` characters."""
    if isinstance(value, int) and abs(value) > _MOST:
        return f"an integer of more than {_MOST_DIGITS} digits"
    text = text_of(repr, value)
    return (
        f"a {type(value).__name__} that cannot be shown" if text is None else one_line(text, limit)
    )


def text_of(make: Callable[[object], str], value: object) -> str | None:
    """Return ``make(value)``, or ``None`` where the class of the value lets that raise anything.

    Python itself prints no integer of thousands of digits, nor a list of such.
    """
    try:
        return make(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # it may be no Exception, as pytest.skip()
        return None


def _short(text: str) -> str:
    return one_line(text, _SHOWN)


def parse_choice(*choices: str) -> _Parse[str]:
    """Make a parser that takes one of ``choices``."""
    return _choice('"{}" is unknown', choices, _short)


def check_choice(*choices: str) -> _Check[str]:
    """Make a check of a keyword that takes one of ``choices``."""
    return _choice("{} is unknown", choices, shown)


def _choice(
    problem: str, choices: tuple[str, ...], show: Callable[[Any], str]
) -> Callable[[str, Any], str]:
    def choose(where: str, value: object) -> str:
        # Members of an enum are texts that are equal to others, and no such texts to print; arrays
        # are neither equal nor unequal to one.
        if not isinstance(value, str) or value not in choices:
            raise SettingsError(where, problem.format(show(value)), f"choose {either(choices)}")
        return choices[choices.index(value)]

    return choose


def _from(low: float, high: float) -> Callable[[float], bool]:
    return lambda value: low <= value <= high


parse_score = integer_parser("{value} is not a score", "an integer from 0 to 100", _from(0, 100))
parse_average = number_parser("{value} is not an average", "a number from 0 to 100", _from(0, 100))
parse_drop = number_parser(
    '"{text}" is no number of points', "a number of points from 0 to 100", _from(0, 100)
)
_A_CORRELATION = "a number from -1 to 1, for example 0.6"
parse_correlation = number_parser('"{text}" is no rank correlation', _A_CORRELATION, _from(-1, 1))
check_correlation = number_check("{value} is no rank correlation", _A_CORRELATION, _from(-1, 1))
parse_alpha = number_parser(
    '"{text}" is no error rate',
    "a share of at least 0.000001 and below 0.5, for example 0.05",
    lambda alpha: 1e-6 <= alpha < 0.5,
)
parse_power = number_parser(
    '"{text}" is no power to plan with',
    "a share from 0.5 to 0.999, for example 0.8",
    _from(0.5, MOST_POWER),
)
parse_resamples = integer_parser(
    '"{text}" is no number of resamples',
    f"0 for no intervals, or an integer from {_LEAST_RESAMPLES} to {_MOST_RESAMPLES}",
    lambda count: count == 0 or _LEAST_RESAMPLES <= count <= _MOST_RESAMPLES,
)
parse_seconds = number_parser(
    '"{text}" is not a length of time',
    "a number of seconds up to 86400, for example 120",
    lambda seconds: 0 < seconds <= 86_400,
)
parse_temperature = number_parser(
    '"{text}" is no temperature', "a number from 0 to 10, for example 0.7", _from(0, 10)
)
parse_share = number_parser(
    '"{text}" is no share',
    "a number above 0 and at most 1, for example 0.9",
    lambda share: 0 < share <= 1,
)
parse_seed = integer_parser(
    '"{text}" is no seed',
    "a whole number from 0 to 9223372036854775807",
    _from(0, 2**63 - 1),
    most=2**63 - 1,
)
parse_port = integer_parser(
    '"{text}" is no port', "a port from 1 to 65535, or 0 for any free one", _from(0, 65_535)
)
_parse_most = integer_parser(
    "{value} is below 0", "a whole number of 0 or more, or all", lambda most: most >= 0
)
parse_count = integer_parser(
    "{value} is too small", "a whole number of 1 or more", lambda count: count >= 1
)
_parse_rating = number_parser(
    '"{text}" is no rating', "a rating, for example 1000", lambda rating: abs(rating) <= 1e6
)
_parse_large_drop = number_parser(
    '"{text}" is too small',
    f"the smallest drop that matters, {_LEAST_DROP} points or more",
    lambda drop: drop >= _LEAST_DROP,
)

check_score = integer_check("{value} is not a score", "an integer from 0 to 100", _from(0, 100))
check_average = number_check("{value} is not an average", "a number from 0 to 100", _from(0, 100))
check_drop = number_check(
    "{value} is no number of points", "a number of points from 0 to 100", _from(0, 100)
)
_A_RISE = "a number of nats a token from 0.001 to 100, for example 0.05"
check_rise = number_check("{value} is no rise of a loss", _A_RISE, _from(0.001, 100))
parse_rise = number_parser('"{text}" is no rise of a loss', _A_RISE, _from(0.001, 100))


check_accuracy = number_check(
    "{value} is no accuracy", "a share from 0 to 1, for example 0.25", _from(0, 1)
)


def _by_category(check: _Check[float], example: str) -> _Check[dict[str, float]]:
    """Make a check of a number, or of numbers by category, of which ``all`` is the whole suite's.

    Args:
        check: Of each number.
        example: Such numbers, for messages.
    """
    hint = f"give a number, or one for each category, as in {example}"

    def read(where: str, value: object) -> dict[str, float]:
        if not isinstance(value, Mapping):
            return {ALL: check(where, value)}
        named = {key: one for key, one in value.items() if isinstance(key, str) and key.strip()}
        if not named or len(named) < len(value):
            raise SettingsError(where, f"{one_line(repr(value), 100)} names no categories", hint)
        return {
            name.strip(): check(f"{where} of {one_line(name, 60)}", least)
            for name, least in named.items()
        }

    return read


check_averages = _by_category(check_average, '{"all": 55, "translation": 40}')
check_accuracies = _by_category(check_accuracy, '{"all": 0.4, "law": 0.3}')
check_overlap = number_check(
    "{value} is no share", "a share from 0 to 1, for example 0.05", _from(0, 1)
)
parse_overlap = number_parser(
    '"{text}" is no share', "a share from 0 to 1, for example 0.05", _from(0, 1)
)
check_sample = integer_check(
    "{value} is no number of records", "a whole number of 1 or more", lambda count: count >= 1
)


def parse_some_drop(where: str, text: str) -> float:
    """Read a drop in points, from 0.01 to 100."""
    parse_drop(where, text)
    return _parse_large_drop(where, text)


def parse_flag(where: str, text: str) -> bool:
    """Read a yes or no, as ini files write it."""
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"": False, "0": False, "false": False, "no": False, "off": False}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise SettingsError(
            where, f'"{_short(text)}" is neither yes nor no', "give true or false"
        ) from None


def parse_text(where: str, text: str) -> str:
    """Read a name or a path, which must not be empty."""
    if not text.strip():
        raise SettingsError(where, "it is empty", "give a value or leave it out")
    return _usable(where, text.strip())


_RAY_SERVER = re.compile(r"ray://([\w.-]+|\[[\da-fA-F:.]+\]):(\d{1,5})")


def parse_ray_address(where: str, text: str) -> str:
    """Read where Ray is: ``local``, ``auto`` or ``ray://HOST:PORT``."""
    address = text.strip()
    server = _RAY_SERVER.fullmatch(address)
    if address in {"local", "auto"} or (server and 0 < int(server[2]) < 65_536):
        return address
    hint = "give local, auto, or ray:// with host and port, for example ray://head:10001"
    raise SettingsError(where, f'"{_short(text)}" is no address of Ray', hint)


def parse_anchor(where: str, text: str, models: Sequence[str], rating: float) -> tuple[str, float]:
    """Read ``MODEL`` or ``MODEL=RATING``; a model's name may hold ``=`` itself.

    Args:
        where: The option, for messages.
        text: What was given.
        models: The names there are.
        rating: Where none is given.
    """
    if text in models:
        return text, rating
    name, _, number = text.rpartition("=")
    if name in models:
        return name, _parse_rating(where, number)
    known = ", ".join(models)
    raise SettingsError(where, f'no model is named "{name or text}"', f"name one of {known}")


def parse_stop(where: str, text: str) -> tuple[str, ...]:
    r"""Read texts; ``\n`` in one means a line break.

    On the command line each ends with a null character, in an ini file each has a line.
    """
    given = text.split("\0")[:-1] if "\0" in text else text.split("\n")
    if not all(given):
        raise SettingsError(where, "it is empty", "give a text, or leave it out")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise SettingsError(where, "it has bytes that are no UTF-8", "give a text")
    return tuple(stop.replace("\\n", "\n") for stop in given)


def parse_renamed(where: str, text: str) -> tuple[str, ...]:
    """Read pairs of names of suites, ``OLD=NEW``, one a line; names may hold ``=`` themselves."""
    pairs = tuple(line.strip() for line in text.splitlines() if line.strip())
    for pair in pairs:
        if "=" not in pair[1:-1]:
            raise SettingsError(
                where, f'"{pair}" is no pair of names', "write OLD=NEW, the names of two suites"
            )
    if not pairs:
        raise SettingsError(where, "it is empty", "write OLD=NEW, or leave it out")
    return pairs


def parse_shard(where: str, text: str) -> Shard:
    """Read which part of a run this one is, such as ``2/5``."""
    number, slash, count = text.strip().partition("/")
    hint = "write 2/5 for the second of five shards"
    # Other digits than these are decimal too.
    if not (slash and number.isdecimal() and count.isdecimal() and text.isascii()):
        raise SettingsError(where, f'"{_short(text)}" is no shard', hint)
    if len(number) > _MOST_DIGITS or len(count) > _MOST_DIGITS or int(count) > MOST_SHARDS:
        problem = f"{_short(text)} is of more than {MOST_SHARDS} shards"
        raise SettingsError(where, problem, "take fewer")
    if not 1 <= int(number) <= int(count):
        problem = f"{_short(text)} is no shard: the first of {int(count)} would be 1/{int(count)}"
        if not int(count):
            problem = f"{_short(text)} is no shard: there are none"
        raise SettingsError(where, problem, hint)
    return Shard(int(number), int(count))


def parse_fields(where: str, text: str) -> dict[str, str]:
    """Read ``NAME=FIELD`` pairs with blanks between them; quotes keep the blanks of a field."""
    try:
        pairs = [word.partition("=") for word in shlex.split(parse_text(where, text))]
    except ValueError:
        raise SettingsError(where, "its quotes are never closed", "close them") from None
    for name, equals, field in pairs:
        if not (name and equals and field):
            problem = f'"{_short(name + equals + field)}" is no pair of names'
            raise SettingsError(where, problem, "write NAME=FIELD, as in instruction=question")
    return {name: field for name, _, field in pairs}


def check_fields(where: str, value: object) -> dict[str, str]:
    """Return ``value`` when it maps parts of a record to fields of a file."""
    if not isinstance(value, Mapping) or not value:
        hint = 'write {"instruction": "question", "output": "answer"}'
        raise SettingsError(where, f"{shown(value)} maps no names to fields", hint)
    return {check_text(where, name): check_text(where, field) for name, field in value.items()}


def check_criteria(where: str, value: object) -> tuple[Criterion, ...]:
    """Return what responses are judged by; see :func:`~pytest_llmjudge.criteria.read_criteria`."""
    try:
        return read_criteria(value)
    except BadCriteriaError as error:
        raise SettingsError(where, error.problem, error.hint) from None


def parse_count_or_auto(where: str, text: str) -> int | None:
    """Read a whole number of at least 1; ``auto`` is ``None``."""
    return None if text.strip().lower() == "auto" else parse_count(where, text)


def parse_most_or_all(where: str, text: str) -> int | None:
    """Read how many there may be at most, 0 for none; ``all`` is ``None``."""
    return None if text.strip().lower() == "all" else _parse_most(where, text)


def parse_texts(where: str, text: str) -> tuple[str, ...]:
    """Read one or more texts without blanks, with blanks or line breaks between them."""
    return tuple(parse_text(where, text).split())


def either(choices: tuple[str, ...]) -> str:
    """Join ``choices`` as a sentence does: ``a, b or c``."""
    return ", ".join(choices[:-1]) + f" or {choices[-1]}"


def read_keywords(
    where: str,
    keywords: Mapping[str, object],
    checks: Mapping[str, Callable[[str, object], object]],
) -> dict[str, Any]:
    """Check a marker's keywords; those that are ``None`` count as left out.

    Args:
        where: The suite, for messages.
        keywords: As the marker gives them.
        checks: What checks each keyword there is.

    Raises:
        SettingsError: An unknown keyword, or a value that cannot be used.
    """
    for name in keywords:
        if name not in checks:
            raise SettingsError(where, f'unknown keyword "{name}"', f"use {either(tuple(checks))}")
    return {
        name: checks[name](f"{where}: {name}", value)
        for name, value in keywords.items()
        if value is not None
    }


def check_text(where: str, value: object) -> str:
    """Return ``value`` when it is a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise SettingsError(where, f"{shown(value)} is no text", "give a string in quotes")
    return _usable(where, value)


def _usable(where: str, text: str) -> str:
    """Return a text when it may be a path or a name: Python ends with a ValueError at others."""
    if "\0" in text:
        raise SettingsError(where, "it holds a NUL character", "remove it")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise SettingsError(where, "it holds half a surrogate pair", "remove it") from None
    return text


def check_flag(where: str, value: object) -> bool:
    """Return ``value`` when it is a truth value."""
    if not isinstance(value, bool):
        problem = f"{shown(value)} is neither True nor False"
        raise SettingsError(where, problem, "give True or False")
    return value


def check_paths(where: str, value: object) -> tuple[str, ...]:
    """Return ``value``, a path or a list of paths, as strings."""
    if not isinstance(value, (list, tuple)):
        return (check_path(where, value),)
    if not value:
        raise SettingsError(where, "it names no file", "name one, or leave it out")
    return tuple(check_path(where, one) for one in value)


def check_path(where: str, value: object) -> str:
    """Return ``value``, a string or a path, as a string."""
    path = getattr(value, "__fspath__", lambda: value)()
    return check_text(where, path)
