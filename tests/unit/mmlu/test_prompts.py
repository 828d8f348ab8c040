"""The prompts of three implementations, byte for byte, and what is left of them in a small context."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmjudge.errors import PromptError
from pytest_llmjudge.mmlu.files import open_mmlu
from pytest_llmjudge.mmlu.prompts import MODES, Task, make_task, prompt_text
from pytest_llmjudge.mmlu.results import MMLUQuestion

EXAMPLE = Path(__file__).parents[3] / "example_suite" / "mmlu"
GOLDEN = Path(__file__).parent / "golden"
SUBJECTS = ("kitchen_science", "number_facts", "world_capitals")
CONTEXT = 40
SOLVED = MMLUQuestion("s-1", "Ice?", ("a", "b", "c", "d"), 1)
ASKED = MMLUQuestion("s-2", " Sun? ", ("hot", "cold", "wet", "very very dry"), 0)


def words(text: str) -> list[int]:
    """Stand for a tokenizer: a token for each word, a blank before it included."""
    return [len(word) for word in text.replace("\n", " \n ").split(" ") if word]


def task(mode: str, shots: int, context: int) -> Task:
    return make_task("s", [SOLVED] * shots, ASKED, mode, encode=words, context=context)


@pytest.mark.parametrize("shots", [0, 1, 5])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_golden(subject: str, mode: str, shots: int) -> None:
    """No byte of a prompt may change: accuracies would not compare with published ones."""
    data = open_mmlu(EXAMPLE)

    prompt = prompt_text(subject, data.shots(subject, shots), data.questions(subject)[2], mode)

    path = GOLDEN / f"{subject}-{mode}-{shots}.txt"
    assert prompt.encode() == path.read_bytes()


def test_the_letter_of_each_mode() -> None:
    """Two blanks before the subject in Hendrycks' code, and its question as it stands."""
    assert prompt_text("us_law", [SOLVED], ASKED, "letters") == (
        "The following are multiple choice questions (with answers) about  us law.\n\n"
        "Ice?\nA. a\nB. b\nC. c\nD. d\nAnswer: B\n\n"
        " Sun? \nA. hot\nB. cold\nC. wet\nD. very very dry\nAnswer:"
    )
    assert prompt_text("us_law", [SOLVED], ASKED, "lm-eval") == (
        "The following are multiple choice questions (with answers) about us law.\n\n"
        "Ice?\nA. a\nB. b\nC. c\nD. d\nAnswer: B\n\n"
        "Sun?\nA. hot\nB. cold\nC. wet\nD. very very dry\nAnswer:"
    )
    assert prompt_text("us_law", [SOLVED], ASKED, "continuation") == (
        "The following are questions (with answers) about us law.\n\n"
        "Question: Ice?\nAnswer: b\n\n"
        "Question: Sun?\nAnswer:"
    )


def test_letters_drop_whole_shots() -> None:
    """The last one first, until the prompt and one token fit."""
    whole = task("letters", 2, 1000)
    size = len(whole.contexts[0].ids)
    without = len(task("letters", 1, 1000).contexts[0].ids)

    assert (whole.shots, whole.is_cut) == (2, False)
    assert task("letters", 2, size + 1).shots == 2
    assert task("letters", 2, size).shots == 1
    assert task("letters", 2, without).shots == 0
    bare = task("letters", 0, 1000).contexts[0].ids
    cut = task("letters", 2, len(bare))
    assert (cut.shots, cut.is_cut) == (0, True)
    assert cut.contexts[0].ids == bare[1:]


@pytest.mark.parametrize("mode", ["lm-eval", "continuation"])
def test_the_others_cut_token_by_token(mode: str) -> None:
    """What is left are the last tokens of prompt and choice that fit, the last one not counted."""
    whole = task(mode, 2, 1000)
    (context,) = whole.contexts
    longest = max(map(len, context.branches))
    size = len(context.ids) + longest - 1
    assert not task(mode, 2, size).is_cut

    cut = task(mode, 2, size - 1)

    assert cut.is_cut
    assert [len(one.ids) + len(branch) - 1 for one in cut.contexts for branch in one.branches] == [
        min(size - 1, len(context.ids) + len(branch) - 1) for branch in context.branches
    ]
    assert all(one.ids == context.ids[-len(one.ids) :] for one in cut.contexts)


@given(st.sampled_from(MODES), st.integers(0, 5), st.integers(5, 120))
def test_everything_fits(mode: str, shots: int, context: int) -> None:
    """Whatever the context, no prompt with its longest choice is longer, and none is empty."""
    made = task(mode, shots, context)

    branches = [branch for context in made.contexts for branch in context.branches]
    assert len(branches) == 4
    for made_for in made.contexts:
        assert made_for.ids
        assert all(len(made_for.ids) + len(branch) - 1 <= context for branch in made_for.branches)


def test_a_choice_that_never_fits() -> None:
    """It is reported, with its question."""
    endless = MMLUQuestion("s-3", "What?", ("a", "b", "c", "word " * 50), 0)

    with pytest.raises(PromptError) as caught:
        make_task("s", [], endless, "continuation", encode=words, context=CONTEXT)

    assert str(caught.value) == (
        "s-3: a choice has 50 tokens and the context 40; leave the question out, or take a larger model"
    )
