"""Folders of the library ``datasets``, read without it: saved ones, and the hub's layout."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.errors import RecordsError, one_line
from pytest_llmjudge.reading import SETTINGS_LIMIT, parse_json, read_file
from pytest_llmjudge.records.json_values import listed
from pytest_llmjudge.records.splits import choose_split

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DatasetFiles", "find_dataset"]

_DICT, _STATE = "dataset_dict.json", "state.json"
_SAVE_AGAIN: Final = "save the data set again"
_DATA: Final = re.compile(r"\.(json|jsonl|ndjson|csv|tsv)(\.gz|\.zst)?$|\.parquet$", re.I)
_UNREAD: Final = re.compile(
    r"\.(json|jsonl|ndjson|csv|tsv|parquet|arrow)\.(bz2|xz|zip|7z|lz4|br|incomplete|part|tmp)$"
    r"|\.(arrow|pq|xlsx?)$",
    re.I,
)
"""Data that nothing here reads."""
_NO_DATA: Final = ("config.json", "dataset_infos.json", "dataset_info.json", _DICT, _STATE)
_SHARD: Final = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.")
_WORD: Final = re.compile(r"[^a-z]+")
_SPLITS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


class DatasetFiles(NamedTuple):
    """The files of a data set's folder that hold the records of one split.

    Attributes:
        files: In the order in which their records count.
        are_streams: Whether they are Arrow streams; else their content decides what they are.
    """

    files: tuple[Path, ...]
    are_streams: bool


def find_dataset(path: Path, split: str | None) -> DatasetFiles | None:
    """Find the files of a split in a folder; ``None`` where no data of ``datasets`` is.

    Args:
        path: The folder, or anything else.
        split: Which, where there are several.

    Raises:
        RecordsError: The folder is damaged, or the split is not there.
    """
    # pathlib raises for names that are no path at all, and in folders that are closed.
    if not os.path.isdir(path):  # noqa: PTH112
        return None
    if _has(path, _DICT):
        names = _entry(path / _DICT, "splits")
        if not all(map(_is_name, names)):
            raise RecordsError(path.name, f"{_DICT} names no folder of it", _SAVE_AGAIN)
        return _saved(path / choose_split(path.name, names, split))
    if _has(path, _STATE):
        # It is a single split, which may have a name.
        own = _document(path / _STATE).get("_split")
        choose_split(path.name, [str(own or path.name)], split)
        return _saved(path)
    splits: dict[str, list[Path]] = {}
    files = _published(path)
    for file in (one for one in files if _DATA.search(one.name)):
        splits.setdefault(_split_of(file, path), []).append(file)
    if not splits:
        return None
    chosen = choose_split(path.name, splits, split)
    _check_all_read(path, chosen, [one for one in files if _UNREAD.search(one.name)])
    _check_one_folder(path, chosen, splits[chosen])
    _check_shards(path, splits[chosen])
    return DatasetFiles(tuple(splits[chosen]), are_streams=False)


def _has(folder: Path, name: str) -> bool:
    return os.path.isfile(folder / name)  # noqa: PTH113


def _check_one_folder(path: Path, split: str, files: Sequence[Path]) -> None:
    """Refuse files of several configurations, which are data sets of their own."""
    folders = list(dict.fromkeys(file.parent.relative_to(path).as_posix() for file in files))
    if len(folders) > 1:
        problem = f'the files of its split "{one_line(split, 40)}" are in {listed(folders)}'
        raise RecordsError(path.name, problem, "name one of these folders instead of it")


def _check_all_read(path: Path, split: str, unread: Sequence[Path]) -> None:
    """Refuse a split of which some files cannot be read."""
    names = [file.name for file in unread if _split_of(file, path) == split]
    if names:
        problem = f'its split "{one_line(split, 40)}" has {listed(names)} too, which cannot be read'
        raise RecordsError(path.name, problem, "unpack such files, or take them out of the folder")


def _check_shards(path: Path, files: Sequence[Path]) -> None:
    """Refuse a split of which a file is missing, or that may be there twice."""
    known: dict[tuple[str, ...], tuple[Path, str]] = {}
    for file in files:
        shard = _SHARD.match(file.name)
        stem, number, total = shard.groups() if shard else (_DATA.sub("", file.name), "", "")
        for key in ((stem,), (stem, number)):
            other, of = known.setdefault(key, (file, total))
            if other is not file and (of != total or len(key) > 1):
                problem = f'it has "{one_line(other.name, 40)}" and "{one_line(file.name, 40)}"'
                hint = "they may hold the same records, so take one out of the folder"
                raise RecordsError(path.name, problem, hint)
    groups: dict[tuple[str, str], set[int]] = {}
    for file in files:
        shard = _SHARD.match(file.name)
        if shard is not None:
            groups.setdefault((shard[1], shard[3]), set()).add(int(shard[2]))
    for (stem, total), numbers in groups.items():
        missing = next((at for at in range(int(total)) if at not in numbers), None)
        if missing is not None:
            problem = f'it has no "{one_line(stem, 40)}-{missing:05}-of-{total}"'
            raise RecordsError(path.name, problem, "get all files of the split")


def _saved(folder: Path) -> DatasetFiles:
    """Return the files that ``Dataset.save_to_disk`` wrote."""
    state = _document(folder / _STATE)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        hint = "save it again with flatten_indices()"
        raise RecordsError(folder.name, "its rows are chosen by a file of indices", hint)
    names = [
        part.get("filename") if isinstance(part, dict) else None
        for part in _entry(folder / _STATE, "_data_files")
    ]
    if not all(map(_is_name, names)):
        raise RecordsError(folder.name, f"{_STATE} names no file of it", _SAVE_AGAIN)
    return DatasetFiles(tuple(folder / str(name) for name in names), are_streams=True)


def _is_name(name: object) -> bool:
    """Say whether a value is the name of a file or folder that does not leave its folder."""
    return (
        isinstance(name, str) and name not in ("", ".", "..") and os.path.basename(name) == name  # noqa: PTH119
    )


def _entry(file: Path, key: str) -> Sequence[Any]:
    entry = _document(file).get(key)
    if isinstance(entry, list) and entry:
        return entry
    where = f"{file.parent.name}/{file.name}"
    raise RecordsError(where, f'it has no list "{key}"', _SAVE_AGAIN)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_file(file, SETTINGS_LIMIT), allow_repeated_keys=True)
    except (OSError, ValueError):
        document = None
    if isinstance(document, dict):
        return document
    where = f"{file.parent.name}/{file.name}"
    raise RecordsError(where, "it cannot be read as JSON", _SAVE_AGAIN)


def _published(folder: Path) -> list[Path]:
    """Return the files of the hub's layout that may hold data, however deep they are."""
    files = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(base, name) for name in names if _may_be_data(name)]
    return sorted(files)


def _may_be_data(name: str) -> bool:
    return not name.startswith(".") and name not in _NO_DATA


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
