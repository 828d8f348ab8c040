"""What a model in this process replies as a judge: by transformers' own logits, alone or together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.generation.reply import Reply, TooLongError
from pytest_llmjudge.scoring import CHOICE_SCHEMA, SCORE_SCHEMA, replies_to
from pytest_llmjudge.settings import Decoding
from tests.unit.generation.hugging import CHATML, Theirs, save_folder, transformers
from tests.unit.generation.judges import save_judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_llmjudge.errors import PromptError

GREEDY = Decoding()
PROMPTS = [
    f"{'Would a strict teacher ' * (number % 3)}like {number * 'xyz '}?" for number in range(9)
]
CHOICES = replies_to(CHOICE_SCHEMA)
SCORES = replies_to(SCORE_SCHEMA)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judges") / "judge"
    save_judge(path)
    return path


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Theirs:
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Theirs:
    return transformers.AutoTokenizer.from_pretrained(folder)


def by_number(replies: Iterator[tuple[int, Reply | PromptError]]) -> list[Reply]:
    """All replies in the order of their prompts; none is an error."""
    ordered = dict(sorted(replies)).values()
    return [reply for reply in ordered if isinstance(reply, Reply)]


def ids_of(tokenizer: Theirs, prompt: str) -> list[int]:
    chat = [{"role": "user", "content": prompt}]
    ids: list[int] = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_dict=False
    )
    return ids


@torch.no_grad()
def their_logprobs(theirs: Theirs, ids: list[int]) -> torch.Tensor:
    logits: torch.Tensor = theirs(torch.tensor([ids])).logits[0, -1]
    return logits.log_softmax(0)


@torch.no_grad()
def their_held(theirs: Theirs, tokenizer: Theirs, prompt: str, allowed: tuple[str, ...]) -> str:
    """Decode greedily, all tokens masked that no allowed text goes on with."""
    start = ids_of(tokenizer, prompt)
    texts = {text: tokenizer(text, add_special_tokens=False)["input_ids"] for text in allowed}
    written: list[int] = []
    while written not in texts.values():
        at = len(written)
        following = {ids[at] for ids in texts.values() if ids[:at] == written}
        logprobs = their_logprobs(theirs, [*start, *written])
        written.append(max(following, key=lambda token: float(logprobs[token])))
    return next(text for text, ids in texts.items() if ids == written)


@pytest.mark.parametrize("kind", ["llama", "gpt_neox"])
def test_weighed_replies(tmp_path: Path, kind: str) -> None:
    """Candidates are transformers' own, on either engine and whatever else is asked together."""
    theirs = save_folder(tmp_path / "judge", kind, max_position_embeddings=256)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "judge")
    model = HuggingFaceModel(tmp_path / "judge")

    together = by_number(model.weighed_replies(PROMPTS, most=8))

    assert len(together) == len(PROMPTS)
    for prompt, reply in zip(PROMPTS, together, strict=True):
        expected = their_logprobs(theirs, ids_of(tokenizer, prompt)).topk(8)
        assert reply.candidates is not None
        texts, values = zip(*reply.candidates, strict=True)
        assert list(texts) == [tokenizer.decode([token]) for token in expected.indices]
        assert values == pytest.approx(expected.values.tolist(), abs=1e-5)
        assert reply.text == texts[0]
        assert reply.tokens == len(ids_of(tokenizer, prompt)) + 1
        (alone,) = by_number(model.weighed_replies([prompt], most=8))
        assert [value for _, value in alone.candidates or ()] == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize("allowed", [CHOICES, SCORES])
def test_held_replies(
    folder: Path, theirs: Theirs, tokenizer: Theirs, allowed: tuple[str, ...]
) -> None:
    """They are what masked greedy decoding writes, together as alone."""
    model = HuggingFaceModel(folder)

    together = by_number(model.held_replies(PROMPTS, allowed, decoding=GREEDY))

    expected = [their_held(theirs, tokenizer, prompt, allowed) for prompt in PROMPTS]
    assert [reply.text for reply in together] == expected
    for prompt, reply in zip(PROMPTS, together, strict=True):
        replied = tokenizer.encode(reply.text, add_special_tokens=False)
        assert reply.tokens == len(ids_of(tokenizer, prompt)) + len(replied)
    alone = [by_number(model.held_replies([one], allowed, decoding=GREEDY)) for one in PROMPTS]
    assert [reply.text for (reply,) in alone] == expected


def test_drawn_held_replies(folder: Path) -> None:
    """A seed draws the same together as alone, and other seeds draw others."""
    model = HuggingFaceModel(folder)
    drawn = {
        seed: [
            reply.text
            for reply in by_number(
                model.held_replies(PROMPTS, SCORES, decoding=Decoding(temperature=3.0, seed=seed))
            )
        ]
        for seed in (123, 124)
    }

    assert drawn[123] != drawn[124]
    assert set(drawn[123]) <= set(SCORES)
    hot = Decoding(temperature=3.0, seed=123)
    alone = [by_number(model.held_replies([one], SCORES, decoding=hot)) for one in PROMPTS]
    assert [reply.text for (reply,) in alone] == drawn[123]


def test_written_replies(folder: Path, theirs: Theirs, tokenizer: Theirs) -> None:
    """They are transformers' greedy texts, with whether they ran out of room."""
    model = HuggingFaceModel(folder)

    replies = by_number(model.written_replies(PROMPTS, max_new_tokens=5, decoding=GREEDY))

    for prompt, reply in zip(PROMPTS, replies, strict=True):
        ids = ids_of(tokenizer, prompt)
        assert reply.text == tokenizer.decode(_their_ids(theirs, ids, 5), skip_special_tokens=True)
        assert reply.is_cut == (1 not in _their_ids(theirs, ids, 5))
        if reply.is_cut:
            assert reply.tokens == len(ids) + 5


def test_a_template_that_opens_thoughts(tmp_path: Path) -> None:
    """Their opening is part of the reply, so that whoever reads it finds them."""
    template = CHATML.replace("assistant\n{% endif", "assistant\n<think>\n{% endif")
    save_judge(tmp_path / "judge", template=template)
    model = HuggingFaceModel(tmp_path / "judge")

    (reply,) = by_number(model.written_replies(["a"], max_new_tokens=2, decoding=GREEDY))

    assert reply.text.startswith("<think>\n")


def test_what_does_not_fit(tmp_path: Path) -> None:
    """A prompt beyond the context is an error of its own; the others are replied to."""
    save_judge(tmp_path / "judge", context=64)
    model = HuggingFaceModel(tmp_path / "judge")
    prompts = ["a" * 99, "a", "a" * 28]

    weighed = dict(model.weighed_replies(prompts, most=3))
    held = dict(model.held_replies(prompts, CHOICES, decoding=GREEDY))

    assert isinstance(weighed[0], TooLongError)
    assert str(weighed[0]) == (
        f"{tmp_path / 'judge'}: the prompt has 119 tokens and the context 64, answer included; "
        "shorten the record or its response, take the record out, or take a judge with a longer "
        "context"
    )
    assert isinstance(weighed[2], Reply)
    assert isinstance(held[1], Reply)
    assert isinstance(held[2], TooLongError)
    assert "question and reply have 65 tokens and the context 64" in str(held[2])


@torch.no_grad()
def _their_ids(theirs: Theirs, ids: list[int], count: int) -> list[int]:
    config = transformers.GenerationConfig(
        max_new_tokens=count, do_sample=False, eos_token_id=[1], pad_token_id=1
    )
    output = theirs.generate(torch.tensor([ids]), generation_config=config)
    new: list[int] = output[0, len(ids) :].tolist()
    return new
