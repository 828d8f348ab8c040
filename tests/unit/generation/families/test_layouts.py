"""Files of other programs beside those programs, or beside the same model in another layout."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pytest_llmjudge.errors import CheckpointError
from pytest_llmjudge.generation.families.describe import plan_of_file, recognise
from pytest_llmjudge.generation.families.layouts.book import Book
from pytest_llmjudge.generation.families.layouts.hugging_face import HuggingFace
from pytest_llmjudge.generation.families.layouts.litgpt import LitGPT
from pytest_llmjudge.generation.families.layouts.litgpt_config import (
    litgpt_config,
    parse_settings,
)
from pytest_llmjudge.generation.families.layouts.meta import Meta
from pytest_llmjudge.generation.families.native import native_config
from pytest_llmjudge.generation.families.published import PUBLISHED, published
from pytest_llmjudge.generation.families.rope import frequencies, rotate, rotation
from pytest_llmjudge.generation.families.transformer_config import (
    Rope,
    UnsupportedError,
    weight_shapes,
)
from tests.support.versions import need_current_configs
from tests.unit.generation.families.made import (
    PATH,
    SIZES,
    assert_same,
    make_theirs,
    randomise,
    read_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_llmjudge.generation.families.layouts.base import Layout
    from pytest_llmjudge.generation.files.names import Shape

IDS = torch.arange(46).reshape(2, 23) % 41
BOOK = {
    "vocab_size": 61,
    "context_length": 64,
    "emb_dim": 48,
    "n_heads": 6,
    "n_layers": 2,
    "hidden_dim": 40,
    "n_kv_groups": 2,
    "rope_base": 700.0,
    "dtype": torch.float32,
}
ROPE_FREQ = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_context_length": 32,
}
HUGGING_FACE = {"model_type": "llama", **SIZES}


def written(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config a JSON file can hold."""
    return {key: value for key, value in config.items() if key != "dtype"}


@torch.inference_mode()
def test_llama_of_the_book() -> None:
    """The book's Llama 3 runs with its config beside it, or in the training checkpoint."""
    theirs = pytest.importorskip("llms_from_scratch.llama3").Llama3Model
    config = {**BOOK, "rope_freq": ROPE_FREQ}
    model = randomise(theirs(config))
    state = model.state_dict()
    assert_same(model(IDS), read_file(state, written(config))(IDS))
    own: dict[Any, object] = {**config, 7: "key", "seen": [[[[1]]]], "kind": object()}
    assert_same(model(IDS), read_file(state, about={"config": own, "epoch": 3})(IDS))


@pytest.mark.parametrize("qk_norm", [True, False])
@torch.inference_mode()
def test_qwen_of_the_books(qk_norm: bool) -> None:  # noqa: FBT001
    """The books' Qwen 3 runs; the norms of its heads tell how many there are."""
    theirs = pytest.importorskip("llms_from_scratch.qwen3").Qwen3Model
    config = {**BOOK, "head_dim": 12, "qk_norm": qk_norm}
    model = randomise(theirs(config))
    given = written(config)
    if qk_norm:
        given = {key: given[key] for key in ("rope_base", "context_length")}
    assert_same(model(IDS), read_file(model.state_dict(), given)(IDS))


@torch.inference_mode()
def test_lora_of_the_book_leaves_weights_one_level_down() -> None:
    """A layer that the book's LoRA wraps is found under the name of its own weight."""
    theirs = pytest.importorskip("llms_from_scratch.qwen3").Qwen3Model
    model = randomise(theirs({**BOOK, "head_dim": 12, "qk_norm": True}))
    state = {
        name.replace("W_query.", "W_query.linear.").replace("out_head.", "out_head.linear."): value
        for name, value in model.state_dict().items()
    }
    assert_same(model(IDS), read_file(state, {"rope_base": 700, "context_length": 64})(IDS))


