"""The architectures that channel pruning is measured on: our own, and torchvision's and timm's where they import.

Weights are random. Constant parameters (gammas of zero, biases) are moved apart and batch normalisations calibrated, so
that every channel matters to the output: on an untouched initialisation many a wrong removal would go unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphmorph.models.catalogue import ARCHITECTURES, Architecture
from graphmorph.models.small_catalogue import SMALL_ARCHITECTURES

OURS, TORCHVISION, TIMM = "models", "torchvision", "timm"

#: Catalogue entries with more parameters are taken narrow: nothing about them is harder than about the small ones.
LARGEST = 60_000_000

#: By source, "name" at 64 pixels or "name:pixels".
_NAMES = {
    TORCHVISION: """
        resnet18 resnet50 resnext50_32x4d wide_resnet50_2 regnet_x_400mf regnet_y_400mf densenet121 googlenet
        inception_v3:96 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large efficientnet_b0 efficientnet_v2_s
        shufflenet_v2_x1_0 mnasnet1_0 squeezenet1_1 alexnet:224 vgg11_bn:224 convnext_tiny vit_b_32:224 swin_t:224
        maxvit_t:224 fcn_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large""",
    TIMM: """
        ghostnet_100 res2net50_26w_4s resnest26d dpn68b convnext_atto convnextv2_atto deit_tiny_patch16_224:224
        vit_tiny_patch16_224:224 swin_tiny_patch4_window7_224:224 levit_128s:224 xcit_nano_12_p16_224:224 coat_tiny:224
        mixer_s32_224:224 pit_ti_224:224 poolformer_s12 fastvit_t8:256 maxvit_tiny_rw_224:224 botnet26t_256:256
        halonet26t:256 rexnet_100 cspdarknet53 cspresnet50 ese_vovnet19b_dw hrnet_w18_small skresnet18 nf_resnet26
        dm_nfnet_f0 edgenext_xx_small repvgg_a0 mobileone_s0 hardcorenas_a tinynet_a lcnet_050 selecsls42 dla34
        legacy_seresnet18 gernet_s mobilevit_xxs mobilevitv2_050 efficientformer_l1:224 pvt_v2_b0 cait_xxs24_224:224
        crossvit_tiny_240:240 resmlp_12_224:224 gmlp_ti16_224:224 visformer_tiny:224 twins_svt_small:224 eca_resnet33ts
        mobilenetv4_conv_small repghostnet_050 inception_next_atto starnet_s1 focalnet_tiny_srf tresnet_m""",
}


@dataclass(frozen=True)
class Entry:
    """An architecture: its name, where it comes from, and the shape of one sample."""

    name: str
    source: str
    shape: tuple[int, ...]

    @property
    def key(self) -> str:
        """What it is called among all sources."""
        return f"{self.source}:{self.name}"

    def example(self, batch: int = 1) -> Tensor:
        """Normal noise (batch, *shape), the same for the same batch."""
        return torch.randn((batch, *self.shape), generator=torch.Generator().manual_seed(0))


def entries(sources: Iterable[str] = (OURS, TORCHVISION, TIMM)) -> list[Entry]:
    """All architectures of the sources that are installed here."""
    found: list[Entry] = []
    for source in sources:
        if source == OURS:
            found += [Entry(name, OURS, _catalogued(name).input_shape) for name in ARCHITECTURES]
        elif find_spec(source) is not None:
            for word in _NAMES[source].split():
                name, _, pixels = word.partition(":")
                found.append(Entry(name, source, (3, int(pixels or 64), int(pixels or 64))))
    return found


def entry(key: str) -> Entry:
    """The architecture of that key.

    Raises:
        KeyError: there is none.
    """
    return {one.key: one for one in entries()}[key]


def build(one: Entry) -> nn.Module:
    """The architecture in eval mode, with weights on which every channel matters; the same each time."""
    torch.manual_seed(0)
    module = _built(one).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.is_floating_point() and bool((parameter == parameter.reshape(-1)[0]).all()):
                parameter += 0.2 * torch.randn(parameter.shape)
        _calibrate(module, one)
    return module


def _catalogued(name: str) -> Architecture:
    large = (ARCHITECTURES[name].parameters or 0) > LARGEST
    return (SMALL_ARCHITECTURES if large else ARCHITECTURES)[name]


def _built(one: Entry) -> nn.Module:
    if one.source == OURS:
        return _catalogued(one.name).build()
    if one.source == TIMM:
        import timm

        module: nn.Module = timm.create_model(one.name, pretrained=False)
        return module
    from torchvision.models import get_model

    options = {"weights_backbone": None} if one.name.startswith(("fcn", "deeplab", "lraspp")) else {}
    options |= {"init_weights": False, "aux_logits": False} if one.name in ("googlenet", "inception_v3") else {}
    built: nn.Module = get_model(one.name, weights=None, **options)
    return built


def _calibrate(module: nn.Module, one: Entry) -> None:
    """Running statistics of batch normalisations from a few random batches."""
    norms = [child for child in module.modules() if isinstance(child, _BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = None
        norm.reset_running_stats()
    for _ in range(2 if norms else 0):
        module(torch.randn((8, *one.shape)))
    module.eval()
