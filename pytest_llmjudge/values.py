"""How the text of an option, or the value of a marker keyword, is read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_llmjudge.errors import SettingsError

_MOST_SECONDS = 86_400
_LEAST_DROP = 0.01
_HOTTEST = 10
_LARGEST_PORT = 65_535
_LARGEST_SEED = 2**63 - 1
# Below, the ends of an interval are drawn from a handful of resamples, or from one.
_LEAST_RESAMPLES, _MOST_RESAMPLES = 100, 100_000
_LARGEST_RATING = 1e6
_LEAST_POWER, _MOST_POWER = 0.5, 0.999
Parser = Callable[[str, str], Any]


def parse_flag(where: str, text: str) -> bool:
    """Read a yes or no, as ini files write it."""
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"": False, "0": False, "false": False, "no": False, "off": False}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise SettingsError(
            where, f'"{text}" is neither yes nor no', "give true or false"
        ) from None


def parse_text(where: str, text: str) -> str:
    """Read a name or a path, which must not be empty."""
    if not text.strip():
        raise SettingsError(where, "it is empty", "give a value or leave it out")
    return text.strip()


def parse_score(where: str, text: str) -> int:
    """Read an integer score from 0 to 100."""
    return check_score(where, _integer(where, text, "an integer from 0 to 100"))


def parse_average(where: str, text: str) -> float:
    """Read an average from 0 to 100."""
    return check_average(where, _number(where, text, "a number from 0 to 100"))


def parse_drop(where: str, text: str) -> float:
    """Read points that may be lost, from 0 to 100."""
    wanted = "a number of points from 0 to 100"
    drop = _number(where, text, wanted)
    if not 0 <= drop <= 100:
        raise SettingsError(where, f'"{text}" is no number of points', f"give {wanted}")
    return drop


def parse_some_drop(where: str, text: str) -> float:
    """Read a drop in points, from 0.01 to 100."""
    drop = parse_drop(where, text)
    if drop < _LEAST_DROP:
        todo = f"give the smallest drop that matters, {_LEAST_DROP} points or more"
        raise SettingsError(where, f'"{text}" is too small', todo)
    return drop


def parse_power(where: str, text: str) -> float:
    """Read the power of a test, from 0.5 to below 1."""
    wanted = "a share from 0.5 to 0.999, for example 0.8"
    power = _number(where, text, wanted)
    if not _LEAST_POWER <= power <= _MOST_POWER:
        raise SettingsError(where, f'"{text}" is no power to plan with', f"give {wanted}")
    return power


def parse_resamples(where: str, text: str) -> int:
    """Read how often to draw again: 0 for never, or from 100 to 100,000."""
    wanted = f"0 for no intervals, or an integer from {_LEAST_RESAMPLES} to {_MOST_RESAMPLES}"
    count = _integer(where, text, wanted)
    if count != 0 and not _LEAST_RESAMPLES <= count <= _MOST_RESAMPLES:
        raise SettingsError(where, f'"{text}" is no number of resamples', f"give {wanted}")
    return count


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
    name, _, told = text.rpartition("=")
    if name in models:
        wanted = "a rating, for example 1000"
        value = _number(where, told, wanted)
        if not abs(value) <= _LARGEST_RATING:
            raise SettingsError(where, f'"{told}" is no rating', f"give {wanted}")
        return name, value
    known = ", ".join(models)
    raise SettingsError(where, f'no model is named "{name or text}"', f"name one of {known}")


def parse_seconds(where: str, text: str) -> float:
    """Read a number of seconds, at most a day."""
    seconds = _number(where, text, "a number of seconds up to 86400, for example 120")
    if not 0 < seconds <= _MOST_SECONDS:
        found = f'"{text}" is not a length of time'
        raise SettingsError(where, found, "give a number of seconds up to 86400, for example 120")
    return seconds


def parse_temperature(where: str, text: str) -> float:
    """Read a temperature, from 0 to 10."""
    wanted = "a number from 0 to 10, for example 0.7"
    temperature = _number(where, text, wanted)
    if not 0 <= temperature <= _HOTTEST:
        raise SettingsError(where, f'"{text}" is no temperature', f"give {wanted}")
    return temperature


def parse_share(where: str, text: str) -> float:
    """Read a share of the probability, above 0 and at most 1."""
    wanted = "a number above 0 and at most 1, for example 0.9"
    share = _number(where, text, wanted)
    if not 0 < share <= 1:
        raise SettingsError(where, f'"{text}" is no share', f"give {wanted}")
    return share


def parse_seed(where: str, text: str) -> int:
    """Read a seed, a whole number that generators of random numbers take."""
    wanted = "a whole number from 0 to 9223372036854775807"
    seed = _integer(where, text, wanted)
    if not 0 <= seed <= _LARGEST_SEED:
        raise SettingsError(where, f'"{text}" is no seed', f"give {wanted}")
    return seed


def parse_port(where: str, text: str) -> int:
    """Read a port, 0 for any free one."""
    wanted = "a port from 1 to 65535, or 0 for any free one"
    port = _integer(where, text, wanted)
    if not 0 <= port <= _LARGEST_PORT:
        raise SettingsError(where, f'"{text}" is no port', f"give {wanted}")
    return port


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


def parse_count(where: str, text: str) -> int:
    """Read a whole number of at least 1."""
    number = _integer(where, text, "a whole number of 1 or more")
    if number < 1:
        raise SettingsError(where, f"{number} is too small", "give a whole number of 1 or more")
    return number


def parse_count_or_auto(where: str, text: str) -> int | None:
    """Read a whole number of at least 1; ``auto`` is ``None``."""
    return None if text.strip().lower() == "auto" else parse_count(where, text)


def parse_choice(*choices: str) -> Parser:
    """Make a parser that takes one of ``choices``."""

    def parse(where: str, text: str) -> str:
        if text not in choices:
            raise SettingsError(where, f'"{text}" is unknown', f"choose {either(choices)}")
        return text

    return parse


def parse_texts(where: str, text: str) -> tuple[str, ...]:
    """Read one or more texts without blanks, with blanks or line breaks between them."""
    return tuple(parse_text(where, text).split())


def check_score(where: str, value: object) -> int:
    """Return ``value`` when it is an integer from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise SettingsError(where, f"{value!r} is not a score", "give an integer from 0 to 100")
    return value


def check_average(where: str, value: object) -> float:
    """Return ``value`` as a float when it is a number from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise SettingsError(where, f"{value!r} is not an average", "give a number from 0 to 100")
    return float(value)


def _integer(where: str, text: str, wanted: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(where, f'"{text}" is not a whole number', f"give {wanted}") from None


def _number(where: str, text: str, wanted: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(where, f'"{text}" is not a number', f"give {wanted}") from None


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
        raise SettingsError(where, f"{value!r} is no text", "give a string in quotes")
    return value


def check_path(where: str, value: object) -> str:
    """Return ``value``, a string or a path, as a string."""
    path = getattr(value, "__fspath__", lambda: value)()
    return check_text(where, path)


def check_sample(where: str, value: object) -> int:
    """Return ``value`` when it is a number of records to draw."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(
            where, f"{value!r} is no number of records", "give a whole number of 1 or more"
        )
    return value


def check_win_rate(where: str, value: object) -> float:
    """Return ``value`` as a float when it is a share up to 1 that can be missed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        todo = "give a share above 0, at most 1, for example 0.5"
        raise SettingsError(where, f"{value!r} is no win rate", todo)
    return float(value)
