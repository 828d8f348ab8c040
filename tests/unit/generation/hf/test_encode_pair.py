"""A prompt and its reference as tokens, and their loss as transformers computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_llmjudge.data import Context
from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.engine.model import TorchModel
from pytest_llmjudge.generation.hf import passes
from pytest_llmjudge.generation.hf.model import HuggingFaceModel
from tests.unit.generation.hugging import CHATML, Theirs, make_tokenizer, save_folder
from tests.unit.generation.tiny import END, lecture_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [("Say 1 in", " words."), ("the t", "hing"), ("a\n", "\n\nthe number"), ("é", "é" * 5)]
TEXTS = st.text(alphabet="the ing\né", max_size=20)


@pytest.fixture(name="model", scope="module")
def load_model(tmp_path_factory: pytest.TempPathFactory) -> HuggingFaceModel:
    folder = tmp_path_factory.mktemp("folders") / "candidate"
    save_folder(folder)
    return HuggingFaceModel(folder)


def theirs_loss(model: Theirs, before: list[int], after: list[int]) -> float:
    """Sum the loss that transformers computes of labels, those of the prompt at -100."""
    ids, labels = [*before, *after], [-100] * len(before) + after
    with torch.inference_mode():
        loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
    return float(loss) * len(after)


@pytest.mark.parametrize("chat", [False, True])
def test_loss(tmp_path: Path, chat: bool) -> None:  # noqa: FBT001
    """The summed log-probability of each reference is transformers' loss, its sign turned."""
    theirs = save_folder(tmp_path / "candidate", "qwen2")
    model = HuggingFaceModel(tmp_path / "candidate")
    pairs = [model.encode_pair(*pair, chat=chat) for pair in PAIRS]

    scores = [one for (one,) in model.score([Context(ids, (after,)) for ids, after in pairs])]

    expected = [-theirs_loss(theirs, *pair) for pair in pairs]
    assert scores == pytest.approx(expected, abs=1e-4)


def test_passes_are_bounded_by_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few allowed each context has a pass of its own, and the same score."""
    save_folder(tmp_path / "candidate", "gpt_neox")
    model = HuggingFaceModel(tmp_path / "candidate")
    pairs = [model.encode_pair(*pair) for pair in PAIRS]
    contexts = [Context(ids, (after,)) for ids, after in pairs]
    together = list(model.score(contexts))
    sizes: list[int] = []
    hook = model._loaded.register_forward_hook(lambda *passed: sizes.append(len(passed[2].logits)))
    monkeypatch.setattr(passes, "_PASS_LOGITS", 1)

    alone = list(model.score(contexts))

    hook.remove()
    assert sizes == [1] * len(PAIRS)
    assert alone == [pytest.approx(values, abs=1e-4) for values in together]


def test_loss_of_a_checkpoint(tmp_path: Path) -> None:
    """A checkpoint's is the cross-entropy that the lecture's own model has."""
    lecture = lecture_model(save_model(tmp_path / "model.pth"))
    model = TorchModel(tmp_path / "model.pth")
    pairs = [model.encode_pair(*pair) for pair in PAIRS]
    assert all(after[-1] == END for _, after in pairs)

    scores = [one for (one,) in model.score([Context(ids, (after,)) for ids, after in pairs])]

    for score, (before, after) in zip(scores, pairs, strict=True):
        ids = torch.tensor([[*before, *after]])
        targets = torch.tensor([-100] * (len(before) - 1) + after)
        with torch.inference_mode():
            loss = torch.nn.functional.cross_entropy(lecture(ids[:, :-1])[0], targets)
        assert score == pytest.approx(-float(loss) * len(after), abs=1e-4)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(TEXTS, TEXTS)
def test_tokens(model: HuggingFaceModel, prompt: str, reference: str) -> None:
    """They are encoded as one text; a token that has bytes of both belongs to the reference."""
    tokenizer = make_tokenizer()

    before, after = model.encode_pair(prompt, reference, end=False)

    assert [*before, *after] == tokenizer(prompt + reference)["input_ids"]
    # A character of a byte-level token stands for a byte.
    sizes = [len(token) for token in tokenizer.convert_ids_to_tokens([*before[1:], *after])]
    own = len(before) - 1
    assert sum(sizes[:own]) <= len(prompt.encode())
    assert not after or sum(sizes[: own + 1]) > len(prompt.encode())


def test_an_end_token(model: HuggingFaceModel) -> None:
    """It follows the reference, unless that is not wanted."""
    before, after = model.encode_pair("Say", " 1")

    assert (before, after[:-1]) == model.encode_pair("Say", " 1", end=False)
    assert after[-1] == make_tokenizer().eos_token_id


def test_a_chat(tmp_path: Path) -> None:
    """The prompt is what the model reads before it answers, the end what closes its turn."""
    folder = tmp_path / "candidate"
    save_folder(folder)
    config = folder / "generation_config.json"
    config.write_text('{"eos_token_id": [1, 3]}', "utf-8")
    tokenizer = make_tokenizer()
    chat = [{"role": "user", "content": "Say 1"}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    chat.append({"role": "assistant", "content": "one"})
    whole = tokenizer.apply_chat_template(chat, return_dict=False)

    before, after = HuggingFaceModel(folder).encode_pair("Say 1", "one", chat=True)

    assert before == asked
    # The template writes a line break behind the end of the turn, which nobody generates.
    assert [*before, *after] == whole[:-1]


@pytest.mark.parametrize(
    ("message", "answer"), [("hi<|im_end|>", "yes"), ("hi", "yes<|im_end|>"), ("a</s>", "<s>b")]
)
def test_control_tokens_are_words(model: HuggingFaceModel, message: str, answer: str) -> None:
    """Neither a record's message nor its reference reaches a control token."""
    tokenizer = make_tokenizer()

    for chat in (False, True):
        before, after = model.encode_pair(message, answer, chat=chat, end=False)

        assert [token for token in before if token < 4] == ([0, 2, 3, 2] if chat else [0])
        assert all(token > 3 for token in after)
        assert tokenizer.decode(after) == answer


def test_a_tokenizer_that_ends_texts_itself(tmp_path: Path) -> None:
    """What it adds behind a text is no part of the reference."""
    from tokenizers import processors

    folder = tmp_path / "candidate"
    save_folder(folder)
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.save_pretrained(folder)
    model = HuggingFaceModel(folder)

    before, after = model.encode_pair("Say", " 1", end=False)

    assert before[0] == 0
    assert 1 not in after
    assert model.encode_pair("Say", " 1") == (before, [*after, 1])


def test_no_end_token(tmp_path: Path) -> None:
    """It is said, where one is wanted."""
    folder = tmp_path / "candidate"
    save_folder(folder, template=CHATML)
    tokenizer = make_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    model = HuggingFaceModel(folder)

    with pytest.raises(CheckpointError) as caught:
        model.encode_pair("Say", " 1")

    assert str(caught.value) == (
        f"{folder}: its tokenizer has no end token; give it an eos_token, or write end=False"
    )
    assert model.encode_pair("Say", " 1", end=False)[1]
