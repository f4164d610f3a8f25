"""Nets with parts that are dead and stay so, and what is left without them."""

from __future__ import annotations

import torch
from torch import nn

from graphmorph.torch_door.morphed_module import MorphedModule
from tests.graphmorph.training.slicing import Gone, removed

#: Channels of the first convolution that live.
FIRST = (0, 2, 3, 5, 6, 7)


class DeadNet(nn.Module):
    """Convolution, normalisation, ReLU, twice, then two linear layers; in float64 and in training mode."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 6, 3, stride=2),
            nn.BatchNorm2d(6),
            nn.ReLU(),
        )
        self.hidden = nn.Linear(6, 10)
        self.act = nn.ReLU()
        self.head = nn.Linear(10, 4)
        self.double().train()
        self._kill()

    @torch.no_grad()
    def _kill(self) -> None:
        """Channel 1 is zero everywhere; all others have weights on both sides, and a ReLU that never lets through."""
        first, first_norm, _, second, second_norm, _ = self.body
        first.weight[1] = 0
        second.weight[:, 1] = 0
        for norm, zero, shut in ((first_norm, [1], [4]), (second_norm, [], [2])):
            norm.weight[zero + shut] = 0
            norm.bias[zero] = 0
            norm.bias[shut] = -3
        self.hidden.bias[[0, 5, 9]] = -100

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.act(self.hidden(self.body(x).mean((2, 3)))))
        return y


GONE = (Gone("body.0.weight", 0, (1, 4)), Gone("body.3.weight", 0, (2,)), Gone("hidden.weight", 0, (0, 5, 9)))


class DeadBlock(nn.Module):
    """A block of a transformer on tokens, in float64; head 1 of 4 and hidden features 1 and 5 of 12 are dead."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.embed, self.norm = nn.Embedding(11, 8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 4, batch_first=True)
        self.up, self.down, self.head = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 4)
        self.double()
        with torch.no_grad():
            self.attention.in_proj_weight[18:20] = 0
            self.attention.in_proj_bias[18:20] = 0
            self.attention.out_proj.weight[:, 2:4] = 0
            self.up.bias[[1, 5]] = -100

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        normal = self.norm(x)
        x = x + self.attention(normal, normal, normal, need_weights=False)[0]
        y: torch.Tensor = self.head(x + self.down(self.up(x).relu())).mean(1)
        return y


DEAD_IN_BLOCK = (Gone("attention.in_proj_weight.transposed", 1, (18,)), Gone("up.weight.transposed", 1, (1, 5)))


def tokens(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (5, 6) and labels of one step."""
    generator = torch.Generator().manual_seed(step)
    return torch.randint(11, (5, 6), generator=generator), torch.randint(4, (5,), generator=generator)


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (5, 3, 8, 8) and labels of one step."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(5, 3, 8, 8, generator=generator, dtype=torch.float64)
    return x, torch.randint(4, (5,), generator=generator)


def without_dead(module: DeadNet) -> MorphedModule:
    """The module without its dead channels."""
    return removed(module, batch(0)[0], GONE)
