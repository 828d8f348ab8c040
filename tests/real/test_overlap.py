"""The published records: which of those held out appear in the training part."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.project import Project

TRAINED, HELD_OUT = slice(0, 935), slice(935, 1045)


def question(record: dict[str, str]) -> str:
    """Return what a record asks, in lower case, with one blank between words."""
    text = unicodedata.normalize("NFKC", f"{record['instruction']} {record['input']}").casefold()
    # None of these records has a symbol that makes a difference by itself.
    return re.sub(r"[\W_]+", " ", text).strip()


def grams(text: str) -> set[str]:
    """Return the character 5-grams of a text."""
    return {text[at : at + 5] for at in range(len(text) - 4)}


def likeness(one: set[str], other: set[str]) -> float:
    """Return the Jaccard similarity of two sets."""
    return len(one & other) / len(one | other)


@pytest.fixture
def split_project(project: Project, real_data: Path) -> Project:
    """The published split: what the model was trained on, and its responses to the rest."""
    folder = real_data / "instructions"
    records = json.loads((folder / "instruction-data.json").read_text("utf-8"))
    held_out = json.loads((folder / "instruction-data-with-response.json").read_text("utf-8"))
    project.write("train.json", records[TRAINED])
    arguments = 'responses="model_response", min_average=40, training="train.json"'
    project.suite(held_out, arguments)
    return project


def test_same_as_all_pairs(split_project: Project, real_data: Path) -> None:
    """Exactly the records that a comparison of all pairs finds, with the same similarities."""
    path = real_data / "instructions" / "instruction-data.json"
    texts = [question(record) for record in json.loads(path.read_text("utf-8"))]
    sets = list(map(grams, texts))
    best = {
        number: max(likeness(one, other) for other in sets[TRAINED])
        for number, one in enumerate(sets[HELD_OUT])
    }
    near = {
        number: round(similarity, 4) for number, similarity in best.items() if similarity >= 0.8
    }
    exact = {number for number in near if texts[HELD_OUT][number] in texts[TRAINED]}

    result = split_project.run("--llm-judge-report=results.json")

    result.assert_outcomes(passed=111, failed=1)
    (suite,) = split_project.results()["suites"]
    places = {record["id"]: place for place, record in enumerate(suite["records"])}
    overlap = suite["overlap"]
    assert (overlap["exact"], overlap["near"]) == (2, 6)
    assert {places[one["id"]]: one["similarity"] for one in overlap["records"]} == near
    assert {places[one["id"]] for one in overlap["records"] if one["is_exact"]} == exact
    rest = [one["score"] for at, one in enumerate(suite["records"]) if at not in near]
    assert overlap["without"]["total"] == len(rest) == 102
    assert overlap["without"]["average"] == round(sum(rest) / len(rest), 4)
