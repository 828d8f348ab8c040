"""LoRA: merged when it is loaded, and equal to the computation in which it is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.checkpoint_info import describe
from pytest_llmjudge.generation.engine.loading import load
from tests.unit.generation.families.gpt2.test_key_mapping import (
    Theirs,
    as_nanogpt,
    make_theirs,
    saved,
)
from tests.unit.generation.tiny import error_of, lecture_model, make_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CPU = torch.device("cpu")
IDS = torch.arange(40)[None]
RANK, ALPHA = 4, 16
TRAINED = "save it again from the model that was trained"


MERGE = "merge it into its model with PEFT"


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
    config.write_text(json.dumps({"n_heads": 1, "lora_alpha": ALPHA}), encoding="utf-8")

    model = load(path, CPU, torch.float32)

    plain = make_model()
    with torch.no_grad():
        assert (model(IDS) - lecture(IDS)).abs().max().item() < 1e-4
        assert (model(IDS) - plain(IDS)).abs().max().item() > 0.01
        assert (model.double()(IDS) - lecture.double()(IDS)).abs().max().item() < 1e-5
    assert describe(path).parameters == sum(weight.numel() for weight in plain.parameters())


class Detour(torch.nn.Module):
    """A linear layer with the lecture's LoRA, of a factor that is given."""

    def __init__(self, linear: torch.nn.Linear, factor: float) -> None:
        super().__init__()
        self.linear, self.factor = linear, factor
        self.lora = torch.nn.ParameterDict(
            {
                "A": torch.randn(linear.in_features, RANK) * 0.1,
                "B": torch.randn(RANK, linear.out_features) * 0.1,
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        detour: Tensor = self.factor * (x @ self.lora["A"] @ self.lora["B"])
        return self.linear(x) + detour  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("config", "factor"),
    [({"lora_alpha": 16}, 16.0), ({"lora_scaling": 4.0}, 4.0), ({"lora_scaling": 16 / 32}, 0.5)],
    ids=["alpha", "alpha / rank", "another factor"],
)
def test_both_factors_of_the_lectures_code(
    path: Path, config: dict[str, float], factor: float
) -> None:
    """The released package multiplies by alpha, the newer code of the book by alpha / rank."""
    torch.manual_seed(7)
    theirs: Any = make_model()
    for block in theirs.trf_blocks:
        for parent, name in ((block.att, "W_value"), (block.ff.layers, "2")):
            setattr(parent, name, Detour(getattr(parent, name), factor))
    theirs.out_head = Detour(theirs.out_head, factor)
    torch.save(theirs.state_dict(), path)
    path.with_name("model.config.json").write_text(
        json.dumps({"n_heads": 1, **config}), encoding="utf-8"
    )

    model = load(path, CPU, torch.float32)

    with torch.no_grad():
        assert (model.double()(IDS) - theirs.double()(IDS)).abs().max().item() < 1e-5
        assert (model(IDS) - make_model().double()(IDS)).abs().max().item() > 0.01


def test_alpha_decides_what_the_model_writes(path: Path) -> None:
    """So it is part of the fingerprint."""
    torch.save(lecture_with_lora().state_dict(), path)
    config = path.with_name("model.config.json")
    config.write_text('{"n_heads": 1, "lora_alpha": 16}', encoding="utf-8")
    before = describe(path).fingerprint
    config.write_text('{"n_heads": 1, "lora_alpha": 32}', encoding="utf-8")

    assert describe(path).fingerprint != before


def test_an_alpha_that_is_not_given(path: Path) -> None:
    """None is guessed."""
    torch.save(lecture_with_lora().state_dict(), path)

    assert error_of(path) == (
        "it has LoRA layers of rank 4, and no alpha to scale them by; write "
        '{"lora_alpha": …} into model.config.json beside it, or {"lora_scaling": …} with '
        "alpha / rank if its code divides by the rank"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"lora_alpha": "16"}', 'lora_alpha is "16"; write {"lora_alpha": …} with a number'),
        ('{"lora_alpha": NaN}', 'lora_alpha is NaN; write {"lora_alpha": …} with a number'),
        ('{"lora_scaling": true}', 'lora_scaling is true; write {"lora_scaling": …} with a number'),
        (
            '{"lora_scaling": 1e400}',
            'lora_scaling is Infinity; write {"lora_scaling": …} with a number',
        ),
        (
            '{"lora_alpha": 16, "lora_scaling": 1.0}',
            "it has lora_alpha and lora_scaling, either of which is the whole factor; keep the one that the layers multiply by",
        ),
    ],
)
def test_a_factor_that_cannot_be_used(path: Path, content: str, expected: str) -> None:
    """The config is at fault."""
    torch.save(lecture_with_lora().state_dict(), path)
    config = path.with_name("model.config.json")
    config.write_text(content, encoding="utf-8")

    with pytest.raises(CheckpointError) as raised:
        describe(path)

    assert str(raised.value) == f"{config}: {expected}"


