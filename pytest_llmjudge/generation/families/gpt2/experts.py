"""The mixture of experts of the book's GPT, in the place of its feed-forward layers.

N. Shazeer et al., arXiv 1701.06538, with gated experts (SwiGLU, arXiv 2002.05202): each token takes
the experts with the highest scores, weighted by the softmax of those scores alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Experts"]


class Experts(nn.Module):
    """Several feed-forward networks, of which each token takes a few.

    Args:
        emb_dim: Width of a token (C).
        width: Of an expert (F).
        experts: How many there are.
        active: How many a token takes (k).
    """

    def __init__(self, emb_dim: int, width: int, experts: int, active: int) -> None:
        super().__init__()
        self.active = active
        self.gate = nn.Linear(emb_dim, experts, bias=False)
        self.fc1 = _layers(experts, emb_dim, width)
        self.fc2 = _layers(experts, emb_dim, width)
        self.fc3 = _layers(experts, width, emb_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (…, C) to (…, C)."""
        tokens = x.flatten(0, -2)  # (N, C)
        scores, chosen = self.gate(tokens).topk(self.active, dim=-1)  # (N, k)
        shares = scores.softmax(dim=-1)
        mixed = torch.zeros_like(tokens)
        parts = zip(self.fc1, self.fc2, self.fc3, strict=True)
        for expert, (gate, up, down) in enumerate(parts):
            rows, places = (chosen == expert).nonzero(as_tuple=True)
            if len(rows):
                taken = tokens[rows]
                changed = down(functional.silu(gate(taken)) * up(taken))
                mixed.index_add_(0, rows, changed * shares[rows, places, None])
        return mixed.view_as(x)


def _layers(experts: int, inputs: int, outputs: int) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(inputs, outputs, bias=False) for _ in range(experts))
