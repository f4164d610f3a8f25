"""Architectures row by row against the tables of their papers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.models.adapnet import net2
from graphmorph.models.alexnet import alexnet
from graphmorph.models.densenet import densenet121
from graphmorph.models.inception import googlenet
from graphmorph.models.mobilenet import mobilenet_v2

#: AdapNet, table 1: kernel and output of each convolution, then of the pooling
NET2 = [
    *((5, (256, size, size)) for size in (60, 56, 52)),
    *((3, (256, size, size)) for size in (50, 48, 46, 44)),
    *((3, (512, size, size)) for size in (42, 40, 38, 36, 34)),
    (2, (512, 17, 17)),
]
#: Szegedy et al., table 1: channels and size that each inception module puts out, and its thousands (1024) of weights,
#: which do not quite follow from its filters: they are up to 8 per cent off
GOOGLENET = {
    "3a": ((256, 28, 28), 159),
    "3b": ((480, 28, 28), 380),
    "4a": ((512, 14, 14), 364),
    "4b": ((512, 14, 14), 437),
    "4c": ((512, 14, 14), 463),
    "4d": ((528, 14, 14), 580),
    "4e": ((832, 14, 14), 840),
    "5a": ((832, 7, 7), 1072),
    "5b": ((1024, 7, 7), 1388),
}
#: Huang et al., table 1 (DenseNet-121): what each block and each transition puts out, growth rate 32
DENSENET = {
    "pool0": (64, 56, 56),
    "denseblock1": (256, 56, 56),
    "transition1": (128, 28, 28),
    "denseblock2": (512, 28, 28),
    "transition2": (256, 14, 14),
    "denseblock3": (1024, 14, 14),
    "transition3": (512, 7, 7),
    "denseblock4": (1024, 7, 7),
}
#: tensorflow-slim, alexnet_v2 at 224 pixels: what convolutions and poolings put out
ALEXNET = [
    *((64, 54, 54), (64, 26, 26), (192, 26, 26), (192, 12, 12)),
    *((384, 12, 12), (384, 12, 12), (256, 12, 12), (256, 5, 5)),
]
#: Sandler et al., table 2: channels and size after the stem, each sequence of bottlenecks, and the last convolution
MOBILENET_V2 = [
    *((32, 112), (16, 112), (24, 56), (32, 28), (64, 14), (96, 14), (160, 7), (320, 7), (1280, 7)),
]


def output_shapes(module: nn.Module, watched: list[nn.Module], image: int) -> list[tuple[int, ...]]:
    """Return the shapes, without batch, of what each of ``watched`` put out, in the order of execution."""
    shapes: list[tuple[int, ...]] = []

    def note(_: nn.Module, __: Any, output: torch.Tensor) -> None:
        shapes.append(tuple(output.shape[1:]))

    for child in watched:
        child.register_forward_hook(note)
    module.eval()(torch.empty(1, 3, image, image, device="meta"))
    return shapes


def test_net2() -> None:
    with torch.device("meta"):
        module = net2()
    watched = [child for child in module.modules() if isinstance(child, nn.Conv2d | nn.MaxPool2d)]
    kernels = [child.kernel_size if isinstance(child, nn.MaxPool2d) else child.kernel_size[0] for child in watched]
    assert list(zip(kernels, output_shapes(module, watched, 64), strict=True)) == NET2
    linears = [child.weight.shape for child in module.modules() if isinstance(child, nn.Linear)]
    assert linears == [(512, 147_968), (512, 512), (10, 512)]
    convolved = sum(child.weight.numel() for child in watched if isinstance(child, nn.Conv2d))
    channels = [3, *(shape[0] for _, shape in NET2[:-1])]
    by_hand = sum(k * k * before * after for (k, (after, *_)), before in zip(NET2, channels, strict=False))
    assert convolved == by_hand - 4 * 512 * 512  # without the pooling's row


@pytest.mark.parametrize("name", GOOGLENET)
def test_googlenet(name: str) -> None:
    shape, thousands = GOOGLENET[name]
    with torch.device("meta"):
        module = googlenet()
    inception = module.inceptions[name]
    assert output_shapes(module, [inception], 224) == [shape]
    weights = sum(child.weight.numel() for child in inception.modules() if isinstance(child, nn.Conv2d))
    assert abs(weights / 1024 - thousands) < 0.08 * thousands


def test_googlenet_of_torchvision() -> None:
    with torch.device("meta"):
        module = googlenet(large_kernel=3)
    assert sum(parameter.numel() for parameter in module.parameters()) == 6_624_904


def test_densenet121() -> None:
    with torch.device("meta"):
        module = densenet121()
    watched = [module.features.get_submodule(name) for name in DENSENET]
    assert output_shapes(module, watched, 224) == list(DENSENET.values())


def test_alexnet() -> None:
    with torch.device("meta"):
        module, plain = alexnet(), alexnet(norm=False)
    watched = [child for child in module.modules() if isinstance(child, nn.Conv2d | nn.MaxPool2d)]
    assert output_shapes(module, watched, 224) == ALEXNET
    # tensorflow/models, research/slim
    assert sum(parameter.numel() for parameter in plain.parameters()) == 50_303_912


def test_mobilenet_v2() -> None:
    with torch.device("meta"):
        module = mobilenet_v2()
    ends = [0, 1, 3, 6, 10, 13, 16, 17, 18]
    shapes = output_shapes(module, [module.features[index] for index in ends], 224)
    assert shapes == [(channels, size, size) for channels, size in MOBILENET_V2]