BETWEEN = {
    "self_attn.q_proj": "att.W_query",
    "self_attn.k_proj": "att.W_key",
    "self_attn.v_proj": "att.W_value",
    "self_attn.o_proj": "att.out_proj",
    "self_attn.": "att.",
    "mlp.gate_proj": "ff.fc1",
    "mlp.up_proj": "ff.fc2",
    "mlp.down_proj": "ff.fc3",
    "model.layers": "blocks",
    "model.embed_tokens": "tok_emb",
    "model.norm": "final_norm",
    "lm_head": "out_head",
}


def renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """A state dict under other names."""
    changed = {}
    for name, value in state.items():
        for theirs, own in names.items():
            name = name.replace(theirs, own)  # noqa: PLW2901
        changed[name] = value
    return changed


@pytest.mark.parametrize(
    ("kind", "names", "settings"),
    [
        (
            "gemma3_text",
            {**BETWEEN, "norm.weight": "norm.scale"},
            {
                "n_heads": 6,
                "rope_local_base": 10_000,
                "rope_base": 1e6,
                "query_pre_attn_scalar": 256,
            },
        ),
        ("olmo3", BETWEEN, {"n_heads": 6, "rope_base": 5e5}),
    ],
)
@torch.inference_mode()
def test_gemma_and_olmo_of_the_book(
    kind: str, names: Mapping[str, str], settings: dict[str, Any]
) -> None:
    """The models of the book's notebooks compute what transformers does of the same weights."""
    need_current_configs(kind)
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    window = {"layer_types": layers, "sliding_window": 5}
    changes = {"head_dim": 12} if kind == "gemma3_text" else {"rms_norm_eps": 1e-6}
    theirs = make_theirs(kind, {**changes, **window, "tie_word_embeddings": False})
    state = renamed(theirs.state_dict(), names)
    if kind == "gemma3_text":
        state = renamed(state, {"layernorm.weight": "layernorm.scale"})
    ours = read_file(state, {**settings, **window, "context_length": 64})
    assert_same(theirs(IDS).logits, ours(IDS))


def paired(weight: Tensor, heads: int) -> Tensor:
    """Reorder rows so that neighbouring dimensions of a head turn together, as Meta has them."""
    rows = weight.reshape(heads, 2, -1, *weight.shape[1:])
    return rows.transpose(1, 2).reshape(weight.shape)


