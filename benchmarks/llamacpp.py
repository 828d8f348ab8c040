"""Lets llama.cpp generate with a model's weights, to compare with: float16, many texts at a time.

Needs `pip install llama-cpp-python gguf`, which compiles for minutes.
"""

from __future__ import annotations

import ctypes
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import llama_cpp
import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_llmjudge.generation.families.gpt2.model import GPTModel

__all__ = ["LlamaCpp"]

SLOTS = 32


class LlamaCpp:
    """A model in llama.cpp: greedy, a text that ends makes room for the next prompt.

    Args:
        model: Its weights, not packed.
    """

    def __init__(self, model: GPTModel) -> None:
        llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.gguf"
            _write(path, model)
            how = llama_cpp.llama_model_default_params()
            how.use_mmap = False
            self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), how)
        self._vocabulary = model.config.vocab_size
        how = llama_cpp.llama_context_default_params()
        how.n_ctx = SLOTS * 512
        how.n_batch = how.n_ubatch = 2048
        how.n_seq_max = SLOTS + 1
        how.kv_unified = True
        how.n_threads = how.n_threads_batch = torch.get_num_threads()
        self._context = llama_cpp.llama_init_from_model(self._model, how)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(2048, 0, 1)

    def answer(
        self, prompts: Sequence[list[int]], most: int, end: int | None, prefix: int
    ) -> list[list[int]]:
        """Return what follows each prompt.

        Args:
            prompts: Token ids.
            most: Tokens that may follow each.
            end: The token that ends a text.
            prefix: How many tokens all prompts share; their keys and values are computed once.
        """
        llama_cpp.llama_memory_clear(self._memory, True)  # noqa: FBT003 - as C has it
        self._decode(
            [(token, place, SLOTS, False) for place, token in enumerate(prompts[0][:prefix])]
        )
        waiting = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        texts: list[list[int]] = [[] for _ in prompts]
        running: dict[int, int] = {}
        while waiting or running:
            tokens = [
                (texts[index][-1], len(prompts[index]) + len(texts[index]) - 1, slot, True)
                for slot, index in running.items()
            ]
            for slot in range(SLOTS):
                if slot not in running and waiting and len(tokens) < 1500:
                    index = running[slot] = waiting.pop()
                    llama_cpp.llama_memory_seq_cp(self._memory, SLOTS, slot, 0, prefix)
                    last = len(prompts[index]) - 1
                    tokens += [
                        (prompts[index][place], place, slot, place == last)
                        for place in range(prefix, last + 1)
                    ]
            self._decode(tokens)
            for place, (_, _, slot, wanted) in enumerate(tokens):
                if wanted:
                    index = running[slot]
                    text = texts[index]
                    token = self._likeliest(place)
                    if token != end:
                        text.append(token)
                    if token == end or len(text) == most:
                        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)
                        del running[slot]
        return texts

    def _decode(self, tokens: Sequence[tuple[int, int, int, bool]]) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for place, (token, position, slot, wanted) in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = slot
            batch.logits[place] = wanted
        if tokens and llama_cpp.llama_decode(self._context, batch) != 0:
            message = "llama.cpp could not decode"
            raise RuntimeError(message)

    def _likeliest(self, place: int) -> int:
        logits = llama_cpp.llama_get_logits_ith(self._context, place)
        return int(np.ctypeslib.as_array(logits, (self._vocabulary,)).argmax())


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # a package without types
def _quiet(*_: Any) -> None:  # noqa: ANN401 - as C calls it
    return


def _write(path: Path, model: GPTModel) -> None:
    """Write a model in GGUF, matrices in float16, without a tokenizer."""
    sizes = model.config
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_context_length(sizes.context_length)
    writer.add_embedding_length(sizes.emb_dim)
    writer.add_feed_forward_length(4 * sizes.emb_dim)
    writer.add_block_count(sizes.n_layers)
    writer.add_head_count(sizes.n_heads)
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(sizes.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    for name, weight in _names(model).items():
        dtype = np.float16 if weight.dim() == 2 and name != "position_embd.weight" else np.float32
        writer.add_tensor(name, weight.detach().float().numpy().astype(dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _names(model: GPTModel) -> dict[str, torch.Tensor]:
    """Name weights as llama.cpp does."""
    ours = model.state_dict()
    theirs = {
        "token_embd.weight": ours["tok_emb.weight"],
        "position_embd.weight": ours["pos_emb.weight"],
        "output_norm.weight": ours["final_norm.scale"],
        "output_norm.bias": ours["final_norm.shift"],
        "output.weight": ours["out_head.weight"],
    }
    same = {"att.out_proj": "attn_output", "ff.layers.0": "ffn_up", "ff.layers.2": "ffn_down"}
    for layer in range(model.config.n_layers):
        old, new = f"trf_blocks.{layer}.", f"blk.{layer}."
        for kind in ("weight", "bias"):
            qkv = [ours[f"{old}att.W_{name}.{kind}"] for name in ("query", "key", "value")]
            theirs[f"{new}attn_qkv.{kind}"] = torch.cat(qkv)
            for here, there in same.items():
                theirs[f"{new}{there}.{kind}"] = ours[f"{old}{here}.{kind}"]
        for here, there in (("norm1", "attn_norm"), ("norm2", "ffn_norm")):
            theirs[f"{new}{there}.weight"] = ours[f"{old}{here}.scale"]
            theirs[f"{new}{there}.bias"] = ours[f"{old}{here}.shift"]
    return theirs