def test_a_matrix_of_no_dimensions(path: Path) -> None:
    """Its rank is not named where there is none."""
    state = {**lecture_with_lora().state_dict()}
    first = next(name for name in state if name.endswith(".lora.A"))
    state[first] = torch.zeros(())
    torch.save(state, path)

    assert error_of(path).startswith("it has LoRA layers, and no alpha to scale them by; write ")
    path.with_name("config.json").write_text('{"lora_alpha": 16}', encoding="utf-8")
    layer = first.removesuffix(".lora.A")
    assert error_of(path) == (
        f"{layer}.lora.A, {layer}.lora.B and {layer}.weight do not fit each other; {TRAINED}"
    )


def test_layers_that_all_lack_a_matrix(path: Path) -> None:
    """They are no plain linear layers."""
    state = lecture_with_lora().state_dict()
    torch.save({name: state[name] for name in state if not name.endswith("lora.A")}, path)

    assert error_of(path).startswith("it has LoRA layers, and no alpha to scale them by; write ")
    path.with_name("config.json").write_text('{"lora_alpha": 16}', encoding="utf-8")
    assert error_of(path).endswith(f" do not fit each other; {TRAINED}")


@pytest.mark.parametrize("lost", ["lora.A", "lora.B", "linear.weight"])
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
    fields = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "fan_in_fan_out": True}
    fields |= {"base_model_name_or_path": "../base", "bias": "none", **(config or {})}
    (folder / "adapter_config.json").write_text(json.dumps(fields), encoding="utf-8")
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
    ("config", "expected"),
    [
        ({"base_model_name_or_path": "x" * 9000}, f"the model {'x' * 79}… that it is added to is not here; name it with --llm-judge-base"),
        ({"base_model_name_or_path": "gpt2-medium"}, "the model gpt2-medium that it is added to is not here; name it with --llm-judge-base"),
        ({"base_model_name_or_path": "unsloth/Llama-3.2-1B", "target_modules": ["v_proj", "q_proj"]}, "the model unsloth/Llama-3.2-1B that it is added to, one with q_proj, v_proj, is not here; name its Hugging Face folder with --llm-judge-base"),
        ({"base_model_name_or_path": None}, "it does not name the model that it is added to; name it with --llm-judge-base"),
        ({"peft_type": "IA3"}, f"no config of a LoRA adapter; save the adapter again, or {MERGE}"),
        ({"use_dora": True}, f"use_dora is true, which is not merged here; {MERGE}"),
        ({"lora_alpha": float("inf")}, f"lora_alpha is Infinity; save the adapter again, or {MERGE}"),
        ({"lora_alpha": None}, f"lora_alpha is null; save the adapter again, or {MERGE}"),
    ],
)  # fmt: skip
def test_adapters_that_cannot_be_merged(
    tmp_path: Path, config: dict[str, object], expected: str
) -> None:
    """Nothing is left out in silence."""
    adapter(tmp_path / "adapter", config)

    with pytest.raises(CheckpointError) as raised:
        describe(tmp_path / "adapter")

    assert str(raised.value) == f"{tmp_path / 'adapter' / 'adapter_config.json'}: {expected}"


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"bias": "all"}, 'bias is "all"'),
        ({"rank_pattern": {"c_attn": 8}}, 'rank_pattern is {"c_attn": 8}'),
        ({"init_lora_weights": "pissa_niter_4"}, 'init_lora_weights is "pissa_niter_4"'),
        ({"init_lora_weights": "olora"}, 'init_lora_weights is "olora"'),
        ({"init_lora_weights": "corda"}, 'init_lora_weights is "corda"'),
        ({"init_lora_weights": "loftq"}, 'init_lora_weights is "loftq"'),
        ({"lora_bias": True}, "lora_bias is true"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication is [[0, 2], [1, 2]]"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens is [1, 2]"),
        ({"modules_to_save": ["wte"]}, 'modules_to_save is ["wte"]'),
        ({"trainable_token_indices": [7]}, "trainable_token_indices is [7]"),
        ({"use_of_tomorrow": 0.5}, "use_of_tomorrow is 0.5"),
    ],
)
def test_what_is_not_merged(tmp_path: Path, config: dict[str, object], shown: str) -> None:
    """Each setting that changes what the adapter computes, known or not."""
    adapter(tmp_path / "adapter", config)

    with pytest.raises(CheckpointError) as raised:
        describe(tmp_path / "adapter")

    assert raised.value.problem == f"{shown}, which is not merged here"


