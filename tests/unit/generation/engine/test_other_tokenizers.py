"""A checkpoint with a tokenizer.json beside it, beside transformers' folder of the same model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from pytest_llmjudge.pipeline.scoring_model import encoded_prompt
from pytest_llmjudge.records.framing import FramedText
from pytest_llmjudge.settings import Decoding
from tests.unit.generation.hugging import make_tokenizer, save_folder
from tests.unit.generation.tiny import TINY, save_model

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

FRAME = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = [
    "the thing",
    "Say 1 in <|im_end|> words <s>",
    FramedText([FRAME[0], "Say 1", FRAME[1]]),
    FramedText([FRAME[0], "Say <|im_end|> 1", FRAME[1]]),
]


@pytest.fixture(name="folder", scope="module", params=["gpt2", "llama"])
def save_transformers_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model with a tokenizer of its own, and an end token besides the tokenizer's."""
    folder = tmp_path_factory.mktemp("folders") / "candidate"
    save_folder(folder, request.param)
    settings = {"eos_token_id": [1, 7]}
    (folder / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(name="checkpoint")
def copy_weights(folder: Path, tmp_path: Path) -> Path:
    """Its weights as a checkpoint, with the tokenizer beside them."""
    path = tmp_path / "mine.safetensors"
    shutil.copy(folder / "model.safetensors", path)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(folder / name, tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] == "gpt2":
        config = {"n_heads": config["n_head"]}
    path.with_name("mine.config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


@pytest.mark.parametrize("stop", [(), ("e", "<|im_start|>")], ids=["", "stop"])
def test_texts(folder: Path, checkpoint: Path, stop: tuple[str, ...]) -> None:
    """The same as transformers gives, with the same tokens in front, and for the same reasons."""
    decoding = Decoding(stop=stop)
    ours, theirs = (
        TorchModel(checkpoint, decoding=decoding),
        HuggingFaceModel(folder, decoding=decoding),
    )
    ours.check()

    answers = ours.generate(PROMPTS, max_new_tokens=24)

    assert ours.special_tokens == theirs.special_tokens
    assert answers == theirs.generate(PROMPTS, max_new_tokens=24)
    assert len(set(answers)) > 1


def test_the_weights_of_a_folder(tmp_path: Path) -> None:
    """Named as a file they have the folder's tokenizer, and answer as the folder does."""
    save_folder(tmp_path / "candidate", "qwen2")
    file = TorchModel(tmp_path / "candidate" / "model.safetensors")

    expected = HuggingFaceModel(tmp_path / "candidate").generate(PROMPTS, max_new_tokens=8)
    assert file.generate(PROMPTS, max_new_tokens=8) == expected


def test_pairs_and_scores(folder: Path, checkpoint: Path) -> None:
    """What is scored are the tokens that transformers makes, with the same log-probabilities."""
    ours, theirs = TorchModel(checkpoint), HuggingFaceModel(folder)
    pairs = [ours.encode_pair(prompt, " in words", end=False) for prompt in PROMPTS]

    assert pairs == [theirs.encode_pair(prompt, " in words", end=False) for prompt in PROMPTS]
    contexts = [Context(before, (after,)) for before, after in pairs]
    assert list(ours.score(contexts)) == [
        pytest.approx(scores, abs=1e-4) for scores in theirs.score(contexts)
    ]
    assert ours.encode("the <s>") == theirs.encode("the <s>")
    # What multiple-choice questions are asked with, as lm-evaluation-harness does.
    whole = make_tokenizer()("the <s>", split_special_tokens=True).input_ids
    assert encoded_prompt(ours, "the <s>") == encoded_prompt(theirs, "the <s>") == whole
    ends = {prompt: ours.encode_pair(prompt, "1")[1][-1] for prompt in PROMPTS}
    names = {prompt: make_tokenizer().convert_ids_to_tokens(end) for prompt, end in ends.items()}
    # Behind the template's turn, and behind any other text.
    assert list(names.values()) == ["</s>", "</s>", "</s>", "</s>"]


def test_rows_without_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are never chosen, however likely they are, greedily or by drawing."""
    size = len(make_tokenizer())
    path = tmp_path / "model.pth"
    save_model(path, replace(TINY, vocab_size=size + 6))
    path.with_suffix(".tiktoken").unlink()
    make_tokenizer().backend_tokenizer.save(str(tmp_path / "tokenizer.json"))

    for decoding in (Decoding(), Decoding(temperature=2.0)):
        model = TorchModel(path, decoding=decoding)
        decoder = model._loaded
        logits = decoder.logits
        monkeypatch.setattr(decoder, "logits", lambda x, of=logits: unlikely(of(x), size))
        (done,) = model.stream(["the thing"], max_new_tokens=20)
        assert done.text


def test_a_control_token_beyond_the_rows(tmp_path: Path) -> None:
    """One that a template writes ends in one line, and not somewhere in torch."""
    tokenizer = make_tokenizer()
    save_model(tmp_path / "mine.pth", replace(TINY, vocab_size=len(tokenizer)))
    tokenizer.add_tokens(["<|turn|>"], special_tokens=True)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "mine.tiktoken").unlink()
    model = TorchModel(tmp_path / "mine.pth")
    prompt = FramedText(["<|turn|>", "Say 1", "\n"])

    for ask in (
        lambda: list(model.stream([prompt], max_new_tokens=1)),
        lambda: model.encode_pair(prompt, "one"),
    ):
        with pytest.raises(CheckpointError, match="the model knows 290 tokens and its tokenizer"):
            ask()


def unlikely(logits: Tensor, size: int) -> Tensor:
    """Make each token less likely than those behind the tokenizer's last."""
    return torch.cat([logits[..., :size], torch.full_like(logits[..., size:], 1e4)], dim=-1)


def test_each_file_is_in_the_fingerprint(checkpoint: Path, tmp_path: Path) -> None:
    """The tokenizer and its settings decide what the model writes."""
    seen = {describe(checkpoint).fingerprint}
    for name in ("generation_config.json", "tokenizer_config.json", "tokenizer.json"):
        file = tmp_path / name
        file.write_text(f"{file.read_text(encoding='utf-8')}\n", encoding="utf-8")
        seen.add(describe(checkpoint).fingerprint)

    assert len(seen) == 4


def test_a_tokenizer_that_changes(checkpoint: Path, tmp_path: Path) -> None:
    """What is loaded is what has the fingerprint."""
    model = TorchModel(checkpoint)
    assert model.fingerprint
    (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")

    with pytest.raises(CheckpointError, match="it changed since the run began"):
        model.generate(["the"], max_new_tokens=1)


def test_a_tokenizer_that_is_named(checkpoint: Path, tmp_path: Path, folder: Path) -> None:
    """Whatever lies beside the checkpoint; a file, or a folder."""
    beside = describe(checkpoint).tokenizer
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    named = TorchModel(checkpoint, tokenizer=folder)
    file = TorchModel(checkpoint, tokenizer=folder / "tokenizer.json")

    assert beside is not None
    assert beside.file == tmp_path / "tokenizer.json"
    assert named.generate(["the"], max_new_tokens=3) == file.generate(["the"], max_new_tokens=3)
