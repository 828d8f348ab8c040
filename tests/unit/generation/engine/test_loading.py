"""Loading weights: whatever wrote them, the logits are the same."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.engine.loading import load
from pytest_llmjudge.generation.families.gpt2.model import GPTModel
from tests.unit.generation.tiny import TINY, lecture_model, make_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
IDS = torch.arange(20)[None]


def load_error(path: Path) -> str:
    """What loading a file complains about, without its name."""
    with pytest.raises(CheckpointError) as caught:
        load(path, CPU, torch.float32)
    where, _, message = str(caught.value).partition(": ")
    assert where == str(path)
    return message


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_what_the_lectures_code_saves(path: Path, *, new: bool, qkv_bias: bool) -> None:
    """A state dict with causal masks, in either format, gives the lecture's logits."""
    lecture = lecture_model(make_model(replace(TINY, qkv_bias=qkv_bias)))
    torch.save(lecture.state_dict(), path, _use_new_zipfile_serialization=new)

    model = load(path, CPU, torch.float32)

    with torch.no_grad():
        assert (model(IDS) - lecture(IDS)).abs().max().item() < 1e-4


def test_masks_of_truth_values(path: Path) -> None:
    """A causal mask is not loaded, so its type does not matter."""
    mask = torch.ones(TINY.context_length, TINY.context_length, dtype=torch.bool).triu(1)
    saved = save_model(path, other={"trf_blocks.0.att.mask": mask})

    assert torch.equal(load(path, CPU, torch.float32)(IDS), saved(IDS))


def test_an_old_file_with_numbers_for_names(path: Path) -> None:
    """Keys that are no names are refused like values that are no tensors."""
    old_pickle(path, {7: torch.zeros(1)})

    expected = "no state dict of floating-point tensors; save a plain state dict: "
    assert load_error(path) == expected + "torch.save(model.state_dict(), path)"


def test_what_a_compiled_model_saves(path: Path) -> None:
    """The prefix that torch.compile puts before names makes no difference."""
    saved = make_model()
    torch.save({f"_orig_mod.{name}": w for name, w in saved.state_dict().items()}, path)

    assert torch.equal(load(path, CPU, torch.float32)(IDS), saved(IDS))


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_are_loaded_in_the_numbers_asked_for(path: Path, stored: torch.dtype) -> None:
    """The file's own floating-point numbers are converted."""
    saved = make_model().to(stored)
    torch.save(saved.state_dict(), path)

    model = load(path, CPU, torch.float32)

    assert torch.equal(model(IDS), saved.to(torch.float32)(IDS))


def test_a_loaded_model_is_for_evaluation(path: Path) -> None:
    """Nothing of it asks for a gradient."""
    save_model(path)

    model = load(path, CPU, torch.bfloat16)

    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(path: Path, number: float) -> None:
    """A single NaN is refused, and its weight is named."""
    weight = torch.zeros(64)
    weight[7] = number
    save_model(path, other={"trf_blocks.1.norm2.shift": weight})

    problem = "trf_blocks.1.norm2.shift holds NaN or infinite values"
    hint = "the training diverged: use an earlier checkpoint or a lower learning rate"
    assert load_error(path) == f"{problem}; {hint}"


def test_a_weight_that_float16_does_not_hold(path: Path) -> None:
    """It is the format that is too small; a NaN is one in every format."""
    for number, problem, hint in (
        (
            7e4,
            "holds values that are infinite in float16",
            "take --llm-judge-dtype=float32 or bfloat16, which reach further",
        ),
        (
            float("nan"),
            "holds NaN or infinite values",
            "the training diverged: use an earlier checkpoint or a lower learning rate",
        ),
    ):
        save_model(path, other={"trf_blocks.1.norm2.shift": torch.full((64,), number)})
        with pytest.raises(CheckpointError) as caught:
            load(path, CPU, torch.float16)
        assert str(caught.value) == f"{path}: trf_blocks.1.norm2.shift {problem}; {hint}"
    save_model(path, other={"trf_blocks.1.norm2.shift": torch.full((64,), 7e4)})
    assert load(path, CPU, torch.bfloat16)


def test_a_lost_piece_of_the_archive(path: Path) -> None:
    """A fault that shows only when the weights are read is one line too."""
    whole = path.with_name("whole.pth")
    save_model(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if not name.endswith("/data/3"):
                target.writestr(name, source.read(name))

    expected = "cut short or damaged; save or copy the checkpoint again"
    assert load_error(path) == expected


def old_pickle(path: Path, content: object) -> None:
    """Write a file in the format before torch 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=False)


def test_an_old_file_is_checked_too(path: Path) -> None:
    """Files that only torch can read get the same messages once they are read."""
    state = {**make_model().state_dict(), "final_norm.scale": torch.ones(65)}
    old_pickle(path, state)

    problem = "final_norm.scale has the shape (65,) where (64,) is expected"
    assert load_error(path) == f"{problem}; save it again from the model that was trained"


def test_an_old_file_with_something_else(path: Path) -> None:
    """A list is no state dict."""
    old_pickle(path, [torch.zeros(1)])

    expected = "no state dict of floating-point tensors; save a plain state dict: "
    assert load_error(path) == expected + "torch.save(model.state_dict(), path)"


def test_an_old_file_does_not_run(path: Path) -> None:
    """A pickled model is refused, because reading it would run its class."""
    old_pickle(path, GPTModel(TINY))

    expected = "loading it would run pytest_llmjudge.generation.families.gpt2.model.GPTModel"
    assert load_error(path) == (
        f"{expected}; save a plain state dict: torch.save(model.state_dict(), path)"
    )


def test_an_old_file_that_is_cut_short(path: Path) -> None:
    """A broken copy is one line."""
    old_pickle(path, make_model().state_dict())
    whole = path.read_bytes()
    expected = {3000: "its pickle is damaged", len(whole) - 1: "cut short or damaged"}

    for size, problem in expected.items():
        path.write_bytes(whole[:size])
        assert load_error(path) == f"{problem}; save or copy the checkpoint again"
