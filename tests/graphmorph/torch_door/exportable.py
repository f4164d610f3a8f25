"""Small modules for the tests of exporting, each with example inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphmorph.models.randomise import randomise


class Several(nn.Module):
    """Nested and integer inputs, fixed arguments; a dictionary of tensors, tuples, an input, None and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.linear, self.embedding, self.dropout = nn.Linear(5, 4), nn.Embedding(7, 4), nn.Dropout()

    def forward(self, x: Tensor, pair: dict[str, Tensor], scale: float = 2.0, never: Tensor | None = None) -> Any:
        features = self.norm(self.conv(x)) * scale
        rows = self.dropout(self.linear(pair["rows"]))
        if never is not None:
            rows = rows + never
        return {"maps": features, "both": (rows, self.embedding(pair["ids"]) + 1), "x": x, "none": None, "number": 3}

    @staticmethod
    def example() -> dict[str, Any]:
        return {
            "x": torch.randn(2, 3, 6, 6),
            "pair": {"rows": torch.randn(2, 5), "ids": torch.tensor([3, 6])},
            "scale": 0.5,
        }


class Untraceable(nn.Module):
    """torch.fx knows no `len` of a tensor; the exporters do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        if len(x.shape) + len(x) == 0:
            return x
        result: Tensor = self.norm(self.conv(x))
        return result


class Deciding(nn.Module):
    """Goes one way or the other by the values of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


class Rolling(nn.Module):
    """Random in evaluation mode too."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, 0.5, training=True)


class FixedBatch(nn.Module):
    """Takes two rows of four numbers and nothing else."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 4) * 2


class Unknown(nn.Module):
    """An operator that ONNX has not."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x).real


def stack(*layers: nn.Module, example: Tensor) -> nn.Sequential:
    """Layers in a row, normalisations with statistics of their own."""
    return randomise(nn.Sequential(*layers), 0, example)


Write = Callable[..., dict[str, str]]


def off_by_a_little(write: Write) -> Write:
    """An exporter that writes one row of weights wrong."""

    def wrong(flat: nn.Module, *arguments: Any) -> dict[str, str]:
        weights = next(flat.parameters())
        right = weights.detach().clone()
        with torch.no_grad():
            weights[0] *= 1.001
            try:
                return write(flat, *arguments)
            finally:
                weights.copy_(right)

    return wrong
