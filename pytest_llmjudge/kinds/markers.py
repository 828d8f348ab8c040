"""The markers of all kinds as plain data, which a run without ``--llm-judge`` reads too."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASK_MODEL", "GATES", "MARKERS", "AskFixture", "IniPath", "ItemFixture", "Marker"]


class ItemFixture(NamedTuple):
    """A fixture that the items of a suite's samples have, and those of its gates have not.

    Attributes:
        name: As tests ask for it.
        help: As ``pytest --fixtures`` shows it.
        elsewhere: What a test is that asks for it and has none, for messages.
    """

    name: str
    help: str
    elsewhere: str = "a test that judges nothing"


class AskFixture(NamedTuple):
    """A fixture with which any test asks the model under test what suites of a kind ask.

    Attributes:
        name: As tests ask for it.
        help: As ``pytest --fixtures`` shows it.
        example: A call of it, for messages.
    """

    name: str
    help: str
    example: str


class IniPath(NamedTuple):
    """An ini option that names a file or folder for suites of one kind.

    Attributes:
        key: As in ini files.
        help: For ``pytest --help``.
    """

    key: str
    help: str


class Marker(NamedTuple):
    """A marker that makes a function a suite.

    Attributes:
        name: As users write it.
        arguments: As ``pytest --markers`` shows them.
        purpose: The same.
        fixtures: Of its samples' items.
        gates: Names of the gates that a suite may have, which no sample may have; those over
            categories of its records are beside them.
        paths: Ini options of its own.
        ask: Answered by its kind's ``ask``.
    """

    name: str
    arguments: str
    purpose: str
    fixtures: tuple[ItemFixture, ...]
    gates: tuple[str, ...]
    paths: tuple[IniPath, ...] = ()
    ask: AskFixture | None = None


_RECORD = ItemFixture("record", "The record of this item.")
_RESPONSE = ItemFixture("response", "What the model under test answered to this item's record.")

MARKERS = (
    Marker(
        "llm_judge",
        '"records.json", min_score=, min_average=, ...',
        "judge a model's answers to instruction records",
        (
            _RECORD,
            _RESPONSE,
            ItemFixture(
                "verdict", "What the judge made of this item's response; it always has a score."
            ),
        ),
        ("judge-check", "overlap", "average", "agreement", "baseline"),
    ),
    Marker(
        "llm_compare",
        '"records.json", against=, min_win_rate=, votes=, ...',
        "compare a model's answers with another's",
        (
            _RECORD,
            _RESPONSE,
            ItemFixture(
                "preference",
                "Which answer is preferred: ``a`` is the model under test; it always has a winner.",
                "a test that compares nothing",
            ),
        ),
        ("judge-check", "overlap", "win-rate"),
    ),
    Marker(
        "llm_mmlu",
        '"mmlu", subjects=, shots=, mode=, min_accuracy=, ...',
        "ask a model the questions of MMLU",
        (
            ItemFixture(
                "mmlu_result",
                "How the model under test did in this item's subject of MMLU.",
                "a test that is no subject of MMLU",
            ),
        ),
        ("average", "baseline"),
        (
            IniPath(
                "llm_mmlu_data",
                "Copy of MMLU for llm_mmlu markers and the mmlu fixture that name none",
            ),
        ),
        AskFixture(
            "mmlu",
            "Ask the model under test a subject of MMLU.\n\n"
            "The copy of MMLU is that of the ini option ``llm_mmlu_data``, or ``data=``; "
            "``limit=`` draws so many questions.",
            'mmlu("anatomy", shots=5, mode="letters")',
        ),
    ),
    Marker(
        "llm_choices",
        '"arc.jsonl", preset=, mode=, shots=, min_accuracy=, ...',
        "ask a model questions with a choice of answers",
        (
            _RECORD,
            ItemFixture(
                "choice",
                "How the model under test answered this item's question.",
                "a test that asks for no choice",
            ),
        ),
        ("overlap", "average", "baseline"),
        ask=AskFixture(
            "choices",
            "Ask the model under test questions with a choice of answers, from any test.\n\n"
            "Takes what ``llm_choices`` takes; ``limit=`` draws so many questions.",
            'choices("arc.jsonl", preset="arc_easy", limit=100)',
        ),
    ),
    Marker(
        "llm_loss",
        '"records.json", max_perplexity=, max_loss=, end=, ...',
        "measure how likely a model finds the references",
        (
            _RECORD,
            ItemFixture(
                "loss",
                "How likely the model under test found this item's reference.",
                "a test that measures no loss",
            ),
        ),
        ("overlap", "perplexity", "baseline"),
    ),
    Marker(
        "llm_exact",
        '"records.json", preset=, extract=, min_accuracy=, ...',
        "compare what a model answers with the references",
        (
            _RECORD,
            _RESPONSE,
            ItemFixture(
                "exact",
                "What was extracted from this item's response, and whether it is right.",
                "a test that compares no answers",
            ),
        ),
        ("overlap", "average", "baseline"),
        ask=AskFixture(
            "exact_match",
            "Ask the model under test the questions of a set, as ``llm_exact`` does.\n\n"
            "Paths are looked for in pytest's root folder.",
            'exact_match("own.json", extract="last-number")',
        ),
    ),
)

GATES = tuple(dict.fromkeys(gate for marker in MARKERS for gate in marker.gates))
"""Names that no record may have as its id."""

ASK_MODEL = {"llm_model", *(marker.ask.name for marker in MARKERS if marker.ask is not None)}
"""Fixtures with which any test may ask the model under test."""