def test_neighbouring_dimensions_turn_as_complex_numbers() -> None:
    """Rotation by halves of reordered rows gives the scores of rotation by complex numbers."""
    torch.manual_seed(0)
    rope, size = Rope(50.0), 8
    query, key = torch.randn(2, 11, 3, size).double()
    positions = torch.arange(11)
    radians = frequencies(rope, size)
    by = rotation(radians, positions, 1.0, torch.float64)
    turns = torch.polar(torch.ones(11, 4).double(), (positions[:, None] * radians).double())

    def scores(query: Tensor, key: Tensor) -> Tensor:
        return torch.einsum("qhd,khd->hqk", query, key)

    def turn(x: Tensor) -> Tensor:
        pairs = paired(x.flatten(1).T, 3).T.reshape(11, 3, size // 2, 2)
        turned = torch.view_as_complex(pairs.contiguous()) * turns[:, None]
        return torch.view_as_real(turned).flatten(-2)

    torch.testing.assert_close(
        scores(rotate(query, by), rotate(key, by)),
        scores(turn(query), turn(key)),
        atol=1e-5,
        rtol=0,
    )


@torch.inference_mode()
def test_llama_2_of_the_book_turns_neighbours() -> None:
    """A stored cosine for each pair of dimensions says so, and how long the context is."""
    theirs = make_theirs("llama", {"num_key_value_heads": 6, "rms_norm_eps": 1e-5})
    state = renamed(
        theirs.state_dict(),
        {**BETWEEN, "post_attention_layernorm": "norm2", "input_layernorm": "norm1"},
    )
    state = renamed(state, {"blocks": "trf_blocks"})
    for name, value in list(state.items()):
        if "W_query" in name or "W_key" in name:
            state[name] = paired(value, 6)
    for block in range(3):
        state[f"trf_blocks.{block}.att.mask"] = torch.ones(64, 64)
        state[f"trf_blocks.{block}.att.cos"] = torch.ones(64, 4)
        state[f"trf_blocks.{block}.att.sin"] = torch.ones(64, 4)
    ours = read_file(state, {"n_heads": 6})
    assert ours.context_length == 64
    assert_same(theirs(IDS).logits, ours(IDS))


META = {
    "model.layers": "layers",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
}


@torch.inference_mode()
def test_llama_of_meta() -> None:
    """``consolidated.00.pth`` with ``params.json`` runs, and so does what llama2.c trained."""
    changes = {"rms_norm_eps": 1e-5, "max_position_embeddings": 64}
    theirs = make_theirs("llama", changes)
    state = renamed(theirs.state_dict(), META)
    for name, value in list(state.items()):
        if name.endswith(("wq.weight", "wk.weight")):
            state[name] = paired(value, 6 if "wq" in name else 2)
    state["rope.freqs"] = torch.ones(4)
    params = {"dim": 48, "n_layers": 3, "n_heads": 6, "n_kv_heads": 2, "norm_eps": 1e-5}
    beside = {**params, "vocab_size": -1, "max_seq_len": 64}
    assert_same(theirs(IDS).logits, read_file(state, beside)(IDS))
    own = {**params, "vocab_size": 61, "max_seq_len": 64, "dropout": 0.0, "multiple_of": 32}
    about = {"model_args": own, "config": {"batch_size": 8}}
    assert_same(theirs(IDS).logits, read_file(state, about=about)(IDS))


LITGPT = {
    "model.layers": "transformer.h",
    "self_attn.o_proj": "attn.proj",
    "self_attn.": "attn.",
    "mlp.gate_proj": "mlp.fc_1",
    "mlp.up_proj": "mlp.fc_2",
    "mlp.down_proj": "mlp.proj",
    "input_layernorm": "norm_1",
    "post_attention_layernorm": "norm_2",
    "model.embed_tokens": "transformer.wte",
    "model.norm": "transformer.ln_f",
}


LITGPT_SETTINGS = """\
attn_bias: true
attention_logit_softcapping: null
bias: false
block_size: 64
gelu_approximate: none
head_size: 8
hf_config:
  name: Qwen2.5-0.5B
  org: Qwen
intermediate_size: 40
mlp_class_name: LLaMAMLP
n_embd: 48
n_head: 6
n_layer: 3
n_query_groups: 2
name: 'Qwen2.5-0.5B'
norm_1: true
norm_2: true
norm_class_name: RMSNorm
norm_eps: 1.0e-06
norm_qk: false
padded_vocab_size: 64
parallel_residual: false
post_attention_norm: false
post_mlp_norm: false
rope_adjustments: null
rope_base: 10000
rotary_percentage: 1.0
scale_embeddings: false
shared_attention_norm: false
sliding_window_indices:
- 1
- 0
sliding_window_size: null
vocab_size: 61
"""


@pytest.mark.parametrize("is_old", [False, True])
@torch.inference_mode()
def test_qwen_of_litgpt(is_old: bool) -> None:  # noqa: FBT001
    """The joint projection is taken apart, in both orders of its rows.

    Of LitGPT's settings ``vocab_size`` leaves out control tokens, so that all rows are kept.
    """
    theirs = make_theirs("qwen2", {})
    state = renamed(theirs.state_dict(), LITGPT)
    for block in range(3):
        for kind in ("weight", "bias"):
            start = f"transformer.h.{block}.attn."
            query, key, value = (state.pop(f"{start}{one}_proj.{kind}") for one in "qkv")
            joint = [query, key, value]
            if is_old:
                groups = (query.chunk(2), key.chunk(2), value.chunk(2))
                joint = [part for group in zip(*groups, strict=True) for part in group]
            state[f"{start}{'attn' if is_old else 'qkv'}.{kind}"] = torch.cat(joint)
    for name in ("transformer.wte.weight", "lm_head.weight"):
        state[name] = torch.cat((state[name], torch.zeros(3, 48)))
    assert_same(theirs(IDS).logits, read_file(state, {"model_type": "qwen2", **SIZES})(IDS))
    model = read_file(state, parse_settings(LITGPT_SETTINGS))
    assert model.vocab_size == 64
    assert_same(theirs(IDS).logits, model(IDS)[..., :61])


@pytest.mark.parametrize(
    ("changes", "windows"),
    [
        ({"sliding_window_indices": [0, 1, 1]}, (None, 5, 5)),
        ({"sliding_window_indices": None}, (5, 5, 5)),
        ({"sliding_window_indices": None, "sliding_window_layer_stride": 2}, (5, None, 5)),
    ],
)
def test_windows_of_litgpt(changes: dict[str, Any], windows: tuple[int | None, ...]) -> None:
    """Layers with a window are listed, or in older versions one of so many has it."""
    values = {**parse_settings(LITGPT_SETTINGS), "sliding_window_size": 5, **changes}
    assert litgpt_config(values).windows == windows


def test_settings_of_litgpt() -> None:
    """Values, lists and one level below are read as YAML has them, and other lines are refused."""
    settings = parse_settings(LITGPT_SETTINGS)
    assert settings["hf_config"] == {"name": "Qwen2.5-0.5B", "org": "Qwen"}
    assert settings["sliding_window_indices"] == [1, 0]
    values = [settings[name] for name in ("norm_eps", "n_head", "name", "sliding_window_size")]
    assert values == [1e-6, 6, "Qwen2.5-0.5B", None]
    with pytest.raises(ValueError, match="anchor"):
        parse_settings("rope: &anchor {a: 1}\n&anchor")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rotary_percentage": 0.25}, "rotary_percentage is 0.25"),
        ({"mlp_class_name": "GptNeoxMLP"}, 'mlp_class_name is "GptNeoxMLP"'),
        ({"norm_2": False}, "norm_2 is false"),
        ({"rope_adjustments": {"factor": 2.0, "beta_fast": 32}}, "rope_adjustments is {"),
        ({"sliding_window_size": 5}, "sliding_window_indices is [1, 0]"),
    ],
)
def test_what_is_not_computed_of_litgpt(changes: dict[str, Any], reason: str) -> None:
    """A setting of another architecture is named."""
    with pytest.raises(UnsupportedError) as raised:
        litgpt_config({**parse_settings(LITGPT_SETTINGS), **changes})
    assert raised.value.reason.startswith(reason)


