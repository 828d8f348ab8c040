"""Drawing of tokens: from the right distribution, and each text by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.engine.sampling import Choose, Sampler, likeliest
from pytest_llmjudge.settings import Decoding
from tests.unit.generation.tiny import save_model

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ["the thing", "a", "nothing in the end", "of the", "the the the the the", "in"]


@settings(deadline=None)
@given(
    logits=st.lists(
        st.integers(-40, 40).map(lambda n: n / 8), min_size=4, max_size=12, unique=True
    ),
    temperature=st.sampled_from([0.25, 0.7, 1.0, 3.0]),
    top_k=st.sampled_from([None, 1, 3, 99]),
    top_p=st.sampled_from([1.0, 0.9, 0.5, 0.01]),
)
def test_the_distribution_is_that_of_transformers(
    logits: list[float], temperature: float, top_k: int | None, top_p: float
) -> None:
    """Temperature, then the likeliest k, then the likeliest that have p."""
    row = torch.tensor([logits])
    theirs = TemperatureLogitsWarper(temperature)(None, row.double())
    if top_k is not None:
        theirs = TopKLogitsWarper(top_k)(None, theirs)
    if top_p < 1:
        theirs = TopPLogitsWarper(top_p)(None, theirs)
    expected = theirs.softmax(dim=1)

    weights = Sampler(Decoding(temperature, top_k, top_p), [[0]]).weigh(row)

    assert (weights / weights.sum() - expected).abs().max().item() < 1e-9


def test_tokens_come_as_often_as_they_are_likely() -> None:
    """2,500 draws of three tokens, within four standard deviations."""
    sampler = Sampler(Decoding(temperature=1.0), [[0]])
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()

    drawn = torch.tensor([sampler(logits, [0])[0] for _ in range(2_500)]).bincount(minlength=3)

    for count, share in zip(drawn.tolist(), (0.5, 0.3, 0.2), strict=True):
        assert abs(count - 2_500 * share) < 4 * (2_500 * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(
    ("decoding", "expected"),
    [
        (Decoding(temperature=1.0), [0.1, 0.4, 0.3, 0.2]),
        (Decoding(temperature=0.5), [0.01 / 0.3, 0.16 / 0.3, 0.09 / 0.3, 0.04 / 0.3]),
        (Decoding(temperature=1.0, top_k=2), [0, 4 / 7, 3 / 7, 0]),
        (Decoding(temperature=1.0, top_p=0.69), [0, 4 / 7, 3 / 7, 0]),
        (Decoding(temperature=1.0, top_p=0.71), [0, 4 / 9, 3 / 9, 2 / 9]),
        (Decoding(temperature=1.0, top_p=1e-9), [0, 1, 0, 0]),
        (Decoding(temperature=1e-30), [0, 1, 0, 0]),
    ],
    ids=str,
)
def test_tokens_that_may_be_drawn(decoding: Decoding, expected: list[float]) -> None:
    """By hand."""
    weights = Sampler(decoding, [[0]]).weigh(torch.tensor([[0.1, 0.4, 0.3, 0.2]]).log())

    assert (weights / weights.sum()).tolist() == [pytest.approx(expected, abs=1e-6)]


def test_rounding_does_not_change_what_is_drawn() -> None:
    """Of two tokens that are as likely as each other, whichever is the likelier by a rounding."""
    drawn = []
    for logits in ([0.0, 1e-6], [1e-6, 0.0]):
        sampler = Sampler(Decoding(temperature=1.0), [[0]])
        drawn.append([sampler(torch.tensor([logits]), [0])[0] for _ in range(100)])

    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {0, 1}


@pytest.mark.parametrize("choose", [likeliest, Sampler(Decoding(temperature=1.0, top_k=1), [[0]])])
def test_rows_of_no_numbers(choose: Choose) -> None:
    """No token is chosen where the largest logit is none; minus infinity only leaves a token out."""
    nan, inf = torch.nan, torch.inf
    rows = [[0, nan, 1], [0, inf, 1], [-inf, -inf, -inf], [nan, nan, nan], [-inf, 0, -inf]]

    assert [choose(torch.tensor([row]), [0]) for row in rows] == [[-1], [-1], [-1], [-1], [1]]
    assert likeliest(torch.tensor(rows), [0] * 5) == [-1, -1, -1, -1, 1]


def test_the_likeliest_among_equals_is_the_first() -> None:
    """As in greedy decoding everywhere."""
    assert likeliest(torch.tensor([[0.0, 2.0, 2.0], [1.0, 1.0, 0.0]]), [0, 1]) == [1, 0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its tokenizer."""
    path = tmp_path_factory.mktemp("saved") / "model.pth"
    save_model(path)
    return path


def sampled(path: Path, prompts: list[str], batch_size: int, **how: float) -> list[str]:
    """What a model draws."""
    model = TorchModel(path, batch_size=batch_size, decoding=Decoding(**how))  # type: ignore[arg-type]
    return model.generate(prompts, max_new_tokens=12)


def test_no_drawn_text_depends_on_the_others(saved: Path) -> None:
    """Nor on their order, nor on how many run at a time."""
    alone = [sampled(saved, [prompt], 1, temperature=1.0)[0] for prompt in PROMPTS]

    assert sampled(saved, PROMPTS, 4, temperature=1.0) == alone
    assert sampled(saved, PROMPTS[::-1], 3, temperature=1.0) == alone[::-1]


def test_the_seed_decides(saved: Path) -> None:
    """The same seed draws the same texts, another one others; greedy texts have no seed."""
    first = sampled(saved, PROMPTS, 4, temperature=1.0, seed=1)

    assert sampled(saved, PROMPTS, 4, temperature=1.0, seed=1) == first
    assert sampled(saved, PROMPTS, 4, temperature=1.0, seed=2) != first
    assert sampled(saved, PROMPTS, 4, seed=1) == sampled(saved, PROMPTS, 4, seed=2)


def test_one_token_to_draw_from_is_greedy(saved: Path) -> None:
    """By number, and by probability."""
    greedy = sampled(saved, PROMPTS, 4)

    assert sampled(saved, PROMPTS, 4, temperature=2.0, top_k=1) == greedy
    assert sampled(saved, PROMPTS, 4, temperature=2.0, top_p=1e-9) == greedy


def first_letter(text: str) -> str:
    """A character that is a byte, and not the first one of the text."""
    return next(char for char in text[1:] if char.isascii())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_stop_text_ends_a_text(saved: Path, temperature: float, batch_size: int) -> None:
    """Texts end before it, wherever tokens begin and end; others are as they were."""
    decoding = Decoding(temperature=temperature)
    whole = TorchModel(saved, decoding=decoding).generate(PROMPTS, max_new_tokens=20)
    stops = (*(first_letter(whole[number]) for number in (0, 2)), "never in it")
    model = TorchModel(
        saved, batch_size=batch_size, decoding=Decoding(temperature=temperature, stop=stops)
    )

    completions = sorted(model.stream(PROMPTS, max_new_tokens=20), key=lambda one: one.index)

    cut = [
        text[: min((text.find(stop) for stop in stops if stop in text), default=None)]
        for text in whole
    ]
    assert [one.text for one in completions] == cut
    assert completions[0].tokens < 20
