"""What the lowering writes, the translation reads: traced modules of which no site is left intact."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.graph import Graph
from graphmorph.torch_door import materialise, trace

X = (2, 6, 8, 8)


class Computes(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


MODULES: dict[str, nn.Module] = {
    "conv": nn.Conv2d(6, 4, 3, stride=2, padding=(1, 2), groups=2, dilation=2),
    "conv, same": nn.Conv2d(6, 4, 4, padding="same", dilation=2),
    "conv, circular": nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular"),
    "conv transposed": nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1),
    "batch norm": nn.BatchNorm2d(6),
    "batch norm without parameters": nn.BatchNorm2d(6, affine=False),
    "group norm": nn.GroupNorm(3, 6),
    "instance norm": nn.InstanceNorm2d(6),
    "instance norm with parameters": nn.InstanceNorm2d(6, affine=True),
    "layer norm": nn.LayerNorm([8, 8]),
    "rms norm": nn.RMSNorm(8),
    "local response norm": nn.LocalResponseNorm(3),
    "linear": nn.Linear(8, 5),
    "linear without bias": nn.Linear(8, 5, bias=False),
    "mlp": nn.Sequential(nn.Flatten(), nn.Linear(384, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 3)),
    "max pool": nn.MaxPool2d(3, 2, 1),
    "max pool, ceil": nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "average pool": nn.AvgPool2d(3, 2, 1),
    "average pool, ceil, not counted": nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive pools": nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.AdaptiveMaxPool2d(1)),
    "pixel shuffle": nn.Sequential(nn.PixelUnshuffle(2), nn.PixelShuffle(2)),
    "upsample": nn.Sequential(nn.Upsample(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2)),
    "upsample, bicubic": nn.Upsample(scale_factor=2, mode="bicubic"),
    "pads": nn.Sequential(nn.ReflectionPad2d(1), nn.ReplicationPad2d(2), nn.ConstantPad2d((1, -1, 0, 2), 0.5)),
    "prelu": nn.PReLU(6),
    "activations": nn.Sequential(nn.GELU(), nn.SiLU(), nn.Hardswish(), nn.ELU(), nn.Mish(), nn.Softplus(), nn.ReLU6()),
    "more activations": nn.Sequential(nn.SELU(), nn.CELU(0.5), nn.Hardsigmoid(), nn.Softsign(), nn.LogSigmoid()),
    "thresholds": nn.Sequential(nn.Hardtanh(-2, 0.5), nn.LeakyReLU(0.2), nn.Hardshrink(), nn.Softshrink(0.1)),
    "attention": Computes(lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
    "softmaxes": Computes(lambda x: x.softmax(1) + F.log_softmax(x, -1)),
    "reductions": Computes(lambda x: x.mean((2, 3), keepdim=True) + x.sum(1, keepdim=True) - x.amax(-1, keepdim=True)),
    "statistics": Computes(lambda x: x.var(1) + x.std(1) + x.norm(dim=1) + x.logsumexp(1)),
    "indices": Computes(lambda x: x[:, 1:5:2, None, ..., -3:] + x[:, 2].unsqueeze(1).unsqueeze(1)[..., :3]),
    "backwards": Computes(lambda x: x.flip(1, 2).roll(3, -1)),
    "parts": Computes(lambda x: torch.cat([x.chunk(2, 1)[1], x.split([1, 5], 1)[0]], 1)),
    "stack": Computes(lambda x: torch.stack(x.unbind(1)[:2], -1)),
    "axes": Computes(lambda x: x.permute(0, 2, 3, 1).transpose(1, 2).reshape(x.size(0), -1, 6).movedim(1, 2)),
    "copies": Computes(lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1).repeat(1, 2, 1, 1)),
    "logic": Computes(lambda x: torch.where((x > 0) & ~(x >= 1), x, -x.abs()).clamp(max=0.7)),
    "arithmetic": Computes(lambda x: (2 - x) / (x * x + 1) + x.abs().sqrt() ** 1.5 - torch.maximum(x, -x).exp().log()),
    "matrices": Computes(lambda x: x @ x.mT + torch.einsum("bchw,bcwv->bchv", x, x)),
    "sums": Computes(lambda x: x.cumsum(1) + x.argmax(1, keepdim=True)),
    "triangles": Computes(lambda x: x.triu() + x.tril(-1).to(torch.float32)),
}


def with_other_names(graph: Graph) -> Graph:
    """The same graph, in which no node is the one that was traced."""
    for node in graph.nodes:
        node.name += "_again"
    return graph


@pytest.mark.parametrize("name", MODULES)
def test_every_site_is_translated(name: str) -> None:
    torch.manual_seed(0)
    module, x = nn.Sequential(MODULES[name]).eval(), torch.randn(X)
    expected = module(x)
    again = materialise(with_other_names(trace(module, (x,))))
    torch.testing.assert_close(again(x), expected, rtol=1e-5, atol=1e-5)
    larger = torch.randn(3, *X[1:])
    torch.testing.assert_close(again(larger), module(larger), rtol=1e-5, atol=1e-5)


def test_embedding() -> None:
    module, indices = nn.Embedding(7, 3), torch.tensor([[0, 6], [2, 2]])
    again = materialise(with_other_names(trace(module, (indices,))))
    torch.testing.assert_close(again(indices), module(indices))
