"""The handle of the model under test: what it answers, and what it refuses."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmjudge.data import Completion
from pytest_llmjudge.errors import CheckpointError, PromptError, SettingsError
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.tokenizers.byte_pairs import BytePairs, load_ranks
from pytest_llmjudge.settings import Decoding
from tests.unit.generation.tiny import (
    DEVICES,
    END,
    TINY,
    VOCABULARY,
    greedy,
    lecture_model,
    lecture_text,
    make_model,
    save_model,
)

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ["the thing", "a", "nothing in the end", "of the", "the the the the the", "Ω"]
CONTEXT = TINY.context_length
DRAWN = Decoding(temperature=1.0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its tokenizer, for tests that do not change it."""
    path = tmp_path_factory.mktemp("saved") / "model.pth"
    save_model(path)
    return path


@pytest.fixture(scope="module")
def tokenizer(saved: Path) -> BytePairs:
    """The checkpoint's tokenizer."""
    return load_ranks(saved, saved.with_suffix(".tiktoken"), VOCABULARY)


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_texts_are_the_lectures(saved: Path, tokenizer: BytePairs, batch_size: int | None) -> None:
    """Greedy answers, token for token, whatever the size of a batch."""
    lecture = lecture_model(make_model())
    expected = [lecture_text(lecture, tokenizer.encode(prompt), 12) for prompt in PROMPTS]

    texts = TorchModel(saved, batch_size=batch_size).generate(PROMPTS, max_new_tokens=12)

    assert texts == [tokenizer.decode(ids) for ids in expected]


def test_a_stream_gives_the_same_with_numbers(saved: Path) -> None:
    """Each completion tells its prompt, its text and its length."""
    model = TorchModel(saved)

    completions = list(model.stream(PROMPTS, max_new_tokens=5))

    texts = model.generate(PROMPTS, max_new_tokens=5)
    expected = [Completion(index, text, tokens=5) for index, text in enumerate(texts)]
    assert sorted(completions, key=lambda completion: completion.index) == expected


@settings(max_examples=12, deadline=None)
@given(prompts=st.lists(st.text(min_size=1, max_size=10), max_size=8), batch=st.integers(1, 9))
def test_a_batch_changes_nothing(saved: Path, prompts: list[str], batch: int) -> None:
    """Prompts answered together get what they get one by one."""
    alone = TorchModel(saved)

    together = TorchModel(saved, batch_size=batch).generate(prompts, max_new_tokens=6)

    assert together == [alone.generate([prompt], max_new_tokens=6)[0] for prompt in prompts]


def test_the_end_token_ends_a_text(path: Path, tokenizer: BytePairs) -> None:
    """A text stops before it, and its length does not count it."""
    model = make_model()
    ids = lecture_text(lecture_model(model), tokenizer.encode("the thing"), 8)
    place = next(i for i in range(3, 8) if ids[i] not in ids[:i])
    head = model.out_head.weight.clone()
    head[[END, ids[place]]] = head[[ids[place], END]]
    save_model(path, other={"out_head.weight": head})

    (completion,) = TorchModel(path).stream(["the thing"], max_new_tokens=8)

    assert completion == Completion(0, tokenizer.decode(ids[:place]), tokens=place)


@pytest.mark.parametrize(("length", "room"), [(CONTEXT - 1, 1), (CONTEXT - 5, 5), (1, CONTEXT - 1)])
def test_a_text_ends_with_the_context(saved: Path, length: int, room: int) -> None:
    """Prompt and text together are never longer than what the model sees."""
    (completion,) = TorchModel(saved).stream(["Q" * length], max_new_tokens=999)

    assert completion.tokens == room


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Q" * CONTEXT, f"the prompt has {CONTEXT} tokens and the context"),
        ("Q" * 100, "the prompt has 100 tokens and the context"),
        (
            "Q" * 1_000_000,
            "the prompt has at least 250000 tokens and the context",
        ),
    ],
    ids=["no room", "too long", "a megabyte"],
)
def test_a_prompt_without_room_for_an_answer(saved: Path, prompt: str, expected: str) -> None:
    """It is refused with both lengths, at once, and the others are answered."""
    hint = "shorten the record's instruction and input"
    model = TorchModel(saved)
    model.generate(["a"], max_new_tokens=1)
    start = time.process_time()

    refused, answered = model.stream(["a", prompt][::-1], max_new_tokens=1)

    assert refused == Completion(
        0, None, error=f"{saved}: {expected} {CONTEXT}, answer included; {hint}"
    )
    assert answered.error is None
    assert time.process_time() - start < 5
    with pytest.raises(PromptError) as caught:
        model.generate(["a", prompt], max_new_tokens=1)
    assert str(caught.value) == f"prompts[1]: {expected} {CONTEXT}, answer included; {hint}"


