"""LoRA: merged when it is loaded, and equal to the computation in which it is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.archive import describe
from pytest_llmjudge.generation.checkpoint import load
from tests.unit.generation.test_naming import Theirs, as_nanogpt, make_theirs, saved
from tests.unit.generation.tiny import error_of, lecture_model, make_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CPU = torch.device("cpu")
IDS = torch.arange(40)[None]
RANK, ALPHA = 4, 16
TRAINED = "save it again from the model that was trained"


def lecture_with_lora(*, is_everywhere: bool = True) -> Any:  # noqa: ANN401  # no types there
    """The lecture's model with LoRA in all linear layers, or in those of attention, untrained."""
    appendix = pytest.importorskip("llms_from_scratch.appendix_e")
    torch.manual_seed(5)
    model = lecture_model(make_model())
    for block in model.trf_blocks:
        appendix.replace_linear_with_lora(block.att, RANK, ALPHA)
    if is_everywhere:
        for block in model.trf_blocks:
            appendix.replace_linear_with_lora(block.ff, RANK, ALPHA)
        model.out_head = appendix.LinearWithLoRA(model.out_head, RANK, ALPHA)
    for name, weight in model.named_parameters():
        if name.endswith("lora.B"):
            weight.data.normal_(std=0.02)
    return model.eval()


@pytest.mark.parametrize("is_everywhere", [True, False], ids=["everywhere", "attention"])
def test_the_lectures_layers(path: Path, *, is_everywhere: bool) -> None:
    """Logits within 1e-5 of the model that computes each layer's two products.

    Both compute in 64 bits: in 32 either of them is as far from that on some CPUs, merged or not.
    """
    lecture = lecture_with_lora(is_everywhere=is_everywhere)
    torch.save(lecture.state_dict(), path)
    config = path.with_name("model.config.json")
    config.write_text(json.dumps({"lora_alpha": ALPHA}), encoding="utf-8")

    model = load(path, CPU, torch.float32)

    plain = make_model()
    with torch.no_grad():
        assert (model(IDS) - lecture(IDS)).abs().max().item() < 1e-4
        assert (model(IDS) - plain(IDS)).abs().max().item() > 0.01
        assert (model.double()(IDS) - lecture.double()(IDS)).abs().max().item() < 1e-5
    assert describe(path).parameters == sum(weight.numel() for weight in plain.parameters())


def test_alpha_decides_what_the_model_writes(path: Path) -> None:
    """So it is part of the fingerprint."""
    torch.save(lecture_with_lora().state_dict(), path)
    config = path.with_name("model.config.json")
    config.write_text('{"lora_alpha": 16}', encoding="utf-8")
    before = describe(path).fingerprint
    config.write_text('{"lora_alpha": 32}', encoding="utf-8")

    assert describe(path).fingerprint != before


def test_an_alpha_that_is_not_told(path: Path) -> None:
    """None is guessed."""
    torch.save(lecture_with_lora().state_dict(), path)

    assert error_of(path) == (
        "it has LoRA layers of rank 4, and no alpha to scale them by; write "
        '{"lora_alpha": …} into model.config.json beside it'
    )


def test_an_alpha_that_is_no_number(path: Path) -> None:
    """The config is at fault."""
    torch.save(lecture_with_lora().state_dict(), path)
    config = path.with_name("model.config.json")
    config.write_text('{"lora_alpha": "16"}', encoding="utf-8")

    with pytest.raises(CheckpointError) as raised:
        describe(path)

    assert str(raised.value) == (
        f'{config}: lora_alpha is "16"; write {{"lora_alpha": …}} with a number'
    )


@pytest.mark.parametrize("lost", ["lora.B", "linear.weight"])
def test_layers_that_are_not_whole(path: Path, lost: str) -> None:
    """The three that belong together are named."""
    state = lecture_with_lora().state_dict()
    del state[f"trf_blocks.0.att.W_key.{lost}"]
    torch.save(state, path)
    path.with_name("config.json").write_text('{"lora_alpha": 16}', encoding="utf-8")

    layer = "trf_blocks.0.att.W_key"
    assert error_of(path) == (
        f"{layer}.lora.A, {layer}.lora.B and {layer}.weight do not fit each other; {TRAINED}"
    )


class Hooked:
    """PEFT's computation: each hooked layer adds its scaled detour to its output."""

    def __init__(self, theirs: Theirs, matrices: dict[str, Tensor], scale: float) -> None:
        self.hooks = []
        for name, down in matrices.items():
            if ".lora_A." not in name:
                continue
            up = matrices[name.replace("lora_A", "lora_B")]
            layer = theirs.get_submodule(
                name.removeprefix("base_model.model.").partition(".lora")[0]
            )

            def add(
                _: object,
                inputs: tuple[Tensor],
                output: Tensor,
                down: Tensor = down,
                up: Tensor = up,
            ) -> Tensor:
                detour: Tensor = inputs[0] @ down.t() @ up.t()
                return output + scale * detour

            self.hooks.append(layer.register_forward_hook(add))

    def __enter__(self) -> None:
        """Nothing more to do."""

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()


SIZES = {"attn.c_attn": (64, 192), "attn.c_proj": (64, 64), "mlp.c_fc": (64, 256)}


