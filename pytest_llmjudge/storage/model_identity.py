"""The models in results files: what tells them apart, and the names they are shown by."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from pytest_llmjudge.errors import PeopleFileError
from pytest_llmjudge.keys import content_digest, text_digest
from pytest_llmjudge.paths import real_path
from pytest_llmjudge.storage.saved_responses import answers_of, answers_of_pairs, pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_llmjudge.storage.results_reader import SavedRun
    from pytest_llmjudge.storage.saved_responses import SavedAnswers, SavedPairs

__all__ = ["Models"]

_SHOWN_DIGITS = 8

_Answered = tuple[str, str, str]
"""A record's id and content, and what was answered to it, as digests."""


class Models:
    """The models in results files.

    One is known by its fingerprint. Without, its answers stood in a field of the records, and it is
    that of one file: different models have fields of one name. What a suite of pairs was compared
    with is the model of another file that it names, or whose field it names, where that has all of
    its answers.
    """

    def __init__(self, runs: Mapping[Path, SavedRun]) -> None:
        self._names: dict[str, list[str]] = {}
        self._unprinted: dict[str, list[tuple[Path, SavedAnswers]]] = {}
        self._voted: dict[tuple[str, str], dict[str, None]] = {}
        self._notes: dict[str, None] = {}
        named: dict[str, list[SavedPairs]] = {}
        for path, run in runs.items():
            for answers in answers_of(run) + answers_of_pairs(run):
                key = _own_key(path, answers.fingerprint, answers.field)
                self._add(answers.model, key)
                if not answers.fingerprint:
                    self._unprinted.setdefault(key, []).append((path, answers))
            for pairs in pairs_of(run):
                own = _own_key(path, pairs.fingerprint_a, pairs.field_a)
                if pairs.votes is not None and pairs.field_a:
                    place = PurePath(pairs.votes).name, pairs.field_a
                    self._voted.setdefault(place, {})[own] = None
                named.setdefault(_other_key(pairs), []).append(pairs)
        likely = {key: self._likely(suites) for key, suites in named.items()}
        self._same = {key: holding[0] for key, (_, holding) in likely.items() if len(holding) == 1}
        for key, suites in named.items():
            for pairs in suites:
                self._add(pairs.model_b, self._same.get(key, key))
        self._shown = {key: self._show(key) for key in self._names}
        for key, (alike, holding) in likely.items():
            self._note_doubt(key, alike, holding)

    def own(self, path: Path, fingerprint: str, field: str) -> str:
        """Return the name that a model under test is shown by, which is no other's.

        Args:
            path: Of the results file.
            fingerprint: Of the model; empty where its answers stood in the records.
            field: Where they stood there.
        """
        return self._shown[_own_key(path, fingerprint, field)]

    def other(self, suite: SavedPairs) -> str:
        """Return the same of what a suite of pairs was compared with."""
        key = _other_key(suite)
        return self._shown[self._same.get(key, key)]

    def named(self, path: Path, name: str) -> str:
        """Return the name that a model is shown by which a votes file calls ``name``.

        Raises:
            PeopleFileError: Several models have it.
        """
        keys = [key for key, names in self._names.items() if name in names]
        # What suites that these votes decided call a model whose answers stood in a field.
        keys = keys or list(self._voted.get((path.name, name), ()))
        if len(keys) > 1:
            known = " and ".join(self._shown[key] for key in keys)
            problem = f"{name} may be any of {known}"
            hint = "rate it apart from results of models of one name, or rename them"
            raise PeopleFileError(str(path), problem, hint)
        if keys:
            return self._shown[keys[0]]
        of_fields = [
            self._shown[key]
            for key, suites in self._unprinted.items()
            if any(answers.field == name for _, answers in suites)
        ]
        if of_fields:
            self._notes[
                f"{path}: {name} may be {' or '.join(of_fields)}, whose answers stood in a field "
                "of that name; where it is, call it that in the votes"
            ] = None
        return name

    def notes(self) -> Iterator[str]:
        """Yield which models have several names, or share one, or may do so."""
        for key, names in self._names.items():
            if len(names) > 1:
                evidence = "fingerprint" if key.startswith("fingerprint:") else "answers"
                yield f"{', '.join(names)} are one model, by its {evidence}; shown as the first"
            if self._shown[key] != names[0]:
                yield f"{self._shown[key]} is not the only model named {names[0]}"
        yield from self._notes

    def _likely(self, suites: list[SavedPairs]) -> tuple[list[str], list[str]]:
        """Return who has the name of what suites were compared with, and who its answers too."""
        alike = [
            key
            for key, own in self._unprinted.items()
            if any(_is_named(pairs, *one) for pairs in suites for one in own)
        ]
        if not alike:
            return [], []
        given = {answer for pairs in suites for answer in _answers_of_other(pairs)}
        holding = [
            key
            for key in alike
            if given and given <= {one for _, own in self._unprinted[key] for one in _answers(own)}
        ]
        return alike, holding

    def _note_doubt(self, key: str, alike: list[str], holding: list[str]) -> None:
        if not alike or len(holding) == 1:
            return
        candidates = " or ".join(self._shown[one] for one in holding or alike)
        reason = "which have the same answers" if holding else "by its name, but not by its answers"
        name = self._shown[key]
        self._notes[f"{name} may be {candidates}, {reason}; it counts as a model of its own"] = None

    def _add(self, name: str, key: str) -> None:
        names = self._names.setdefault(key, [])
        if name not in names:
            names.append(name)

    def _show(self, key: str) -> str:
        name = self._names[key][0]
        others = [other for other, names in self._names.items() if name in names and other != key]
        if not others:
            return name
        digits = _SHOWN_DIGITS
        _, _, value = key.partition(":")
        while any(other.partition(":")[2][:digits] == value[:digits] for other in others):
            digits += _SHOWN_DIGITS
            if digits > len(value):
                break
        # A path says nothing by its beginning.
        return f"{name} ({value[:digits] if key.startswith('fingerprint:') else value})"


def _own_key(path: Path, fingerprint: str, field: str) -> str:
    """Return what tells a model under test from others; without a fingerprint, where it stands."""
    if fingerprint:
        return f"fingerprint:{fingerprint}"
    return f"file:{real_path(path)}{field and f' {field}'}"


def _other_key(suite: SavedPairs) -> str:
    """Return what tells a model apart that another was compared with."""
    if suite.fingerprint_b:
        return f"fingerprint:{suite.fingerprint_b}"
    return f"name:{suite.model_b}"


def _is_named(pairs: SavedPairs, path: Path, own: SavedAnswers) -> bool:
    """Whether pairs are compared with a file or a field of the name that these answers have."""
    if pairs.fingerprint_b:
        return False
    if pairs.kind_b == "results":
        # Where it lay on the machine of the run need not be where it lies now.
        return PurePath(pairs.model_b).name == path.name
    return pairs.kind_b == "field" and pairs.model_b == own.field


def _answers(own: SavedAnswers) -> Iterator[_Answered]:
    for one in own.answers:
        if one.response is not None:
            content = content_digest(one)
            yield one.id, content, text_digest(one.response)


def _answers_of_other(pairs: SavedPairs) -> Iterator[_Answered]:
    for pair in pairs.pairs:
        if pair.response_b is not None:
            yield pair.id, pair.content, text_digest(pair.response_b)
