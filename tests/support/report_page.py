"""The HTML report of a run, read as its script reads it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["column", "index_of", "text_of", "texts_of", "unpacked"]


def index_of(path: Path) -> dict[str, Any]:
    """Return what the page sorts and filters by, a list for each column."""
    match = re.search(r' id="index">(.*?)</script>', path.read_text("utf-8"))
    assert match is not None
    index: dict[str, Any] = json.loads(match[1])
    return index


def column(path: Path, name: str) -> dict[str, Any]:
    """Return one column by the rows' ids."""
    index = index_of(path)
    return dict(zip(index["id"], index[name], strict=True))


def unpacked(chunks: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return the texts of rows, by chunk."""
    return [json.loads(gzip.decompress(base64.b64decode(one))) for one in chunks]


def texts_of(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows' texts by id."""
    chunks = re.findall(r' class="chunk">(.*?)</script>', path.read_text("utf-8"))
    texts = [one for chunk in unpacked(chunks) for one in chunk]
    return dict(zip(index_of(path)["id"], texts, strict=True))


def text_of(path: Path) -> str:
    """Return what stands in the page without its script, elements left out."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", path.read_text("utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())
