"""Folders of the library ``datasets``, read without it: saved ones, and the hub's layout."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from pytest_llmjudge.arrow_files import read_arrow
from pytest_llmjudge.errors import RecordsError
from pytest_llmjudge.reading import SETTINGS_LIMIT, parse_json, read_file
from pytest_llmjudge.splits import choose_split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["data_files", "is_dataset", "read_dataset"]

_DICT, _STATE = "dataset_dict.json", "state.json"
_DATA: Final = re.compile(r"\.(json|jsonl|ndjson|csv|tsv)(\.gz|\.zst)?$|\.parquet$", re.I)
_NO_DATA: Final = ("dataset_infos.json", "dataset_info.json", _DICT, _STATE)
_SHARD: Final = re.compile(r"(.+)-\d{5}-of-\d{5}\.")
_WORD: Final = re.compile(r"[^a-z]+")
_SPLITS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


def is_dataset(path: Path) -> bool:
    """Say whether a path is a folder with data of ``datasets``."""
    # pathlib raises for names that are no path at all, and in folders that are closed.
    if not os.path.isdir(path):  # noqa: PTH112
        return False
    return _has(path, _DICT) or _has(path, _STATE) or bool(_published(path))


def _has(folder: Path, name: str) -> bool:
    return os.path.isfile(folder / name)  # noqa: PTH113


def data_files(path: Path) -> list[Path]:
    """Return the files of a folder that hold its data, or say which do."""
    files = [*path.rglob("*.arrow"), *path.rglob("*.json"), *_published(path)]
    return sorted(set(files))


def read_dataset(path: Path, split: str | None, read: Callable[[Path], list[Any]]) -> list[Any]:
    """Read the records of a folder's split.

    Args:
        path: The folder.
        split: Which, where there are several.
        read: Reads a records file.

    Raises:
        RecordsError: A file of it cannot be read, or the split is not there.
    """
    if _has(path, _DICT):
        names = _entry(path / _DICT, "splits")
        return _saved(path / choose_split(path.name, map(str, names), split))
    if _has(path, _STATE):
        # It is a single split, which may have a name.
        own = _document(path / _STATE).get("_split")
        choose_split(path.name, [str(own or path.name)], split)
        return _saved(path)
    splits: dict[str, list[Path]] = {}
    for file in _published(path):
        splits.setdefault(_split_of(file, path), []).append(file)
    chosen = splits[choose_split(path.name, splits, split)]
    return [value for file in chosen for value in read(file)]


def _saved(folder: Path) -> list[Any]:
    """Read what ``Dataset.save_to_disk`` wrote."""
    state = _document(folder / _STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        hint = "save it again with flatten_indices()"
        raise RecordsError(folder.name, "its rows are chosen by a file of indices", hint)
    names = [part.get("filename") for part in _entry(folder / _STATE, "_data_files")]
    values: list[Any] = []
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name:  # noqa: PTH119
            raise RecordsError(
                folder.name, f"{_STATE} names no file of it", "save the data set again"
            )
        values += read_arrow(folder / name)
    return values


def _entry(file: Path, key: str) -> Sequence[Any]:
    entry = _document(file).get(key)
    if isinstance(entry, list) and entry:
        return entry
    where = f"{file.parent.name}/{file.name}"
    raise RecordsError(where, f'it has no list "{key}"', "save the data set again")


def _document(file: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_file(file, SETTINGS_LIMIT))
    except (OSError, ValueError):
        document = None
    if isinstance(document, dict):
        return document
    where = f"{file.parent.name}/{file.name}"
    raise RecordsError(where, "it cannot be read as JSON", "save the data set again")


def _published(folder: Path) -> list[Path]:
    """Return the files of the hub's layout: those in the folder, and in its folders."""
    files = [
        file
        for pattern in ("*", "*/*")
        for file in folder.glob(pattern)
        if _DATA.search(file.name)
        and file.name not in _NO_DATA
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]
    return sorted(files)


def _split_of(file: Path, folder: Path) -> str:
    """Return the split that a file belongs to by its name, or by that of its folder."""
    shard = _SHARD.match(file.name)
    if shard is not None:
        return shard[1]
    stem = file.name.partition(".")[0]
    for text in (stem, *reversed(file.relative_to(folder).parent.parts)):
        words = set(_WORD.split(text.lower()))
        for split, names in _SPLITS.items():
            if words.intersection(names):
                return split
    return stem
