"""Finds the texts that appear in others, word for word or nearly, without missing any.

Two texts are near duplicates when their sets of character 5-grams have a Jaccard similarity of at
least 0.8. The similarity of all pairs is computed rather than estimated: a pair can only share
5-grams that the held-out texts have, so that most training texts are dropped at once, and what the
others share with all held-out texts is a product of two sparse matrices.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_llmjudge.normal_forms import normal_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["SIZE", "THRESHOLD", "Match", "find_matches", "grams", "normalised"]

SIZE: Final = 5
"""Characters of a gram."""
THRESHOLD: Final = 0.8
"""Least similarity of a near duplicate: 4/5, so that whole numbers decide."""
_HELD: Final = 8_000_000
"""Grams of training texts that are held at a time."""
_CELLS: Final = 2_000_000
"""Numbers of a matrix that is held at a time."""
_DENSE: Final = 50
"""A gram that one in so many pairs shares is counted faster by a product of dense matrices."""


class Match(NamedTuple):
    """The training text that is most like a held-out text; the first of several.

    Attributes:
        position: Of the training record.
        steps: With how many of its texts, from the first one, it is that text.
        is_exact: Whether both are the same once they are normalised.
        similarity: Jaccard similarity of their 5-grams.
    """

    position: int
    steps: int
    is_exact: bool
    similarity: float


class _Letters(dict[int, "int | str | None"]):
    """What stands for a character where only letters, digits and symbols count."""

    def __missing__(self, code: int) -> int | str | None:
        category = unicodedata.category(chr(code))
        kept: int | str | None = " " if category[0] in "ZP" or category == "Cc" else code
        self[code] = None if category == "Cf" else kept
        return self[code]


_LETTERS: Final = _Letters()


def normalised(text: str) -> str:
    """Return what a text is compared by.

    That is its NFKC form, case folded, without invisible characters of format (category Cf), and
    with one blank for any run of blanks, control characters and punctuation (Z, Cc, P) within it.
    Of a text of nothing else, its NFKC form with one blank for any run of blanks.
    """
    plain = normal_form("NFKC", text)
    folded = normal_form("NFKC", plain.casefold())
    return " ".join(folded.translate(_LETTERS).split()) or " ".join(plain.split())


def grams(text: str) -> set[str]:
    """Return the 5-grams of a text; one that is shorter is its own only gram."""
    return {text[start : start + SIZE] for start in range(max(1, len(text) - SIZE + 1))}


def find_matches(held_out: Sequence[str], training: Iterable[Sequence[str]]) -> list[Match | None]:
    """Return for each held-out text the training text that is most like it, if any is like it.

    Args:
        held_out: Texts as they stand.
        training: Of each record the texts that follow each other; training texts are the first of
            them, the first two in two lines, and so on.
    """
    texts = [normalised(text) for text in held_out]
    most = max((len(grams(text)) for text in set(texts)), default=0)
    known: dict[str, int] = {}
    places: list[tuple[int, int]] = []
    for position, steps in enumerate(training):
        for count, text in _beginnings(steps, most):
            if known.setdefault(text, len(places)) == len(places):
                places.append((position, count))
    matches = {
        text: Match(*places[known[text]], is_exact=True, similarity=1.0)
        for text in texts
        if text in known
    }
    others = list(dict.fromkeys(text for text in texts if text not in matches))
    if others and known:
        matches |= {
            text: Match(*places[place], is_exact=False, similarity=similarity)
            for text, (similarity, place) in _near_matches(others, list(known)).items()
        }
    return [matches.get(text) for text in texts]


def _beginnings(steps: Sequence[str], most: int) -> Iterator[tuple[int, str]]:
    """Yield each beginning of some texts that may be like one of at most ``most`` grams.

    A beginning has all grams of a shorter one, so that a long conversation is soon done with.
    """
    for count in range(1, len(steps) + 1):
        text = normalised("\n".join(steps[:count]))
        yield count, text
        if count < len(steps) and 4 * len(grams(text)) > 5 * most:
            return


class _Block(NamedTuple):
    """Some training texts: how many grams each has, where it stands, which known grams it has.

    Those with the fewest grams are first.
    """

    sizes: NDArray[Any]
    places: NDArray[Any]
    known: Any


def _near_matches(texts: Sequence[str], training: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Return of each text that has a near duplicate the similarity and place of the best one."""
    import numpy as np

    numbers: dict[str, int] = {}
    rows = [_numbered(text, numbers) for text in texts]
    # By size, so that those a block can be similar to stand side by side.
    order = sorted(range(len(texts)), key=lambda at: len(rows[at]))
    held = _matrix([rows[at] for at in order], len(numbers))
    sizes = np.array([len(rows[at]) for at in order])
    best, places = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
    for block in _blocks(training, numbers, int(sizes[0]), int(sizes[-1]), len(texts)):
        # A text of more than 5/4 of the grams, or of less than 4/5, cannot be that similar.
        low = np.searchsorted(5 * sizes, 4 * block.sizes[0])
        high = np.searchsorted(4 * sizes, 5 * block.sizes[-1], side="right")
        if low == high:
            continue
        likeness = _similarities(block, held[low:high], sizes[low:high])
        most = likeness.max(axis=0)
        first = np.where(likeness == most, block.places[:, None], np.iinfo(np.int64).max)
        first = first.min(axis=0)
        was, where = best[low:high], places[low:high]
        better = (most > was) | ((most == was) & (first < where))
        was[better], where[better] = most[better], first[better]
    return {
        texts[at]: (float(best[row]), int(places[row])) for row, at in enumerate(order) if best[row]
    }