@pytest.mark.usefixtures("theirs")
def test_an_adapter_with_two_alphas(tmp_path: Path) -> None:
    """Nobody knows by which of them it was trained."""
    adapter(tmp_path / "adapter")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(config.read_text()[:-1] + ', "lora_alpha": 1}')

    with pytest.raises(CheckpointError) as raised:
        describe(tmp_path / "adapter")

    assert (
        str(raised.value)
        == f'{config}: it has the key "lora_alpha" twice; save the adapter again, or {MERGE}'
    )


OF_PEFT_0_7: dict[str, object] = {
    "alpha_pattern": {},
    "auto_mapping": None,
    "base_model_name_or_path": "../base",
    "bias": "none",
    "fan_in_fan_out": True,
    "inference_mode": True,
    "init_lora_weights": True,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_alpha": ALPHA,
    "lora_dropout": 0.0,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "peft_type": "LORA",
    "r": RANK,
    "rank_pattern": {},
    "revision": None,
    "target_modules": ["c_attn", "c_proj", "c_fc"],
    "task_type": "CAUSAL_LM",
    "use_rslora": False,
}
OF_PEFT_0_17 = {
    **OF_PEFT_0_7,
    "corda_config": None,
    "eva_config": None,
    "exclude_modules": None,
    "layer_replication": None,
    "lora_bias": False,
    "qalora_group_size": 16,
    "target_parameters": None,
    "trainable_token_indices": None,
    "use_dora": False,
    "use_qalora": False,
}
OF_PEFT_0_19 = {
    **OF_PEFT_0_17,
    "alora_invocation_tokens": None,
    "arrow_config": None,
    "ensure_weight_tying": False,
    "lora_ga_config": None,
    "peft_version": "0.19.1",
    "use_bdlora": None,
}


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    "config",
    [
        OF_PEFT_0_7,
        OF_PEFT_0_17,
        OF_PEFT_0_19,
        {"modules_to_save": []},
        {"init_lora_weights": "gaussian", "lora_dropout": 0.1, "layers_to_transform": [0, 1]},
        {"init_lora_weights": False, "revision": "main", "inference_mode": False},
        {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}, "exclude_modules": ["lm_head"]},
    ],
    ids=["0.7", "0.17", "0.19", "no modules", "gaussian", "random", "eva"],
)
def test_settings_that_leave_the_merge_alone(tmp_path: Path, config: dict[str, object]) -> None:
    """What PEFT writes unasked, and what concerns training alone, is no reason to refuse."""
    adapter(tmp_path / "plain")
    adapter(tmp_path / "adapter", config)

    plain, model = (load(tmp_path / name, CPU, torch.float32) for name in ("plain", "adapter"))

    assert torch.equal(model(IDS), plain(IDS))


MATRIX = "base_model.model.transformer.h.1.attn.c_proj.lora_A.weight"


@pytest.mark.usefixtures("theirs")
def test_a_matrix_without_its_other_half(tmp_path: Path) -> None:
    """Whichever of the two is lost."""
    matrices = adapter(tmp_path / "adapter")
    for lost, expected in (
        (MATRIX, f"it has {MATRIX.replace('_A', '_B')} without its transformer.h.1.attn.c_proj.lora_A.weight; {TRAINED}"),
        (MATRIX.replace("_A", "_B"), f"{MATRIX}, {MATRIX.replace('_A', '_B')} and h.1.attn.c_proj.weight do not fit each other; {TRAINED}"),
    ):  # fmt: skip
        rest = {name: tensor for name, tensor in matrices.items() if name != lost}
        save_file(rest, tmp_path / "adapter" / "adapter_model.safetensors")

        assert error_of(tmp_path / "adapter") == expected


