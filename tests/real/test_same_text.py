"""Decoding in batches with a cache gives what the lecture's plain model gives, on real prompts.

`LLMJUDGE_TEST_NEW_TOKENS` sets how many tokens are compared for each prompt. With
LLMJUDGE_FULL_SIZE set, all prompts are compared on all layers of GPT-2 small, and not every sixth
on two of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from pytest_llmjudge.data import Record
from pytest_llmjudge.generation.engine.kv_cache import Cache, ForwardBatch
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
from pytest_llmjudge.generation.engine.scheduler import decode
from pytest_llmjudge.generation.families.gpt2.config import GPTConfig
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from pytest_llmjudge.generation.tokenizers.byte_pairs import load_ranks
from pytest_llmjudge.generation.tokenizers.files import find_tokenizer
from pytest_llmjudge.records.prompts import instruction_prompt
from tests.unit.generation.tiny import lecture_model

DATA = os.environ.get("LLMJUDGE_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="needs LLMJUDGE_REAL_DATA")

NEW_TOKENS = int(os.environ.get("LLMJUDGE_TEST_NEW_TOKENS", "4"))
IS_FULL_SIZE = "LLMJUDGE_FULL_SIZE" in os.environ
GPT2_SMALL = "random GPT-2 small"
FOLDER = Path(__file__).parents[2] / "checkpoints"


class Case(NamedTuple):
    """A model ready to decode, the lecture's with the same weights, and the real prompts."""

    model: GPTModel
    lecture: Any
    prompts: list[list[int]]
    end: int


@pytest.fixture(
    scope="module", params=[GPT2_SMALL, *sorted(file.name for file in FOLDER.glob("*.pth"))]
)
def case(request: pytest.FixtureRequest) -> Case:
    """Random weights as wide as GPT-2's smallest, and each checkpoint of this repository."""
    if request.param == GPT2_SMALL:
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(DATA, "gpt2-bpe")))
        path, ranks = Path("gpt2.pth"), None
        torch.manual_seed(0)
        layers = 12 if IS_FULL_SIZE else 2
        config = GPTConfig(50257, 1024, 768, n_heads=12, n_layers=layers, qkv_bias=True)
        model = GPTModel(config).eval().requires_grad_(requires_grad=False)
    else:
        path = FOLDER / request.param
        loaded = load(path, torch.device("cpu"), torch.float32)
        assert isinstance(loaded, GPTModel)
        model = loaded
        found = find_tokenizer(path, model.config.vocab_size)
        ranks = found.file if found else None
    tokenizer = load_ranks(path, ranks, model.config.vocab_size)
    lecture = lecture_model(model)
    if packable(model):
        pack(model)
    room = model.config.context_length - NEW_TOKENS
    texts = real_prompts()
    if request.param == GPT2_SMALL and not IS_FULL_SIZE:
        texts = texts[::6]
    prompts = [ids for text in texts if len(ids := tokenizer.encode(text)) <= room]
    assert len(prompts) == len(texts)
    return Case(model, lecture, prompts, tokenizer.end)


def check_text(case: Case, prompt: list[int], text: list[int]) -> None:
    """Each token is the lecture's choice after those before it, and so is where the text ends."""
    logits = case.lecture(torch.tensor([[*prompt, *text]]))[0, len(prompt) - 1 :]
    *chosen, following = logits.argmax(-1).tolist()

    assert text == chosen
    assert case.end not in text
    assert len(text) == NEW_TOKENS or following == case.end


def real_prompts() -> list[str]:
    """The lecture's 110 test records as prompts."""
    file = Path(DATA, "instructions", "instruction-data-with-response.json")
    return [
        instruction_prompt(
            Record("", entry["instruction"], entry["input"], entry["output"], entry),
            for_generation=True,
        )
        for entry in json.loads(file.read_bytes())
    ]


def test_tokens_are_the_same(case: Case) -> None:
    """Token for token, whatever the size of a batch."""
    limits = [NEW_TOKENS] * len(case.prompts)
    one_by_one, *others = (
        dict(decode(case.model, case.prompts, limits, ends={case.end}, slots=slots))
        for slots in (1, 7, 32)
    )

    assert others == [one_by_one, one_by_one]
    assert len(one_by_one) == len(case.prompts)
    with torch.inference_mode():
        for number, text in one_by_one.items():
            assert text is not None
            check_text(case, case.prompts[number], text)


def test_logits_are_the_same(case: Case) -> None:
    """Of 16 prompts that start in one pass after a shared prefix, and of the token after them."""
    prompts = sorted(case.prompts, key=len)[-16:]
    cache = Cache(case.model, prompts[0][:20], slots=16, columns=200)
    start = ForwardBatch(running=16)
    for slot, prompt in enumerate(prompts):
        start.add_prompt(slot, prompt[20:-1])
    for slot, prompt in enumerate(prompts):
        start.add(slot, len(prompt) - 21, prompt[-1])
    follow = ForwardBatch(running=16)
    for slot, prompt in enumerate(prompts):
        follow.add(slot, len(prompt) - 20, prompt[0])

    with torch.inference_mode():
        first = case.model.logits(cache.run(start)[-16:])
        second = case.model.logits(cache.run(follow))
        for slot, prompt in enumerate(prompts):
            logits = case.lecture(torch.tensor([[*prompt, prompt[0]]]))[0]
            assert (logits[-2] - first[slot]).abs().max().item() < 1e-4
            assert (logits[-1] - second[slot]).abs().max().item() < 1e-4
