"""The reference architectures by name, in full size: what tests and benchmarks iterate over.

Nothing is built before it is asked for: ``ARCHITECTURES["resnet50"].build()``. Counts of parameters are those of the
papers or of somebody else's implementation, as ``counted`` says, never of the code here; a test compares the two.
Narrow versions are in ``graphmorph.models.small_catalogue``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from graphmorph.models import (
    adapnet,
    alexnet,
    cifar_quick,
    densenet,
    diverse_branch_block,
    inception,
    lenet,
    mobilenet,
    mobileone,
    perceptron,
    repvgg,
    resnet,
    resnet_cifar,
    shufflenet,
    unet,
    vgg,
    vision_transformer,
    wide_resnet,
)

IMAGENET = (3, 224, 224)
CIFAR = (3, 32, 32)
MNIST = (1, 28, 28)


@dataclass(frozen=True)
class Architecture:
    """A network and where it comes from.

    ``input_shape`` is that of one sample. ``parameters`` is a published count, ``unit`` its last digit (1 where the
    count is exact) and ``counted`` where it was published; ``deployed`` says that it counts the deploy form.
    """

    name: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    source: str
    parameters: int | None = None
    counted: str = ""
    unit: int = 1
    deployed: bool = False

    def example_inputs(self, batch: int = 2, seed: int = 0) -> Tensor:
        """Return normal noise (batch, *input_shape), the same for the same seed."""
        return torch.randn((batch, *self.input_shape), generator=torch.Generator().manual_seed(seed))


_CAFFE = "Caffe, examples/cifar10/cifar10_quick_train_test.prototxt"
_COMPNET = "Lu, Ma and Faltings, CompNet, section 3"
_DEIT = "Touvron et al., DeiT, ICML 2021, table 1"
_DENSENET = "Huang et al., CVPR 2017"
_RESNET = "He et al., CVPR 2016"
_SLIM = "tensorflow/models, research/slim"
_TORCHVISION = "torchvision, num_params of its weights"
_VGG = "Simonyan and Zisserman, ICLR 2015, table 1"
_VGG_CIFAR = "Keras's VGG16 and VGG19 without top (14,714,688 and 20,024,384), the inserted layers, three linear layers"

_ROWS = (
    Architecture("lenet4", lenet.lenet4, MNIST, _COMPNET, 431_000, "Han et al., NeurIPS 2015, table 1", 1_000),
    Architecture(
        "lenet5", lenet.lenet5, MNIST, _COMPNET, 581_180, "LeNet4's 431,080, 50,100 inserted, 100,000 after it"
    ),
    Architecture(
        "mlp_80_60_40",
        perceptron.mlp_80_60_40,
        (1, 10, 10),
        "Esfandiarpoor et al., section III.A",
        15_790,
        "8,000 + 4,800 + 2,400 + 400 weights and 190 biases of 100-80-60-40-10",
    ),
    Architecture(
        "net2",
        adapnet.net2,
        (3, adapnet.IMAGE, adapnet.IMAGE),
        "AdapNet, table 1",
        92_315_146,
        "16,272,128 + 76,026,880 weights of the table's rows, 16,138 biases, scales and shifts",
    ),
    Architecture("cifar_quick", cifar_quick.cifar_quick, CIFAR, _CAFFE, 145_578, _CAFFE),
    Architecture(
        "cifar_quick_bn",
        partial(cifar_quick.cifar_quick, norm=True),
        CIFAR,
        "Ding et al., ACNet, ICCV 2019, table 1",
        145_706,
        "Cifar-quick's 145,578, with 128 scales and shifts each in place of 128 biases",
    ),
    Architecture("vgg11", vgg.vgg11, IMAGENET, _VGG, 132_863_336, _TORCHVISION),
    Architecture("vgg11_bn", partial(vgg.vgg11, norm=True), IMAGENET, _VGG, 132_868_840, _TORCHVISION),
    Architecture("vgg16", vgg.vgg16, IMAGENET, _VGG, 138_357_544, _TORCHVISION),
    Architecture("vgg16_bn", partial(vgg.vgg16, norm=True), IMAGENET, _VGG, 138_365_992, _TORCHVISION),
    Architecture("vgg19", vgg.vgg19, IMAGENET, _VGG, 143_667_240, _TORCHVISION),
    Architecture("vgg19_bn", partial(vgg.vgg19, norm=True), IMAGENET, _VGG, 143_678_248, _TORCHVISION),
    Architecture("vgg15_cifar", partial(vgg.vgg_cifar, 15), CIFAR, _COMPNET, 12_885_322, _VGG_CIFAR),
    Architecture("vgg16_cifar", partial(vgg.vgg_cifar, 16), CIFAR, _COMPNET, 15_245_130, _VGG_CIFAR),
    Architecture("vgg17_cifar", partial(vgg.vgg_cifar, 17), CIFAR, _COMPNET, 15_835_210, _VGG_CIFAR),
    Architecture("vgg18_cifar", partial(vgg.vgg_cifar, 18), CIFAR, _COMPNET, 18_195_018, _VGG_CIFAR),
    Architecture("vgg19_cifar", partial(vgg.vgg_cifar, 19), CIFAR, _COMPNET, 20_554_826, _VGG_CIFAR),
    Architecture("resnet18", resnet.resnet18, IMAGENET, f"{_RESNET}, table 1", 11_689_512, _TORCHVISION),
    Architecture("resnet50", resnet.resnet50, IMAGENET, f"{_RESNET}, table 1", 25_557_032, _TORCHVISION),
    Architecture(
        "resnet56", resnet_cifar.resnet56, CIFAR, f"{_RESNET}, section 4.2", 850_000, f"{_RESNET}, table 6", 10_000
    ),
    Architecture(
        "wrn_16_8",
        wide_resnet.wrn_16_8,
        CIFAR,
        "Zagoruyko and Komodakis, BMVC 2016, table 1",
        11_000_000,
        "the same (arXiv 1605.07146v4), table 5",
        100_000,
    ),
    Architecture(
        "densenet40",
        densenet.densenet40,
        CIFAR,
        f"{_DENSENET}, section 4.2",
        1_000_000,
        f"{_DENSENET}, table 2 (L = 40, k = 12)",
        100_000,
    ),
    Architecture("densenet121", densenet.densenet121, IMAGENET, f"{_DENSENET}, table 1", 7_978_856, _TORCHVISION),
    Architecture(
        "alexnet",
        alexnet.alexnet,
        IMAGENET,
        "Ding et al., ACNet, ICCV 2019, section 4.2",
        50_305_192,
        f"{_SLIM}: 50,303,912 of alexnet_v2, with 1,280 scales and shifts each in place of 1,280 biases",
    ),
    Architecture(
        "repvgg_a0",
        repvgg.a0,
        IMAGENET,
        "Ding et al., RepVGG, CVPR 2021, table 2",
        8_300_000,
        "the same, table 4",
        10_000,
        deployed=True,
    ),
    Architecture(
        "mobileone_s0",
        mobileone.s0,
        IMAGENET,
        "Vasu et al., MobileOne, CVPR 2023",
        2_080_000,
        "open-mmlab/mmpretrain, configs/mobileone; the paper rounds it to 2.1M",
        10_000,
        deployed=True,
    ),
    Architecture(
        "mobilenet_v1", mobilenet.mobilenet_v1, IMAGENET, "Howard et al., 2017, table 1", 4_231_976, f"{_SLIM}: README"
    ),
    Architecture(
        "mobilenet_v2", mobilenet.mobilenet_v2, IMAGENET, "Sandler et al., CVPR 2018, table 2", 3_504_872, _TORCHVISION
    ),
    Architecture(
        "shufflenet_v2", shufflenet.shufflenet_v2, IMAGENET, "Ma et al., ECCV 2018, table 5", 2_278_604, _TORCHVISION
    ),
    Architecture(
        "dbb_resnet18",
        diverse_branch_block.resnet18,
        IMAGENET,
        "Ding et al., Diverse Branch Block, CVPR 2021",
        11_684_712,
        "torchvision's ResNet-18 (11,689,512), with 4,800 biases in place of 4,800 scales and shifts each",
        deployed=True,
    ),
    Architecture(
        "googlenet",
        inception.googlenet,
        IMAGENET,
        "Szegedy et al., CVPR 2015, table 1",
        7_005_832,
        "torchvision's 6,624,904, and 16 more weights in each of the 23,808 kernels that it shrinks to 3x3",
    ),
    Architecture("vit_tiny", vision_transformer.vit_tiny, IMAGENET, _DEIT, 5_717_416, "timm, vit_tiny_patch16_224"),
    Architecture("vit_small", vision_transformer.vit_small, IMAGENET, _DEIT, 22_050_664, "timm, vit_small_patch16_224"),
    Architecture(
        "unet",
        unet.unet,
        (3, 256, 256),
        "Ronneberger et al., MICCAI 2015, figure 1",
        7_763_041,
        "mateuszbuda/brain-segmentation-pytorch",
    ),
)

ARCHITECTURES: dict[str, Architecture] = {row.name: row for row in _ROWS}