def test_a_prompt_that_loses_its_beginning(saved: Path, tokenizer: BytePairs) -> None:
    """Its last tokens are answered, as many as leave room for all tokens of an answer."""
    lecture = lecture_model(make_model())
    prompts = ["of the", "nothing in the end " * 20]
    rows = [tokenizer.encode(prompt)[-(CONTEXT - 12) :] for prompt in prompts]
    expected = [tokenizer.decode(lecture_text(lecture, row, 12)) for row in rows]

    done = list(TorchModel(saved).stream(prompts, max_new_tokens=12, cut=True))

    done.sort(key=lambda one: one.index)
    assert done == [
        Completion(0, expected[0], tokens=12),
        Completion(1, expected[1], tokens=12, is_cut=True),
    ]


def test_an_answer_that_leaves_no_room_for_a_prompt(saved: Path) -> None:
    """Nothing of a prompt would be left to answer."""
    (done,) = TorchModel(saved).stream(["a"], max_new_tokens=CONTEXT, cut=True)

    assert done == Completion(
        0,
        None,
        error=f"{saved}: an answer of {CONTEXT} tokens fills the context of {CONTEXT}, prompt "
        "included; allow fewer with max_new_tokens=",
    )


def test_the_decoding_of_a_call(saved: Path, tokenizer: BytePairs) -> None:
    """It replaces that of the model, stop texts included, for this call alone."""
    greedy_texts = TorchModel(saved).generate(PROMPTS, max_new_tokens=12)
    stop = greedy_texts[0][4]
    model = TorchModel(saved, decoding=DRAWN)
    drawn = model.generate(PROMPTS, max_new_tokens=12)

    stream = model.stream(PROMPTS, max_new_tokens=12, decoding=Decoding(stop=(stop,)))

    texts = [done.text for done in sorted(stream, key=lambda one: one.index)]
    assert texts == [text.split(stop)[0] for text in greedy_texts]
    assert model.generate(PROMPTS, max_new_tokens=12) == drawn != greedy_texts


def test_an_empty_prompt(saved: Path) -> None:
    """There is no token to begin from."""
    with pytest.raises(PromptError) as caught:
        TorchModel(saved).generate(["a", ""], max_new_tokens=1)

    expected = "prompts[1]: the prompt is empty; give the record an instruction"
    assert str(caught.value) == expected


def test_no_prompts(path: Path) -> None:
    """Nothing is loaded for nothing."""
    assert TorchModel(path).generate([], max_new_tokens=1) == []


