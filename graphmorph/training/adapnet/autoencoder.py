"""The convolutional autoencoder of DSC-Net for COIL100 (Ji et al., 2017): one layer each way."""

from __future__ import annotations

import torch
from torch import nn


class ConvAutoencoder(nn.Module):
    """A strided convolution with ReLU, and its transpose. Unlike Ji et al.'s images, feature maps may be negative, so
    that no ReLU comes last. Features of a point are scaled to length 1: else, as Haeffele et al. show (A critique of
    self-expressive deep subspace clustering, ICLR 2021), equation 2 is made smaller by making all features smaller,
    until nothing is left of them. Any height and width.

    Args:
        channels, kernel: of the convolution.
        generator: draws the weights (Glorot, uniform; offsets are 0, as by Ji et al.).
    """

    def __init__(self, channels: int, kernel: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, channels, kernel, stride=2, padding=kernel // 2)
        self.decoder = nn.ConvTranspose2d(channels, 1, kernel, stride=2, padding=kernel // 2)
        for layer in (self.encoder, self.decoder):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def encode(self, maps: torch.Tensor) -> torch.Tensor:
        """(points, 1, height, width) -> (points, channels, about half the height, and width)."""
        features = torch.relu(self.encoder(maps))
        return nn.functional.normalize(features.flatten(1)).view_as(features)

    def decode(self, features: torch.Tensor, size: torch.Size) -> torch.Tensor:
        """Back to maps of the size (height, width)."""
        maps: torch.Tensor = self.decoder(features, output_size=list(size))
        return maps
