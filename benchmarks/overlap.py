"""Finding overlap with training data, beside MinHash of datasketch, as a ratio of time and pairs.

Records are as long as Alpaca's. One held-out record in five is a training record with a word
changed here and there. The peer is a MinHash LSH of 128 permutations at a threshold of 0.8, whose
candidates are checked exactly; what it misses is what its estimate misses. Then come the worst
cases, without the peer: long records, records that share a long template, and equal ones. Memory is
the largest resident set of a process of its own.

    python benchmarks/overlap.py [--training 52000] [--held-out 1000] [--long 2000]
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmjudge.records.overlap import THRESHOLD, find_matches, grams, normalised

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = re.findall(r"[A-Za-z]+[,.]?", (Path(__file__).parents[1] / "README.md").read_text("utf-8"))
Texts = tuple[list[str], list[str]]


class Maker:
    """Makes texts of words at random.

    Args:
        training: How many training texts there are.
        held_out: How many held-out ones.
        long: How many training texts there are of 20,000 characters.
    """

    def __init__(self, training: int, held_out: int, long: int) -> None:
        self._draw = random.Random(123)  # noqa: S311  # nobody is to be kept from guessing
        self._training, self._held_out, self._long = training, held_out, long

    def _words(self, least: int, most: int) -> str:
        return " ".join(self._draw.choices(WORDS, k=self._draw.randint(least, most)))

    def _texts(self, training: int, make: Callable[[], str]) -> Texts:
        known = [make() for _ in range(training)]
        return known, [
            self._changed(self._draw.choice(known)) if self._draw.random() < 0.2 else make()
            for _ in range(self._held_out)
        ]

    def _changed(self, text: str) -> str:
        words = text.split()
        return " ".join(
            self._draw.choice(WORDS) if self._draw.random() < 0.05 else w for w in words
        )

    def alpaca(self) -> Texts:
        """Records of about 130 characters."""
        return self._texts(self._training, lambda: self._words(8, 40))

    def long(self) -> Texts:
        """Records of about 20,000 characters."""
        return self._texts(self._long, lambda: self._words(3300, 3900))

    def template(self) -> Texts:
        """Records of which a template is about two thirds."""
        template = self._words(60, 60)
        return self._texts(self._training, lambda: f"{template} {self._words(8, 40)}")

    def alike(self) -> Texts:
        """Records of which a template is so much that all are near duplicates."""
        template = self._words(300, 300)
        return self._texts(self._training, lambda: f"{template} {self._words(2, 8)}")

    def equal(self) -> Texts:
        """One record many times, and held-out records with a word changed in it."""
        text = self._words(20, 20)
        return [text] * self._training, [self._changed(text) for _ in range(self._held_out)]


def alone(texts: list[str]) -> list[list[str]]:
    """Return records of one text each."""
    return [[text] for text in texts]


def beside_datasketch(texts: Texts) -> None:
    """Print seconds and found records of both."""
    from datasketch import MinHash, MinHashLSH

    training, held_out = texts
    started = time.perf_counter()
    ours = [match is not None for match in find_matches(held_out, alone(training))]
    own = time.perf_counter() - started

    started = time.perf_counter()
    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    sets = [grams(normalised(text)) for text in held_out]

    def sketch(found: set[str]) -> MinHash:
        one = MinHash(num_perm=128)
        one.update_batch([gram.encode() for gram in found])
        return one

    for place, found in enumerate(sets):
        index.insert(place, sketch(found))
    theirs = [False] * len(held_out)
    for text in training:
        found = grams(normalised(text))
        for place in index.query(sketch(found)):
            both = sets[place]
            theirs[place] |= len(both & found) >= THRESHOLD * len(both | found)
    peer = time.perf_counter() - started
    extra = sum(their and not our for our, their in zip(ours, theirs, strict=True))
    print(f"  pytest-llmjudge {own:.1f} s, {sum(ours)} records")
    print(f"  datasketch      {peer:.1f} s, {sum(theirs)} records, {extra} that the other has not")
    print(f"  ratio           {peer / own:.1f} in time, {sum(theirs) / sum(ours):.3f} in records")


def main() -> None:
    """Compare with the peer, and print the worst cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--training", type=int, default=52_000)
    parser.add_argument("--held-out", type=int, default=1_000)
    parser.add_argument("--long", type=int, default=2_000)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    maker = Maker(options.training, options.held_out, options.long)
    cases = {
        one.__name__: one
        for one in (maker.alpaca, maker.long, maker.template, maker.alike, maker.equal)
    }
    if options.case == "peer":
        beside_datasketch(maker.alpaca())
    elif options.case:
        training, held_out = cases[options.case]()
        started, busy = time.perf_counter(), time.process_time()
        found = sum(match is not None for match in find_matches(held_out, alone(training)))
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        length = sum(map(len, training)) / len(training)
        print(
            f"  {len(training):,} x {len(held_out):,} of {length:,.0f} characters: "
            f"{seconds:.1f} s ({busy:.1f} s of a core), {memory:.2f} GiB, {found} records found"
        )
    else:
        for case, make in cases.items():
            print(f"{case}: {make.__doc__}", flush=True)
            subprocess.run([sys.executable, *sys.argv, "--case", case], check=True)
        print("beside datasketch:", flush=True)
        subprocess.run([sys.executable, *sys.argv, "--case", "peer"], check=True)


if __name__ == "__main__":
    main()