def shapes_of(name: str, layout: Layout | None = None) -> dict[str, Shape]:
    """Names and shapes of a published model, in the books' layout or another."""
    config = native_config(PUBLISHED[name])
    sources = (
        (layout or Book()).source(own, shape, config, {})
        for own, shape in weight_shapes(config).items()
    )
    return {str(source.name): source.stored_shape for source in sources}


def test_a_published_model_needs_no_config() -> None:
    """Tensors of one published model alone tell all that the model computes."""
    layout = recognise(shapes_of("Qwen3 0.6B"))
    assert layout is not None
    made = plan_of_file(PATH, layout, shapes_of("Qwen3 0.6B"), {}, None)
    assert (made.config.ropes[0], made.config.n_heads) == (Rope(1e6), 16)
    # A config that says something, though not enough, may be of another model.
    with pytest.raises(CheckpointError, match="neither its tensors nor a config"):
        plan_of_file(PATH, layout, shapes_of("Qwen3 0.6B"), {"config": {"rope_base": 3.0}}, None)


@pytest.mark.parametrize(("context", "is_published"), [(131_072, True), (8192, False)])
def test_a_shortened_context_is_no_published_model(
    context: int,
    is_published: bool,  # noqa: FBT001
) -> None:
    """Stored cosines of fewer positions come with a RoPE base that only a config tells."""
    shapes = {
        name.replace("scale", "weight"): shape for name, shape in shapes_of("Llama 3.2 1B").items()
    }
    shapes["trf_blocks.0.att.cos"] = (context, 64)
    assert bool(published(Book(), shapes).names) == is_published


