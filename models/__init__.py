"""Reference architectures, re-parameterised ones with hand-made deploy forms, and the example model.

Importing this package does not import torch: every family is a module of its own, imported when it is asked
for (``from graphmorph.models import acnet``). The hand-made deploy forms use no code of graphmorph's algebra,
so that the two can be compared. ``catalogue`` lists whole networks by name, with their published sizes, and
``small_catalogue`` the same networks made narrow.
"""

FAMILIES = (
    "acnet",
    "repvgg",
    "mobileone",
    "diverse_branch_block",
    "large_kernel",
    "lora",
    "pplcnet",
    "transposed",
    "blocks",
    "lenet",
    "perceptron",
    "adapnet",
    "cifar_quick",
    "vgg",
    "resnet",
    "resnet_cifar",
    "wide_resnet",
    "densenet",
    "alexnet",
    "mobilenet",
    "shufflenet",
    "inception",
    "vision_transformer",
    "unet",
)

__all__ = ["FAMILIES"]