def test_no_tokens(saved: Path) -> None:
    """Asking for no tokens is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"^max_new_tokens is 0; it must be at least 1$"):
        TorchModel(saved).generate(["a"], max_new_tokens=0)


def test_a_checkpoint_that_is_not_there(path: Path) -> None:
    """Making a handle is free; using it tells what is wrong."""
    model = TorchModel(path)
    expected = f"{path}: no such file; check the path, or train and save the model first"

    with pytest.raises(CheckpointError) as caught:
        model.generate(["a"], max_new_tokens=1)
    assert str(caught.value) == expected
    with pytest.raises(CheckpointError) as caught:
        _ = model.fingerprint
    assert str(caught.value) == expected


def test_a_checkpoint_that_changes_before_it_is_loaded(path: Path) -> None:
    """Texts of new weights are never kept under the fingerprint of the old ones."""
    save_model(path)
    model = TorchModel(path)
    assert len(model.fingerprint) == 64
    save_model(path, other={"final_norm.shift": torch.ones(TINY.emb_dim)})

    with pytest.raises(CheckpointError) as caught:
        model.generate(["the thing"], max_new_tokens=1)

    assert str(caught.value) == (
        f"{path}: it changed since the run began; run again when the training is done"
    )


def test_a_file_from_before_torch_1_6(path: Path, saved: Path) -> None:
    """It gives the same texts, with the tokenizer that its vocabulary asks for."""
    model = save_model(path)
    path.with_suffix(".tiktoken").rename(path.with_name("shared.tiktoken"))
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)

    texts = TorchModel(path).generate(PROMPTS, max_new_tokens=5)

    assert texts == TorchModel(saved).generate(PROMPTS, max_new_tokens=5)


def test_heads_from_a_config_change_the_text(path: Path, saved: Path) -> None:
    """The number of heads is used, and it is in the fingerprint."""
    config = replace(TINY, n_heads=4)
    save_model(path, config)
    path.with_name("config.json").write_text('{"n_heads": 4}', encoding="utf-8")
    model = TorchModel(path)
    prompt = [300 % VOCABULARY, 3]

    assert model.info.config == config
    assert model.fingerprint != TorchModel(saved).fingerprint
    expected = lecture_text(lecture_model(make_model(config)), prompt, 1)
    tokenizer = load_ranks(path, path.with_suffix(".tiktoken"), VOCABULARY)
    text = model.generate([tokenizer.decode(prompt)], max_new_tokens=1)
    assert text == [tokenizer.decode(expected)]


def test_other_numbers_are_used_if_asked_for(saved: Path) -> None:
    """Half precision gives a text, which need not be the same."""
    (text,) = TorchModel(saved, dtype="bfloat16", device="cpu").generate(["a"], max_new_tokens=4)

    assert isinstance(text, str)


BROKEN = "the logits of its answer are NaN or infinite"


@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("decoding", [Decoding(), DRAWN], ids=["greedy", "drawn"])
def test_an_answer_of_no_numbers(path: Path, batch_size: int, decoding: Decoding) -> None:
    """It is the error of its own prompt; texts that run beside it, or in its place, are the same."""
    weights = make_model().tok_emb.weight.clone()
    first = "\u03a9".encode()[0]
    weights[first] = torch.tensor([3e38, -3e38] * (TINY.emb_dim // 2))
    save_model(path, other={"tok_emb.weight": weights})
    prompts = ["the thing", "\u03a9", "of the", "the the", "\u03a9a", "in", "a thing"]
    sound = [prompt for prompt in prompts if "\u03a9" not in prompt]
    model = TorchModel(path, device="cpu", batch_size=batch_size, decoding=decoding)
    alone = TorchModel(path, device="cpu", batch_size=1, decoding=decoding)

    completions = sorted(model.stream(prompts, max_new_tokens=6), key=lambda done: done.index)

    message = f"{path}: {BROKEN}; see whether its training diverged, or its file is damaged"
    for index in (1, 4):
        assert completions[index] == Completion(index, None, error=message, final=False)
    expected = [alone.generate([prompt], max_new_tokens=6)[0] for prompt in sound]
    assert [done.text for done in completions if done.error is None] == expected
    with pytest.raises(PromptError) as caught:
        model.generate(prompts[:2], max_new_tokens=6)
    assert str(caught.value).startswith(f"prompts[1]: {BROKEN}; ")


def test_an_answer_that_ends_in_no_numbers(path: Path, tokenizer: BytePairs) -> None:
    """Also where tokens are guessed ahead: half a text is no response."""
    model = make_model()
    prompt = tokenizer.encode("a")
    text = greedy(model, prompt, 30)
    count = max(at for at, token in enumerate(text) if token not in [*prompt, *text[:at]]) + 1
    text, last = text[:count], text[count - 1]
    weights = model.tok_emb.weight.clone()
    weights[last] = torch.tensor([3e38, -3e38] * (TINY.emb_dim // 2))
    save_model(path, other={"tok_emb.weight": weights})

    (whole,) = TorchModel(path, device="cpu").generate(["a"], max_new_tokens=count)
    (broken,) = TorchModel(path, device="cpu").stream(["a"], max_new_tokens=count + 1)

    assert whole == tokenizer.decode(text)
    assert (broken.text, broken.error is not None) == (None, True)


@pytest.mark.parametrize("decoding", [Decoding(), DRAWN], ids=["greedy", "drawn"])
def test_numbers_that_float16_does_not_hold(path: Path, decoding: Decoding) -> None:
    """A sound model may go beyond them: the formats that hold them are named."""
    network = make_model()
    for name, weight in network.named_parameters():
        if ".ff.layers." in name and name.endswith(".weight"):
            weight.mul_(50 if ".0.weight" in name else 3000)
    save_model(path, other=dict(network.state_dict()))

    completions = {
        dtype: list(
            TorchModel(path, device="cpu", dtype=dtype, decoding=decoding).stream(
                ["abc", "the"], max_new_tokens=6
            )
        )
        for dtype in ("float32", "bfloat16", "float16")
    }

    assert all(done.text for dtype in ("float32", "bfloat16") for done in completions[dtype])
    hint = "take --llm-judge-dtype=float32 or bfloat16, which reach further"
    assert {done.error for done in completions["float16"]} == {
        f"{path}: {BROKEN} in float16; {hint}"
    }


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [
        (
            "fridge",
            "auto",
            f"device 'fridge': torch cannot use it here; use one of {DEVICES}",
        ),
        (
            "cpu",
            "int8",
            "dtype 'int8': unknown; use one of auto, float32, bfloat16, float16",
        ),
    ],
)
def test_settings_that_torch_does_not_know(
    saved: Path, device: str, dtype: str, expected: str
) -> None:
    """The message says what can be chosen."""
    with pytest.raises(SettingsError) as caught:
        TorchModel(saved, device=device, dtype=dtype).generate(["a"], max_new_tokens=1)

    assert str(caught.value) == expected


def test_a_stream_can_be_left(saved: Path) -> None:
    """After a part was taken, the handle still answers."""
    model = TorchModel(saved, batch_size=1)
    first = next(model.stream(PROMPTS, max_new_tokens=3))

    assert first.text == model.generate(PROMPTS, max_new_tokens=3)[first.index]
