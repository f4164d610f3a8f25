"""VGG (Simonyan and Zisserman, ICLR 2015, table 1): configurations A, D and E, and CompNet's VGG15 to VGG19.

The ImageNet form has the names of torchvision's, so that its weights load. CompNet (Lu, Ma and Faltings, sections
3.3 to 3.5) trains on CIFAR-10 without normalisation: VGG15 lacks the first convolution with 512 filters of VGG16,
VGG17 has one more with 256 filters, VGG18 lacks one with 512 filters of VGG19 (which one is not said: the first
again). It does not say either what the three linear layers become for images of 32 pixels: they have 512 inputs
and hidden units here, as in most code for CIFAR.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

#: the filters of each stage, in multiples of the width (64), by the number of weight layers
STAGES: dict[int, tuple[tuple[int, ...], ...]] = {
    11: ((1,), (2,), (4, 4), (8, 8), (8, 8)),
    15: ((1, 1), (2, 2), (4, 4, 4), (8, 8), (8, 8, 8)),
    16: ((1, 1), (2, 2), (4, 4, 4), (8, 8, 8), (8, 8, 8)),
    17: ((1, 1), (2, 2), (4, 4, 4, 4), (8, 8, 8), (8, 8, 8)),
    18: ((1, 1), (2, 2), (4, 4, 4, 4), (8, 8, 8), (8, 8, 8, 8)),
    19: ((1, 1), (2, 2), (4, 4, 4, 4), (8, 8, 8, 8), (8, 8, 8, 8)),
}

Activation = Callable[[], nn.Module]


def inplace_relu() -> nn.Module:
    """Build the activation that VGG has by default."""
    return nn.ReLU(inplace=True)


class VGG(nn.Module):
    """Stages of padded 3x3 convolutions with 2x2 pooling after each, then three linear layers.

    ``positions`` is the height and width that the linear layers expect: where it is given, the features are
    pooled to it.
    """

    def __init__(self, features: nn.Sequential, classifier: nn.Sequential, positions: int | None = None) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((positions, positions)) if positions is not None else None
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Map images (batch, in_channels, height, width) to logits (batch, num_classes)."""
        x = self.features(x)
        if self.avgpool is not None:
            x = self.avgpool(x)
        x = torch.flatten(x, 1)
        logits: Tensor = self.classifier(x)
        return logits


def features(depth: int, in_channels: int, width: int, norm: bool, activation: Activation) -> nn.Sequential:
    """Build the convolutions of the configuration with ``depth`` weight layers."""
    layers: list[nn.Module] = []
    channels = in_channels
    for stage in STAGES[depth]:
        for multiple in stage:
            layers.append(nn.Conv2d(channels, multiple * width, 3, padding=1))
            channels = multiple * width
            if norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(activation())
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def _imagenet(depth: int, num_classes: int, in_channels: int, width: int, norm: bool) -> VGG:
    hidden = 64 * width
    classifier = nn.Sequential(
        nn.Linear(8 * width * 7 * 7, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, num_classes),
    )
    return VGG(features(depth, in_channels, width, norm, inplace_relu), classifier, positions=7)


def vgg11(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, norm: bool = False) -> VGG:
    """Build configuration A for images of 224 pixels, with batch normalisation where ``norm`` asks for it."""
    return _imagenet(11, num_classes, in_channels, width, norm)


def vgg16(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, norm: bool = False) -> VGG:
    """Build configuration D for images of 224 pixels, with batch normalisation where ``norm`` asks for it."""
    return _imagenet(16, num_classes, in_channels, width, norm)


def vgg19(num_classes: int = 1000, *, in_channels: int = 3, width: int = 64, norm: bool = False) -> VGG:
    """Build configuration E for images of 224 pixels, with batch normalisation where ``norm`` asks for it."""
    return _imagenet(19, num_classes, in_channels, width, norm)


def vgg_cifar(
    depth: int,
    num_classes: int = 10,
    *,
    in_channels: int = 3,
    width: int = 64,
    norm: bool = False,
    activation: Activation = inplace_relu,
) -> VGG:
    """Build CompNet's VGG with ``depth`` (15 to 19, or 11) weight layers, for images of 32 pixels.

    ``activation`` follows each convolution; the paper also has sigmoid and tanh.
    """
    hidden = 8 * width
    classifier = nn.Sequential(
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, num_classes),
    )
    return VGG(features(depth, in_channels, width, norm, activation), classifier)