@pytest.mark.usefixtures("theirs")
def test_a_config_of_another_adapter(tmp_path: Path) -> None:
    """Its rank gives it away; its alpha would scale the matrices wrongly."""
    adapter(tmp_path / "adapter", {"r": 8})

    with pytest.raises(CheckpointError) as raised:
        describe(tmp_path / "adapter")

    first = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"
    assert str(raised.value) == (
        f"{tmp_path / 'adapter' / 'adapter_config.json'}: r is 8, and {first} has the rank 4; put "
        "the config and the matrices of one adapter together"
    )


@pytest.mark.usefixtures("theirs")
def test_two_adapters_in_one_file(tmp_path: Path) -> None:
    """Neither is taken for the other."""
    matrices = adapter(tmp_path / "adapter")
    again = {
        name.replace(".weight", ".default.weight"): one.clone() for name, one in matrices.items()
    }
    save_file({**matrices, **again}, tmp_path / "adapter" / "adapter_model.safetensors")

    assert error_of(tmp_path / "adapter") == (
        "it has several pairs of matrices for h.0.attn.c_attn.weight; save each adapter by itself"
    )


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base_model.model.transformer.h.0.attn.c_proj.lora_B.bias", f"it has base_model.model.transformer.h.0.attn.c_proj.lora_B.bias, which is no LoRA matrix of a linear layer; {MERGE}"),
        ("base_model.model.transformer.h.7.attn.c_attn.lora_A.weight", "its base has no h.7.attn.c_attn.weight; name the model that it was trained for with --llm-judge-base"),
        ("base_model.model.score.weight", f"it has base_model.model.score.weight, which is no LoRA matrix of a linear layer; {MERGE}"),
        ("base_model.model.transformer.h.0.attn.c_proj.lora_B.weight", "base_model.model.transformer.h.0.attn.c_proj.lora_A.weight, base_model.model.transformer.h.0.attn.c_proj.lora_B.weight and h.0.attn.c_proj.weight do not fit each other; save it again from the model that was trained"),
    ],
)  # fmt: skip
def test_matrices_that_have_no_place(tmp_path: Path, name: str, expected: str) -> None:
    """The one at fault is named."""
    matrices = adapter(tmp_path / "adapter")
    matrices[name] = torch.zeros(RANK, 63)
    save_file(matrices, tmp_path / "adapter" / "adapter_model.safetensors")

    assert error_of(tmp_path / "adapter") == expected


@pytest.mark.parametrize("is_named", [False, True], ids=["config", "option"])
def test_a_base_of_another_architecture(tmp_path: Path, *, is_named: bool) -> None:
    """Only PEFT itself can merge into it, and says how."""
    base = tmp_path / "llama"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    weight = "model.layers.0.self_attn.q_proj.weight"
    save_file({weight: torch.zeros(8, 8)}, base / "model.safetensors")
    folder = tmp_path / "adapter"
    config = {"base_model_name_or_path": "meta-llama/x" if is_named else "../llama"}
    matrices = adapter(folder, config)
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    matrices = {f"{layer}.lora_A.weight": torch.zeros(2, 8)}
    matrices[f"{layer}.lora_B.weight"] = torch.zeros(8, 2)
    save_file(matrices, folder / "adapter_model.safetensors")

    with pytest.raises(CheckpointError) as raised:
        describe(folder, base if is_named else None)

    shown = base if is_named else folder / "../llama"
    assert str(raised.value) == (
        f"{folder}: its base {shown} is of no family that adapters are merged into here; merge it "
        "with PEFT (merge_and_unload, then save_pretrained of model and tokenizer) and name the "
        "folder that it wrote"
    )


@pytest.mark.usefixtures("theirs")
def test_an_adapter_without_weights(tmp_path: Path) -> None:
    """A config alone is no adapter."""
    adapter(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()

    assert error_of(tmp_path / "adapter") == (
        "an adapter without adapter_model.safetensors; save the adapter again"
    )
