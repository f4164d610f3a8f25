"""Networks that torchvision also has keep its names, so that its weights load."""

from __future__ import annotations

import pytest
import torch

from graphmorph.models.catalogue import ARCHITECTURES

#: parameters at the start, inside and at the end of torchvision's state dictionaries, with their shapes
NAMES: dict[str, dict[str, tuple[int, ...]]] = {
    "vgg16_bn": {
        "features.0.weight": (64, 3, 3, 3),
        "features.1.running_mean": (64,),
        "features.40.bias": (512,),
        "classifier.6.weight": (1000, 4096),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "layer2.0.downsample.1.running_var": (128,),
        "layer4.1.bn2.bias": (512,),
        "fc.weight": (1000, 512),
    },
    "resnet50": {
        "bn1.num_batches_tracked": (),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
        "fc.bias": (1000,),
    },
    "densenet121": {
        "features.conv0.weight": (64, 3, 7, 7),
        "features.denseblock1.denselayer1.norm1.weight": (64,),
        "features.denseblock4.denselayer16.conv2.weight": (32, 128, 3, 3),
        "features.transition1.conv.weight": (128, 256, 1, 1),
        "features.norm5.weight": (1024,),
        "classifier.weight": (1000, 1024),
    },
    "mobilenet_v2": {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.2.conv.3.running_mean": (24,),
        "features.18.1.bias": (1280,),
        "classifier.1.weight": (1000, 1280),
    },
    "shufflenet_v2": {
        "conv1.0.weight": (24, 3, 3, 3),
        "stage2.0.branch1.2.weight": (58, 24, 1, 1),
        "stage4.3.branch2.6.bias": (232,),
        "conv5.0.weight": (1024, 464, 1, 1),
        "fc.weight": (1000, 1024),
    },
}
#: the number of entries of torchvision's state dictionaries
ENTRIES = {
    "vgg16_bn": 97,
    "resnet18": 122,
    "resnet50": 320,
    "densenet121": 727,
    "mobilenet_v2": 314,
    "shufflenet_v2": 338,
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    with torch.device("meta"):
        state = ARCHITECTURES[name].build().state_dict()
    assert {key: tuple(state[key].shape) for key in NAMES[name]} == NAMES[name]
    assert len(state) == ENTRIES[name]
