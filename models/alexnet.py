"""AlexNet as the ACNet paper trains it (Ding et al., ICCV 2019, section 4.2): normalised convolutions, no LRN.

The shapes are those of ``alexnet_v2`` of tensorflow-slim, after Krizhevsky, "One weird trick for parallelizing
convolutional neural networks" (arXiv 1404.5997): five stacked convolutions and three linear layers.
"""

from __future__ import annotations

from torch import Tensor, nn


def convolution(
    in_channels: int, out_channels: int, size: int, *, stride: int = 1, padding: int = 0, norm: bool
) -> list[nn.Module]:
    """Build a convolution, its normalisation (which takes the place of the bias) if there is one, and a ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, size, stride, padding, bias=not norm)
    normalised: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)] if norm else [conv]
    return [*normalised, nn.ReLU(inplace=True)]


class AlexNet(nn.Module):
    """Five convolutions, three of them pooled, and three linear layers."""

    def __init__(self, num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, norm: bool = True) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *convolution(in_channels, width, 11, stride=4, norm=norm),
            nn.MaxPool2d(3, 2),
            *convolution(width, 3 * width, 5, padding=2, norm=norm),
            nn.MaxPool2d(3, 2),
            *convolution(3 * width, 6 * width, 3, padding=1, norm=norm),
            *convolution(6 * width, 6 * width, 3, padding=1, norm=norm),
            *convolution(6 * width, 4 * width, 3, padding=1, norm=norm),
            nn.MaxPool2d(3, 2),
        )
        hidden = 64 * width
        self.classifier = nn.Sequential(
            nn.Linear(4 * width * 5 * 5, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, 224, 224) to logits (batch, num_classes)."""
        x = self.features(x)
        logits: Tensor = self.classifier(x.reshape(x.shape[0], -1))
        return logits


def alexnet(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, norm: bool = True) -> AlexNet:
    """Build AlexNet with batch normalisation; ``norm=False`` gives the network of tensorflow-slim."""
    return AlexNet(num_classes, in_channels=in_channels, width=width, norm=norm)
