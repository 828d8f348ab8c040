"""The engine with models of these families: texts and log-probabilities beside transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from pytest_llmjudge.data import Context
from pytest_llmjudge.generation.engine import kv_cache
from pytest_llmjudge.generation.engine.loglikelihood import score_contexts
from pytest_llmjudge.generation.engine.onednn_linear import pack, packable
from pytest_llmjudge.generation.engine.scheduler import decode
from pytest_llmjudge.generation.families.describe import plan_of_folder
from pytest_llmjudge.generation.families.native import native_config
from tests.support.versions import need_current_configs
from tests.unit.generation.families.made import PATH, SIZES, fill_from, make_theirs

if TYPE_CHECKING:
    from pytest_llmjudge.generation.families.transformer import Transformer

WINDOW = {"sliding_window": 7}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 6},
    "mistral": WINDOW,
    "qwen3": {"head_dim": 12},
    "gemma2": {"head_dim": 12, "attn_logit_softcapping": 2.0, **WINDOW},
    "gemma3_text": {"head_dim": 12, "sliding_window_pattern": 2, **WINDOW},
    "olmo3": WINDOW,
}
NEW = 6


@pytest.fixture(name="both", params=list(KINDS), scope="module")
def make_both(request: pytest.FixtureRequest) -> tuple[Any, Transformer]:
    """A model of transformers', and ours with the same weights, as it runs here."""
    pytest.importorskip("transformers")
    need_current_configs(request.param)
    theirs = make_theirs(request.param, KINDS[request.param])
    config, state = native_config(theirs.config.to_dict()), theirs.state_dict()
    shapes = {name: tuple(weight.shape) for name, weight in state.items()}
    ours = fill_from(state, config, plan_of_folder(PATH, config, shapes))
    if packable(ours):
        pack(ours)
    return theirs, ours


@torch.inference_mode()
def test_texts_are_those_of_transformers(
    both: tuple[Any, Transformer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greedy texts that outgrow the windows, whatever the number of prompts that run together."""
    theirs, ours = both
    torch.manual_seed(1)
    prefix = torch.randint(SIZES["vocab_size"], (1, 9))
    prompts: list[list[int]] = []
    expected: list[list[int]] = []
    for length in (3, 7, 12, 25):
        own = torch.randint(SIZES["vocab_size"], (8, length))
        ids = torch.cat((prefix.expand(8, -1), own), dim=1)
        prompts += ids.tolist()
        for _ in range(NEW):
            ids = torch.cat((ids, theirs(ids).logits[:, -1:].argmax(-1)), dim=1)
        expected += ids[:, -NEW:].tolist()
    # The prefix is read with each text, or once for all.
    for many in (10**9, 0):
        monkeypatch.setattr(kv_cache, "MANY_NUMBERS", many)
        for slots in (1, 7, 32):
            texts = dict(decode(ours, prompts, [NEW] * 32, ends=(), slots=slots))
            assert [texts[index] for index in range(32)] == expected


@torch.inference_mode()
def test_log_probabilities_are_those_of_transformers(both: tuple[Any, Transformer]) -> None:
    """Of several continuations of prompts that begin alike and are longer than the windows."""
    theirs, ours = both
    torch.manual_seed(2)
    prefix, *rest = torch.randint(SIZES["vocab_size"], (4, 12)).tolist()
    branches = ([5], [7, 1, 3, 2], [1, 2, 3])
    contexts = [
        Context(prefix + row[:size], branches) for row, size in zip(rest, (3, 12, 8), strict=True)
    ]

    actual = list(score_contexts(ours, contexts))

    for context, scores in zip(contexts, actual, strict=True):
        expected = []
        for branch in branches:
            ids = torch.tensor([context.ids + branch])
            logs = theirs(ids).logits[0, -len(branch) - 1 : -1].log_softmax(-1)
            expected.append(logs.gather(1, torch.tensor(branch)[:, None]).sum().item())
        assert scores == pytest.approx(expected, abs=1e-4)
