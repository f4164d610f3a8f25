"""Small models to prune, as files and as modules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from tests.passes.text_models import Weights, build

RESIDUAL = """g (float[N,3,8,8] x) => (float[N,5] y) {
    a = Conv<pads=[1,1,1,1]>(x, w0, b0)
    b = Relu(a)
    c = Conv<pads=[1,1,1,1]>(b, w1, b1)
    d = Relu(c)
    e = Conv(d, w2, b2)
    f = Add(b, e)
    h = Relu(f)
    p = GlobalAveragePool(h)
    q = Flatten(p)
    y = Gemm<transB=1>(q, w3, b3)
}"""

RESIDUAL_WEIGHTS: Weights = {
    "w0": (16, 3, 3, 3),
    "b0": (16,),
    "w1": (24, 16, 3, 3),
    "b1": (24,),
    "w2": (16, 24, 1, 1),
    "b2": (16,),
    "w3": (5, 16),
    "b3": (5,),
}


def residual_file(folder: Path) -> Path:
    """Two groups: 16 channels of the residual, 24 inside of the block."""
    path = folder / "residual.onnx"
    onnx.save(build(RESIDUAL, RESIDUAL_WEIGHTS), path)
    return path


class Residual(nn.Module):
    """The same with normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.inner = nn.Conv2d(16, 24, 3, padding=1)
        self.norm = nn.BatchNorm2d(24)
        self.outer = nn.Conv2d(24, 16, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.relu(x + self.outer(torch.relu(self.norm(self.inner(x)))))
        return self.head(x.mean((2, 3)))


def residual_module(seed: int = 0) -> Residual:
    """In evaluation mode, with statistics that are not the ones of a fresh normalisation."""
    torch.manual_seed(seed)
    module = Residual()
    for _ in range(3):
        module(torch.randn(8, 3, 8, 8))
    for parameter in module.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
    return module.eval()


def images(count: int = 64, seed: int = 3) -> np.ndarray:
    """(count, 3, 8, 8) smooth images: neighbouring channels and pixels are alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(count, 3, 2, 2))
    made = np.kron(coarse, np.ones((4, 4))) + 0.1 * rng.normal(size=(count, 3, 8, 8))
    return made.astype(np.float32)
