"""What belongs to each kind of suite beside its module: a marker, and a part of the schema."""

from __future__ import annotations

import json
from importlib import resources

from pytest_llmjudge.kinds import all_kinds, compared_kinds
from pytest_llmjudge.kinds.base import BASELINE, Kind
from pytest_llmjudge.kinds.markers import MARKERS


def test_every_kind_has_its_marker() -> None:
    """And every marker its kind, which has the gates and answers the fixture that it declares."""
    kinds = {kind.marker: kind for kind in all_kinds()}

    assert sorted(kinds) == sorted(marker.name for marker in MARKERS)
    for marker in MARKERS:
        kind = kinds[marker.name]
        assert (BASELINE in marker.gates) == (kind.name in compared_kinds())
        assert (marker.ask is None) == (type(kind).ask is Kind.ask)


def test_every_kind_has_its_part_of_the_schema() -> None:
    """A suite of a kind without one could be anything."""
    schema = resources.files("pytest_llmjudge").joinpath("schemas/results.json").read_bytes()
    parts = json.loads(schema)["$defs"]["any"]["allOf"]

    named = [part["if"]["properties"]["kind"]["const"] for part in parts]
    assert sorted(named) == sorted(kind.name for kind in all_kinds())


def test_a_measure_names_its_kind() -> None:
    """By that name a results file knows what was compared."""
    measured = [kind for kind in all_kinds() if kind.measure is not None]

    assert all(kind.measure and kind.measure.kind == kind.name for kind in measured)
