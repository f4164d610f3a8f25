"""The number in an architecture's name is its number of weight layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from graphmorph.models.blocks import count_layers
from graphmorph.models.catalogue import ARCHITECTURES

#: weight layers, as the paper counts them, and shortcut projections that it does not count
DEPTHS = {
    "lenet4": (4, 0),
    "lenet5": (5, 0),
    "net2": (15, 0),
    "vgg11": (11, 0),
    "vgg15_cifar": (15, 0),
    "vgg16": (16, 0),
    "vgg16_cifar": (16, 0),
    "vgg17_cifar": (17, 0),
    "vgg18_cifar": (18, 0),
    "vgg19_bn": (19, 0),
    "vgg19_cifar": (19, 0),
    "resnet18": (18, 3),
    "resnet50": (50, 4),
    "resnet56": (56, 0),
    "densenet40": (40, 0),
    "densenet121": (121, 0),
    "wrn_16_8": (16, 1),  # counts the three projections, but not the classifier
    "alexnet": (8, 0),
    "mobilenet_v1": (28, 0),  # section 3.2
    "unet": (23, 0),  # section 2: "in total the network has 23 convolutional layers"
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depth(name: str) -> None:
    depth, uncounted = DEPTHS[name]
    with torch.device("meta"):
        assert count_layers(ARCHITECTURES[name].build()) == depth + uncounted


def filters(name: str) -> list[int]:
    with torch.device("meta"):
        module = ARCHITECTURES[name].build()
    return [child.out_channels for child in module.modules() if isinstance(child, nn.Conv2d)]


@pytest.mark.parametrize(
    ("parent", "child", "inserted"),
    [
        ("lenet4", "lenet5", 100),
        ("vgg15_cifar", "vgg16_cifar", 512),
        ("vgg16_cifar", "vgg17_cifar", 256),
        ("vgg18_cifar", "vgg19_cifar", 512),
    ],
)
def test_filters_that_compnet_inserts(parent: str, child: str, inserted: int) -> None:
    # CompNet, table 1: the number of filters of the one layer by which child and parent differ
    before, after = filters(parent), filters(child)
    assert sorted(after) == sorted([*before, inserted])
