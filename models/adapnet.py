"""Net2 of AdapNet (table 1): twelve unpadded convolutions, then three linear layers, all but the last normalised.

The output sizes of the table follow from images of 64 pixels. The table does not say whether the layers before a
normalisation have a bias: they have one here, which is torch's default.
"""

from __future__ import annotations

from torch import Tensor, nn

KERNELS = (5, 5, 5, 3, 3, 3, 3, 3, 3, 3, 3, 3)
IMAGE = 64


class Net2(nn.Module):
    """Seven convolutions of ``width`` filters, five of twice as many, pooling, and three linear layers."""

    def __init__(self, num_classes: int = 10, *, in_channels: int = 3, width: int = 256, image: int = IMAGE) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = in_channels, image
        for index, kernel in enumerate(KERNELS):
            filters = width if index < 7 else 2 * width
            layers += [nn.Conv2d(channels, filters, kernel), nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
            channels, size = filters, size - kernel + 1
        self.features = nn.Sequential(*layers, nn.MaxPool2d(2))
        self.classifier = nn.Sequential(
            nn.Linear(channels * (size // 2) ** 2, channels),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(channels, channels),
            nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, image, image) to logits (batch, num_classes)."""
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits


def net2(num_classes: int = 10, *, in_channels: int = 3, width: int = 256, image: int = IMAGE) -> Net2:
    """Build Net2 for images of ``image`` pixels, at least 32."""
    return Net2(num_classes, in_channels=in_channels, width=width, image=image)
