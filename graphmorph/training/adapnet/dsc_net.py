"""DSC-Net: an autoencoder with a self-expressive layer, trained on the feature maps of an LSEP (AdapNet, equation 2).

    L = 1/2 |X - X'|² + λ1 |C|² + λ2/2 |Z - Z C|²,   diag(C) = 0,   Z the features of X, X' decoded from Z C

Readings. (1) C is solved for the present features before each epoch and after the last (self_expression.py), and the
weights take Adam's steps on L between. Ji et al. step C too, 120 times after a pre-training; two epochs from where they
begin, at 1e-4, would leave little in C but signs. (2) The autoencoder goes on from LSEP to LSEP, which is its
pre-training; C, which is about these very points, does not. (3) Maps are scaled to length 1, which moves no point out
of its subspace, and makes λ1 and λ2 mean the same in every layer.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from graphmorph.errors import UsageError
from graphmorph.training.adapnet.autoencoder import ConvAutoencoder
from graphmorph.training.adapnet.config import AdapNetConfig
from graphmorph.training.adapnet.self_expression import self_expression
from graphmorph.training.adapnet.state import State


class DscNet:
    """The same seed and the same maps give the same weights and coefficients."""

    def __init__(self, config: AdapNetConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        self._trainings = 0
        generator = torch.Generator().manual_seed(seed)
        self.autoencoder = ConvAutoencoder(config.dsc_channels, config.dsc_kernel, generator)

    def train(self, maps: NDArray[np.float32]) -> NDArray[np.float64]:
        """C, (points, points), of maps (points, height, width), after the epochs of one LSEP.

        Raises:
            UsageError: more points than C is made for.
        """
        if len(maps) > self._config.most_points:
            raise UsageError(
                f"DSC-Net: {len(maps)} feature maps, for which C has {len(maps)} x {len(maps)} entries, are more than "
                f"most_points {self._config.most_points}: set `points` to bound what a layer keeps of an LSEP"
            )
        points = torch.from_numpy(unit_maps(maps))[:, None]
        optimizer = torch.optim.Adam(self.autoencoder.parameters(), lr=self._config.dsc_learning_rate)
        order = np.random.default_rng([self._seed, self._trainings])
        for _ in range(self._config.dsc_epochs):
            coefficients = torch.from_numpy(self.coefficients(points).astype(np.float32))
            for batch in _batches(order.permutation(len(points)), self._config.dsc_batch):
                optimizer.zero_grad()
                self.loss(points, coefficients, batch).backward()
                optimizer.step()
        self._trainings += 1
        return self.coefficients(points)

    def loss(self, points: torch.Tensor, coefficients: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """What some of the points, (batch,), add to L. points: (points, 1, height, width)."""
        features = self.autoencoder.encode(points)
        chosen = coefficients[:, batch]
        expressed = torch.einsum("pb,pchw->bchw", chosen, features)
        decoded = self.autoencoder.decode(expressed, points.shape[2:])
        rebuilt = 0.5 * (points[batch] - decoded).square().sum()
        expressive = 0.5 * self._config.lambda2 * (features[batch] - expressed).square().sum()
        return rebuilt + expressive + self._config.lambda1 * chosen.square().sum()

    @torch.no_grad()
    def coefficients(self, points: torch.Tensor) -> NDArray[np.float64]:
        """C for the features as they are."""
        features = self.autoencoder.encode(points).flatten(1).double().numpy()
        return self_expression(features, self._config.lambda1, self._config.lambda2)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything but the settings; `restore` takes it."""
        weights = {name: tensor.numpy().copy() for name, tensor in self.autoencoder.state_dict().items()}
        return {"trainings": np.array(self._trainings), **weights}

    def restore(self, state: State) -> Self:
        """Go on from a state."""
        self._trainings = int(state["trainings"])
        weights = {name: torch.from_numpy(array.copy()) for name, array in state.items() if name != "trainings"}
        self.autoencoder.load_state_dict(weights)
        return self


def unit_maps(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maps (points, height, width) divided by their lengths; zeros stay."""
    length = np.sqrt(np.square(maps.astype(np.float64)).sum(axis=(1, 2), keepdims=True))
    unit: NDArray[np.float64] = np.divide(maps, length, out=np.zeros(maps.shape), where=length > 0)
    return unit.astype(np.float32)


def _batches(order: NDArray[np.int64], size: int) -> list[torch.Tensor]:
    return list(torch.from_numpy(order).split(size))
