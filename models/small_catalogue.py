"""Every architecture of the catalogue once more: as deep and wired alike, but narrow and on small images.

A test holds the two together: tracing both gives the same operations in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from graphmorph.models import (
    adapnet,
    alexnet,
    cifar_quick,
    densenet,
    diverse_branch_block,
    inception,
    lenet,
    mobilenet,
    perceptron,
    resnet,
    resnet_cifar,
    shufflenet,
    unet,
    vgg,
    vision_transformer,
    wide_resnet,
)
from graphmorph.models.catalogue import ARCHITECTURES, CIFAR, IMAGENET, MNIST, Architecture
from graphmorph.models.mobileone import MobileOne
from graphmorph.models.repvgg import RepVGG

CLASSES = 10
IMAGE = (3, 64, 64)

_BUILDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet4": (partial(lenet.lenet4, width=2), MNIST),
    "lenet5": (partial(lenet.lenet5, width=2, inserted=6), MNIST),
    "mlp_80_60_40": (perceptron.mlp_80_60_40, (1, 10, 10)),
    "net2": (partial(adapnet.net2, width=4, image=36), (3, 36, 36)),
    "cifar_quick": (partial(cifar_quick.cifar_quick, width=4), CIFAR),
    "cifar_quick_bn": (partial(cifar_quick.cifar_quick, width=4, norm=True), CIFAR),
    "vgg11": (partial(vgg.vgg11, CLASSES, width=2), IMAGENET),
    "vgg11_bn": (partial(vgg.vgg11, CLASSES, width=2, norm=True), IMAGENET),
    "vgg16": (partial(vgg.vgg16, CLASSES, width=2), IMAGENET),
    "vgg16_bn": (partial(vgg.vgg16, CLASSES, width=2, norm=True), IMAGENET),
    "vgg19": (partial(vgg.vgg19, CLASSES, width=2), IMAGENET),
    "vgg19_bn": (partial(vgg.vgg19, CLASSES, width=2, norm=True), IMAGENET),
    **{f"vgg{depth}_cifar": (partial(vgg.vgg_cifar, depth, width=4), CIFAR) for depth in range(15, 20)},
    "resnet18": (partial(resnet.resnet18, CLASSES, width=8), IMAGE),
    "resnet50": (partial(resnet.resnet50, CLASSES, width=8), IMAGE),
    "resnet56": (partial(resnet_cifar.resnet56, width=4), CIFAR),
    "wrn_16_8": (partial(wide_resnet.wrn_16_8, width=4, widening=2), CIFAR),
    "densenet40": (partial(densenet.densenet40, growth=4, width=8), CIFAR),
    "densenet121": (partial(densenet.densenet121, CLASSES, growth=4), IMAGE),
    "alexnet": (partial(alexnet.alexnet, CLASSES, width=4), IMAGENET),
    "repvgg_a0": (partial(RepVGG, (2, 4, 14, 1), (4, 8, 16, 32), classes=CLASSES), IMAGE),
    "mobileone_s0": (partial(MobileOne, (2, 8, 10, 1), (4, 8, 16, 32), branches=4, classes=CLASSES), IMAGE),
    "mobilenet_v1": (partial(mobilenet.mobilenet_v1, CLASSES, width=8), IMAGE),
    "mobilenet_v2": (partial(mobilenet.mobilenet_v2, CLASSES, width=8), IMAGE),
    "shufflenet_v2": (partial(shufflenet.shufflenet_v2, CLASSES, width=8, last=32), IMAGE),
    "dbb_resnet18": (partial(diverse_branch_block.resnet18, CLASSES, width=4), IMAGE),
    "googlenet": (partial(inception.googlenet, CLASSES, width=8), IMAGE),
    "vit_tiny": (partial(vision_transformer.vit_tiny, CLASSES, width=24, image=32, patch=8), CIFAR),
    "vit_small": (partial(vision_transformer.vit_small, CLASSES, width=24, image=32, patch=8), CIFAR),
    "unet": (partial(unet.unet, width=4), CIFAR),
}

SMALL_ARCHITECTURES: dict[str, Architecture] = {
    name: replace(ARCHITECTURES[name], build=build, input_shape=shape, parameters=None, counted="", unit=1)
    for name, (build, shape) in _BUILDS.items()
}
