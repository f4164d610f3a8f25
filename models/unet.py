"""U-Net (Ronneberger et al., MICCAI 2015, figure 1), half as wide, padded and normalised.

The padded 3x3 convolutions without bias, each normalised, and 32 filters in the first level are those of Buda et
al., "Association of genomic subtypes of lower-grade gliomas with shape features" (2019), and of its code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class DoubleConvolution(nn.Sequential):
    """Twice a padded 3x3 convolution, its normalisation and a ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """Four levels down, four up again, each reading what the level of its size kept, and a 1x1 convolution."""

    def __init__(self, num_classes: int = 1, *, in_channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.encoder1 = DoubleConvolution(in_channels, width)
        self.encoder2 = DoubleConvolution(width, 2 * width)
        self.encoder3 = DoubleConvolution(2 * width, 4 * width)
        self.encoder4 = DoubleConvolution(4 * width, 8 * width)
        self.bottom = DoubleConvolution(8 * width, 16 * width)
        self.up4 = nn.ConvTranspose2d(16 * width, 8 * width, 2, 2)
        self.decoder4 = DoubleConvolution(16 * width, 8 * width)
        self.up3 = nn.ConvTranspose2d(8 * width, 4 * width, 2, 2)
        self.decoder3 = DoubleConvolution(8 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.decoder2 = DoubleConvolution(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.decoder1 = DoubleConvolution(2 * width, width)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes, height, width).

        Height and width are multiples of 16.
        """
        first = self.encoder1(x)
        second = self.encoder2(functional.max_pool2d(first, 2))
        third = self.encoder3(functional.max_pool2d(second, 2))
        fourth = self.encoder4(functional.max_pool2d(third, 2))
        x = self.bottom(functional.max_pool2d(fourth, 2))
        x = self.decoder4(torch.cat((self.up4(x), fourth), dim=1))
        x = self.decoder3(torch.cat((self.up3(x), third), dim=1))
        x = self.decoder2(torch.cat((self.up2(x), second), dim=1))
        x = self.decoder1(torch.cat((self.up1(x), first), dim=1))
        logits: Tensor = self.classifier(x)
        return logits


def unet(num_classes: int = 1, *, in_channels: int = 3, width: int = 32) -> UNet:
    """Build U-Net with ``width`` filters in its first level (64 in the paper)."""
    return UNet(num_classes, in_channels=in_channels, width=width)