def adapter(folder: Path, config: Mapping[str, object] | None = None) -> dict[str, Tensor]:
    """Write an adapter for the layers above."""
    torch.manual_seed(9)
    matrices = {}
    for layer in range(2):
        for name, (inputs, outputs) in SIZES.items():
            start = f"base_model.model.transformer.h.{layer}.{name}"
            matrices[f"{start}.lora_A.weight"] = torch.randn(RANK, inputs) * 0.1
            matrices[f"{start}.lora_B.weight"] = torch.randn(outputs, RANK) * 0.1
    folder.mkdir()
    save_file(matrices, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "fan_in_fan_out": True}
    told |= {"base_model_name_or_path": "../base", "bias": "none", **(config or {})}
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")
    return matrices


@pytest.fixture
def theirs(tmp_path: Path) -> Theirs:
    """A base model in a folder of Hugging Face's, beside the adapter."""
    model = make_theirs()
    base = tmp_path / "base"
    base.mkdir()
    save_file(saved(model), base / "model.safetensors")
    (base / "config.json").write_text('{"n_head": 4}', encoding="utf-8")
    return model


@pytest.mark.parametrize(("stabilised", "scale"), [(False, 4.0), (True, 8.0)])
def test_a_peft_adapter(tmp_path: Path, theirs: Theirs, scale: float, *, stabilised: bool) -> None:
    """Found with its base through its own config, and equal to the hooked base within 1e-5."""
    matrices = adapter(tmp_path / "adapter", {"use_rslora": stabilised})

    model = load(tmp_path / "adapter", CPU, torch.float32)

    with torch.no_grad(), Hooked(theirs, matrices, scale):
        expected = theirs(IDS).logits
    with torch.no_grad():
        assert (model(IDS) - expected).abs().max().item() < 1e-4
        assert (expected - theirs(IDS).logits).abs().max().item() > 0.1


def test_a_base_that_is_named(tmp_path: Path, theirs: Theirs) -> None:
    """The one that is given goes before the config's, whatever its layout."""
    matrices = adapter(tmp_path / "adapter", {"base_model_name_or_path": "gpt2"})
    base = tmp_path / "nano.pth"
    torch.save({"model": as_nanogpt(saved(theirs)), "model_args": {"n_head": 4}}, base)

    model = load(tmp_path / "adapter", CPU, torch.float32, base=base)

    with torch.no_grad(), Hooked(theirs, matrices, 4.0):
        assert (model(IDS) - theirs(IDS).logits).abs().max().item() < 1e-4


def test_base_and_adapter_decide_what_is_written(tmp_path: Path, theirs: Theirs) -> None:
    """All their files are in the fingerprint."""
    adapter(tmp_path / "adapter")
    prints = [describe(tmp_path / "adapter").fingerprint]
    for file in ("adapter/adapter_model.safetensors", "base/model.safetensors"):
        content = bytearray((tmp_path / file).read_bytes())
        content[-1] ^= 1
        (tmp_path / file).write_bytes(content)
        prints.append(describe(tmp_path / "adapter").fingerprint)
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        (tmp_path / "adapter" / "adapter_config.json").read_text().replace("16", "32")
    )
    prints.append(describe(tmp_path / "adapter").fingerprint)

    assert len(set(prints)) == 4


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"base_model_name_or_path": "gpt2-medium"}, "the model gpt2-medium that it is added to is not here; name it with --llm-judge-base"),
        ({"base_model_name_or_path": None}, "it does not name the model that it is added to; name it with --llm-judge-base"),
        ({"peft_type": "IA3"}, "no config of a LoRA adapter; save the adapter again, or merge it into its model with PEFT"),
        ({"use_dora": True}, "use_dora is true, which is not merged here; merge it into its model with PEFT"),
        ({"bias": "all"}, 'bias is "all", which is not merged here; merge it into its model with PEFT'),
        ({"rank_pattern": {"c_attn": 8}}, 'rank_pattern is {"c_attn": 8}, which is not merged here; merge it into its model with PEFT'),
        ({"lora_alpha": None}, "lora_alpha is null; save the adapter again, or merge it into its model with PEFT"),
    ],
)  # fmt: skip
def test_adapters_that_cannot_be_merged(
    tmp_path: Path, config: dict[str, object], told: str
) -> None:
    """Nothing is left out in silence."""
    adapter(tmp_path / "adapter", config)

    with pytest.raises(CheckpointError) as raised:
        describe(tmp_path / "adapter")

    assert str(raised.value) == f"{tmp_path / 'adapter' / 'adapter_config.json'}: {told}"


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("base_model.model.transformer.h.7.attn.c_attn.lora_A.weight", "its base has no h.7.attn.c_attn.weight; name the model that it was trained for with --llm-judge-base"),
        ("base_model.model.score.weight", "it has base_model.model.score.weight, which is no LoRA matrix of a linear layer; merge it into its model with PEFT"),
        ("base_model.model.transformer.h.0.attn.c_proj.lora_B.weight", "base_model.model.transformer.h.0.attn.c_proj.lora_A.weight, base_model.model.transformer.h.0.attn.c_proj.lora_B.weight and h.0.attn.c_proj.weight do not fit each other; save it again from the model that was trained"),
    ],
)  # fmt: skip
def test_matrices_that_have_no_place(tmp_path: Path, name: str, told: str) -> None:
    """The one at fault is named."""
    matrices = adapter(tmp_path / "adapter")
    matrices[name] = torch.zeros(RANK, 63)
    save_file(matrices, tmp_path / "adapter" / "adapter_model.safetensors")

    assert error_of(tmp_path / "adapter") == told


@pytest.mark.usefixtures("theirs")
def test_an_adapter_without_weights(tmp_path: Path) -> None:
    """A config alone is no adapter."""
    adapter(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()

    assert error_of(tmp_path / "adapter") == (
        "an adapter without adapter_model.safetensors; save the adapter again"
    )
