"""Train the example model from a seed and write its files: ``python -m graphmorph.models.example.train``.

Needs the ``train`` extra (torch, onnxscript, scikit-learn); takes about ten seconds on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from graphmorph.models.acnet import AsymmetricConvolutionBlock
from graphmorph.models.export import export_onnx

SEED = 0
HELD_OUT = 400
EPOCHS = 30
BATCH = 64
LEARNING_RATE = 0.01
DECAY = 5e-4


def build(width: int = 16, classes: int = 10) -> nn.Sequential:
    """Build the network for images (batch, 1, 8, 8): four asymmetric convolution blocks and a classifier."""
    block = AsymmetricConvolutionBlock
    return nn.Sequential(
        block(1, width, 3, padding=1),
        nn.ReLU(),
        block(width, 2 * width, 3, padding=1, stride=2),
        nn.ReLU(),
        block(2 * width, 2 * width, 3, padding=1),
        nn.ReLU(),
        block(2 * width, 4 * width, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )


def digits(seed: int = SEED) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (1797, 1, 8, 8), values 0 to 1, and labels (1797,), in an order drawn from ``seed``."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images[order, None] / 16.0).astype(np.float32)
    return images, data.target[order].astype(np.int64)


def train(images: Tensor, labels: Tensor, *, epochs: int = EPOCHS, seed: int = SEED) -> nn.Sequential:
    """Train on ``images`` (samples, 1, 8, 8) and ``labels`` (samples,); deterministic for a given seed."""
    torch.manual_seed(seed)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=DECAY)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LEARNING_RATE, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = functional.cross_entropy(model(_shifted(images[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of ``images`` whose largest logit is that of their label."""
    with torch.no_grad():
        return float((model(images).argmax(1) == labels).double().mean())


def _shifted(images: Tensor) -> Tensor:
    """Move a batch by up to one pixel in each direction, the only augmentation."""
    rows, columns = (int(shift) for shift in torch.randint(-1, 2, (2,)))
    padded = functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, 1 + rows : 9 + rows, 1 + columns : 9 + columns]


def main(folder: Path | None = None) -> float:
    """Train, write ``digits_acnet.onnx`` and ``digits.npz`` into ``folder``, return the held-out accuracy."""
    torch.set_num_threads(1)  # the order of summation, and with it the weights, depends on the threads
    target = Path(__file__).parent if folder is None else folder
    images, labels = digits()
    held_out, held_out_labels = images[:HELD_OUT], labels[:HELD_OUT]
    model = train(torch.from_numpy(images[HELD_OUT:]), torch.from_numpy(labels[HELD_OUT:]))
    score = accuracy(model, torch.from_numpy(held_out), torch.from_numpy(held_out_labels))
    export_onnx(model, target / "digits_acnet.onnx", torch.from_numpy(images[:2]), dynamic_batch=True)
    np.savez_compressed(target / "digits.npz", x=held_out, labels=held_out_labels)
    return score


if __name__ == "__main__":
    sys.stdout.write(f"held-out accuracy {main():.4f}\n")