def test_each_published_model_is_found_or_known_to_be_ambiguous() -> None:
    """No entry of the table is taken for another; those alike are reported as such."""
    layout = HuggingFace()
    for name in PUBLISHED:
        match = published(layout, shapes_of(name, layout))
        assert name in match.names
        assert (match.config is None) == (len(match.names) > 1)


SILENT = "neither its tensors nor a config tell its number of heads, RoPE base and context length"
EXPERTS = {"blocks.0.ff.fc3.0.weight": (61, 48), "blocks.0.ff.gate.weight": (8, 48)}


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (
            {name.replace("scale", "weight"): x for name, x in shapes_of("SmolLM2 135M").items()},
            (
                "its tensors are those of SmolLM 135M and SmolLM2 135M, which differ in rope_theta"
                '; write {"n_heads": …, "rope_base": …, "context_length": …, "rope_freq": …} into '
                "tiny.config.json beside it"
            ),
        ),
        (
            {"model.embed_tokens.weight": (61, 48)},
            (
                f"{SILENT}; put the config.json of its model beside it, as tiny.config.json or "
                "config.json"
            ),
        ),
        ({"tok_embeddings.weight": (61, 48)}, f"{SILENT}; put its params.json beside it"),
        (
            EXPERTS,
            (
                "it is a mixture of experts, which the native engine does not compute; correct it,"
                " or name a Hugging Face folder of the model, which transformers runs"
            ),
        ),
    ],
    ids=["two published", "Hugging Face", "Meta", "experts"],
)
def test_what_tensors_do_not_tell(shapes: dict[str, Shape], expected: str) -> None:
    """A file without a config says what is missing, and where to write it."""
    layout = recognise(shapes)
    assert layout is not None
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, layout, shapes, {}, None)
    assert str(raised.value) == f"folder/tiny.pth: {expected}"


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"rope_theta": 1e6}, "max_seq_len"), ({"use_scaled_rope": True}, "rope_scaling_factor")],
)
def test_what_params_of_meta_do_not_tell(changes: dict[str, Any], key: str) -> None:
    """What is a constant in the code that runs a model has to be added."""
    values = {"dim": 48, "n_heads": 6, "n_layers": 1, **changes}
    shapes: dict[str, Shape] = {
        "tok_embeddings.weight": (61, 48),
        "layers.0.feed_forward.w1.weight": (40, 48),
    }
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, Meta(), shapes, {}, (PATH.with_name("params.json"), values))
    assert str(raised.value) == (
        f"folder/tiny.pth: neither its tensors nor a config tell its {key}; write "
        f'"{key}": … into its params.json'
    )


def test_a_config_of_another_model() -> None:
    """Sizes that the tensors contradict make the whole config doubtful."""
    shapes = shapes_of("Qwen3 0.6B")
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, Book(), shapes, {}, (PATH, {**written(BOOK), "vocab_size": 151_936}))
    assert str(raised.value) == (
        "folder/tiny.pth: its config says that emb_dim is 48, not 1024; put the config of the "
        "model that was trained beside it, or save it again"
    )


@pytest.mark.parametrize(
    ("layout", "changed", "values"),
    [
        (Meta(), {}, {"dim": 48, "n_heads": 6, "n_kv_heads": 4, "n_layers": 1, "max_seq_len": 9}),
        (Book(), {"W_query": (48, 48), "W_key": (32, 48)}, {**written(BOOK), "n_kv_groups": 4}),
    ],
    ids=["Meta", "book"],
)
def test_heads_that_do_not_share_keys_evenly(
    layout: Layout, changed: dict[str, Shape], values: dict[str, Any]
) -> None:
    """No attention can be computed with them, which is said before work."""
    shapes: dict[str, Shape] = {"tok_embeddings.weight": (61, 48)}
    shapes |= {"layers.0.feed_forward.w1.weight": (40, 48)}
    shapes |= {"tok_emb.weight": (61, 48), "trf_blocks.0.ff.fc1.weight": (40, 48)}
    shapes |= {f"trf_blocks.0.att.{name}.weight": shape for name, shape in changed.items()}
    values = {**values, "n_layers": 1}
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, layout, shapes, {}, (PATH.with_name("params.json"), values))
    assert str(raised.value) == (
        "folder/params.json: 6 heads share 4 heads of keys and values, which the native engine "
        "does not compute; correct it, or name a Hugging Face folder of the model, which "
        "transformers runs"
    )