def _numbered(text: str, numbers: dict[str, int]) -> NDArray[Any]:
    import numpy as np

    return np.array([numbers.setdefault(gram, len(numbers)) for gram in grams(text)], np.int32)


def _similarities(block: _Block, held: Any, sizes: NDArray[Any]) -> NDArray[Any]:  # noqa: ANN401
    """Return the similarity of each pair, and 0 for one below the threshold."""
    import numpy as np

    shared = _shared(block.known, held).astype(np.float64)
    both = block.sizes[:, None] + sizes[None, :]
    # Jaccard >= 4/5 in whole numbers, for both - shared grams of the union.
    return np.where(9 * shared >= 4 * both, shared / (both - shared), 0.0)


def _blocks(
    training: Sequence[str], numbers: dict[str, int], least: int, most: int, held: int
) -> Iterator[_Block]:
    """Yield the training texts that may be like one of ``held`` texts.

    Args:
        training: The training texts.
        numbers: Of the grams that the held-out texts have.
        least: Fewest grams of a held-out text.
        most: Most grams of one.
        held: How many held-out texts there are.
    """
    kept: list[tuple[int, int, NDArray[Any]]] = []
    weight = 0
    for place, text in enumerate(training):
        row = _known_grams(text, numbers, least, most)
        if row is None:
            continue
        kept.append((row[0], place, row[1]))
        weight += len(row[1])
        if weight > _HELD:
            yield from _sorted_blocks(kept, len(numbers), held)
            kept, weight = [], 0
    yield from _sorted_blocks(kept, len(numbers), held)


def _known_grams(
    text: str, numbers: dict[str, int], least: int, most: int
) -> tuple[int, NDArray[Any]] | None:
    """Return how many grams a text has, and the numbers of those that are known.

    ``None`` is for a text that is like no held-out text: it has too few grams or too many, or too
    few of them are known.
    """
    import numpy as np

    if 5 * max(1, len(text) - SIZE + 1) < 4 * least:
        return None
    found = grams(text)
    size = len(found)
    if 5 * size < 4 * least or 4 * size > 5 * most:
        return None
    known = [number for gram in found if (number := numbers.get(gram)) is not None]
    return (size, np.array(known, np.int32)) if 5 * len(known) >= 4 * size else None


def _sorted_blocks(
    kept: list[tuple[int, int, NDArray[Any]]], width: int, held: int
) -> Iterator[_Block]:
    import numpy as np

    kept.sort(key=lambda one: one[0])
    step = max(1, _CELLS // held)
    for start in range(0, len(kept), step):
        sizes, places, rows = zip(*kept[start : start + step], strict=True)
        yield _Block(np.array(sizes), np.array(places), _matrix(rows, width))


def _matrix(rows: Sequence[NDArray[Any]], width: int) -> Any:  # noqa: ANN401  # scipy has no types
    """Return sets of numbers as a sparse matrix with a row for each."""
    import numpy as np
    from scipy.sparse import csr_array

    ends = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate(rows)
    ones = np.ones(len(columns), np.float32)
    return csr_array((ones, columns, ends), shape=(len(rows), width))


def _shared(left: Any, right: Any) -> NDArray[Any]:  # noqa: ANN401  # scipy has no types
    """Return how many grams each row of one matrix shares with each of the other."""
    import numpy as np

    height, width = left.shape[0], right.shape[0]
    # As floats: of two large sets of texts the product is beyond 32 bits.
    pairs = _frequencies(left) * _frequencies(right)
    is_common = pairs * _DENSE > height * width
    rare = np.flatnonzero((pairs > 0) & ~is_common)
    counts: NDArray[Any] = (left[:, rare] @ right[:, rare].T).toarray()
    common = np.flatnonzero(is_common)
    if len(common):
        columns = left[:, common].tocsc(), right[:, common].tocsc()
        step = max(1, _CELLS // max(height, width))
        for start in range(0, len(common), step):
            one, other = (part[:, start : start + step].toarray() for part in columns)
            counts += one @ other.T
    return counts


def _frequencies(matrix: Any) -> NDArray[Any]:  # noqa: ANN401  # scipy has no types
    import numpy as np

    return np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.float64)
