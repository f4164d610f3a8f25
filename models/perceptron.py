"""The multilayer perceptron of "Simplified Neural Network Based on Auxiliary layer and Adaptive Pruning Rate".

Esfandiarpoor et al., section III.A: "MLP with 80-60-40 configuration", on MNIST images reduced to 10x10. The paper
names no activation: ReLU here.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class Perceptron(nn.Module):
    """Linear layers with a ReLU after each but the last."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, ...) of ``sizes[0]`` values to logits (batch, ``sizes[-1]``)."""
        logits: Tensor = self.layers(x)
        return logits


def mlp_80_60_40(num_classes: int = 10, *, inputs: int = 100, hidden: tuple[int, ...] = (80, 60, 40)) -> Perceptron:
    """Build the perceptron for images of ``inputs`` pixels."""
    return Perceptron((inputs, *hidden, num_classes))