def test_a_window_of_a_model_without() -> None:
    """A setting that would be left out is refused."""
    values = {"rope_base": 1e6, "context_length": 64, "sliding_window": 512}
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, Book(), shapes_of("Qwen3 0.6B"), {}, (PATH, values))
    assert raised.value.problem == "sliding_window is 512, which the native engine does not compute"


def test_sizes_that_no_model_has() -> None:
    """They are refused before anything is made for each layer."""
    beside = PATH.with_name("params.json"), {"dim": 48, "n_heads": 6, "n_layers": 10**9}
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, Meta(), {"tok_embeddings.weight": (61, 48)}, {}, beside)
    assert str(raised.value) == (
        "folder/params.json: n_layers is 1000000000, and no model has more than 1,000; write the "
        "number of the model that was trained"
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"lm_head.weight": None, "more": (1,)},
            "a llama that lacks lm_head.weight and has the unknown more",
        ),
        (
            {"model.norm.weight": (47,)},
            "model.norm.weight has the shape (47,) where (48,) is expected",
        ),
    ],
)
def test_tensors_of_another_model(changed: dict[str, Shape | None], expected: str) -> None:
    """Missing, unknown and misshapen tensors are named."""
    state = make_theirs("llama", {}).state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    left = {name: shape for name, shape in {**shapes, **changed}.items() if shape is not None}
    layout = recognise(left)
    assert layout is not None
    with pytest.raises(CheckpointError) as raised:
        plan_of_file(PATH, layout, left, {}, (PATH.with_name("config.json"), HUGGING_FACE))
    assert raised.value.problem == expected


FILES: dict[str, tuple[str, Layout, dict[str, Any]]] = {
    "book": ("Qwen3 0.6B", Book(), written(BOOK)),
    "book, Gemma": ("Gemma 3 270M", Book(), {**written(BOOK), "rope_local_base": 3.0}),
    "Meta": ("Llama 3.2 1B", Meta(), {"dim": 2048, "n_heads": 32, "n_layers": 16}),
    "LitGPT": ("Qwen2.5 0.5B", LitGPT(), PUBLISHED["Qwen2.5 0.5B"]),
    "Hugging Face": ("Gemma 3 1B", HuggingFace(), PUBLISHED["Gemma 3 1B"]),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**10) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_in_one_line(
    file: tuple[str, Layout, dict[str, Any]], data: st.DataObject
) -> None:
    """Whatever tensors are missing or of other shapes, and whatever a config says."""
    name, layout, values = file
    shapes = shapes_of(name, layout)
    changed = data.draw(
        st.dictionaries(
            st.sampled_from(list(shapes)[:14] + list(shapes)[-3:]),
            st.none() | st.lists(st.integers(0, 5000), max_size=3).map(tuple),
            max_size=3,
        )
    )
    left = {key: shape for key, shape in {**shapes, **changed}.items() if shape is not None}
    other = data.draw(st.dictionaries(st.sampled_from([*values, *layout.keys]), JSON, max_size=3))
    beside = PATH.with_name("config.json"), {**values, **other}
    with suppress(CheckpointError):
        plan_of_file(PATH, layout, left, {}, beside)


@pytest.mark.parametrize(
    "names",
    [
        ["tok_emb.weight", "pos_emb.weight", "trf_blocks.0.ff.layers.0.weight"],
        ["transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"],
        ["transformer.wte.weight", "transformer.h.0.attn.c_q.weight"],
    ],
)
def test_other_models_are_left_alone(names: list[str]) -> None:
    """GPT-2 in its layouts, and what nobody maps, is none of these."""
    assert recognise(names) is None
