"""Which tokens begin and end a text, as the files beside a tokenizer say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.files.names import shorten_json
from pytest_llmjudge.generation.tokenizers.control import clean
from pytest_llmjudge.generation.tokenizers.files import read_part
from pytest_llmjudge.reading import parse_json, why_no_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_llmjudge.generation.files.contents import Stamp
    from pytest_llmjudge.generation.tokenizers.files import TokenizerFiles

__all__ = ["END_NAMES", "Roles", "ends_of", "read_roles"]

END_NAMES = (
    "<|endoftext|>",
    "</s>",
    "<eos>",
    "<|end_of_text|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<|end|>",
)
"""Under which names published models have the tokens that end a text, then those of turns."""

_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token")


@dataclass(frozen=True, slots=True)
class Roles:
    """What settings say of single tokens.

    Attributes:
        begin: Name of the token that begins a text.
        adds_begin: Whether it is put in front of each text.
        end: Name of the token that ends a text.
        unknown: Name of the token that stands for what has none.
        names: Names of all control tokens.
        added: Numbers of tokens that the tokenizer's own file lacks.
        ends: Numbers of the tokens that end a text, in the settings of the model.
    """

    begin: str | None = None
    adds_begin: bool | None = None
    end: str | None = None
    unknown: str | None = None
    names: frozenset[str] = frozenset()
    added: Mapping[str, int] = field(default_factory=dict)
    ends: tuple[int, ...] = ()


def read_roles(files: TokenizerFiles, stamps: Mapping[Path, Stamp]) -> Roles:
    """Read the settings of a tokenizer.

    Raises:
        ContentChangedError: A file may hold something else than is known.
        CheckpointError: One cannot be read.
    """
    settings: dict[str, Any] = {}
    ends: tuple[int, ...] = ()
    added: dict[str, int] = {}
    for file in files.settings:
        content = _read(file, stamps)
        if file.name.endswith("added_tokens.json"):
            added |= {name: number for name, number in content.items() if type(number) is int}
        elif file.name.endswith(("tokenizer_config.json", "special_tokens_map.json")):
            settings = {**content, **settings}
        else:
            ends = ends or _numbers(file, content.get("eos_token_id"))
    listed = settings.get("added_tokens_decoder")
    special = set()
    for number, token in listed.items() if isinstance(listed, dict) else ():
        name = _name(token)
        if name and number.isdecimal():
            added[name] = int(number)
            if token.get("special") is True:
                special.add(name)
    named = {key: _name(settings.get(key)) for key in _NAMED}
    adds = settings.get("add_bos_token")
    return Roles(
        begin=named["bos_token"],
        adds_begin=adds if isinstance(adds, bool) else None,
        end=named["eos_token"],
        unknown=named["unk_token"],
        names=frozenset(special | {name for name in named.values() if name}),
        added=added,
        ends=ends,
    )


def ends_of(
    file: Path, roles: Roles, controls: Mapping[str, int], own: Iterable[int], rows: int
) -> tuple[int, ...]:
    """Return the tokens that end a text; the first is the one that ends an answer.

    They are the tokenizer's end token and those that the settings of the model list. Where no
    settings list any, they are joined by those with the names of :data:`END_NAMES`: an answer does
    not go on behind a token that ends a turn.

    Args:
        file: The tokenizer, for messages.
        roles: What its settings say.
        controls: Numbers of its control tokens.
        own: End tokens that the tokenizer's file itself names.
        rows: How many tokens the model knows.

    Raises:
        CheckpointError: There are none.
    """
    ends = [controls[roles.end]] if roles.end and roles.end in controls else list(own)
    if roles.ends:
        ends += roles.ends
    else:
        ends += [controls[name] for name in END_NAMES if name in controls]
    known = tuple(dict.fromkeys(end for end in ends if 0 <= end < rows))
    if not known:
        problem = "nothing says which token ends a text"
        hint = 'write {"eos_token": …} into tokenizer_config.json beside it'
        raise CheckpointError(str(file), problem, hint)
    return known


def _read(file: Path, stamps: Mapping[Path, Stamp]) -> dict[str, Any]:
    hint = "correct it, or move it away from the tokenizer"
    content = read_part(file, stamps)
    try:
        settings = parse_json(content, allow_repeated_keys=True)
    except ValueError as error:
        raise CheckpointError(str(file), why_no_json(error), hint) from None
    if not isinstance(settings, dict):
        raise CheckpointError(str(file), "not a JSON object", hint)
    return settings


def _numbers(file: Path, value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    numbers = value if isinstance(value, list) else [value]
    if not all(type(number) is int for number in numbers):
        problem = f"eos_token_id is {shorten_json(value)}"
        raise CheckpointError(str(file), problem, "write the number of the end token, or a list")
    return tuple(numbers)


def _name(token: object) -> str | None:
    """Return the name of a token, which is text or an object with its ``content``."""
    name = token.get("content") if isinstance(token, dict) else token
    return clean(name) if isinstance(name, str) and name else None
