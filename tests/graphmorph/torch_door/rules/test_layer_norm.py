"""LayerNorm and RMSNorm: torch against the lowered graph in onnxruntime."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graphmorph.torch_door.calling import check_call, operators, refused, specialised


def drawn(*sizes: int) -> torch.Tensor:
    return torch.randn(sizes, generator=torch.Generator().manual_seed(0))


def randomised(module: nn.Module) -> nn.Module:
    for seed, parameter in enumerate(module.parameters()):
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
    return module


@pytest.mark.parametrize("shape", [(5,), (4, 5), (3, 4, 5)])
@pytest.mark.parametrize("affine", [{}, {"bias": False}, {"elementwise_affine": False}, {"eps": 0.1}])
def test_layer_norm_module(shape, affine):
    graph = check_call(randomised(nn.LayerNorm(shape, **affine)), drawn(2, 3, 4, 5))
    assert operators(graph) == ["LayerNormalization"]
    assert not specialised(graph)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.layer_norm(x, (4, 5)),
        lambda x: F.layer_norm(x, [5], eps=0.5),
        lambda x: torch.layer_norm(x, (5,), None, None, 1e-3, False),
        lambda x: F.layer_norm(x, (5,), bias=torch.arange(5.0)),
        lambda x: F.layer_norm(input=x, normalized_shape=(5,), weight=torch.arange(5.0)),
    ],
)
def test_layer_norm_functions(function):
    check_call(function, drawn(2, 3, 4, 5))


def test_layer_norm_of_a_traced_shape_is_specialised():
    assert specialised(check_call(lambda x: F.layer_norm(x, x.shape[2:]), drawn(2, 3, 4, 5)))


def test_layer_norm_over_the_batch_is_refused():
    assert "follows the size of the batch" in refused(lambda x: F.layer_norm(x, x.shape), drawn(2, 3))


def test_layer_norm_in_two_types_is_refused():
    half = torch.ones(5)
    reason = refused(lambda x: F.layer_norm(x, (5,), half, half), drawn(2, 5).bfloat16())
    assert "mixes element types" in reason


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
@pytest.mark.parametrize("settings", [{}, {"eps": 0.1}, {"elementwise_affine": False}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rms_norm_module(shape, settings, dtype):
    module = randomised(nn.RMSNorm(shape, **settings)).to(dtype)
    graph = check_call(module, drawn(2, 3, 4, 5).to(dtype))
    assert "Cast" not in operators(graph)


@pytest.mark.parametrize("function", [F.rms_norm, torch.rms_norm])
def test_rms_norm_functions(function):
    check_call(lambda x: function(x, (5,), None, 0.2), drawn(2, 3, 5))
    check_call(lambda x: function(x, [5], weight=torch.arange(5.0)), drawn(2, 3, 5))


def test_rms_norm_of_half_precision_is_computed_in_float32():
    tiny = drawn(2, 3, 5).half() * 1e-3  # with float16's epsilon the result would be 30 times smaller
    graph = check_call(lambda x: F.rms_norm(x, (5,)), tiny, tolerance=2e-3)
    assert operators(graph)[0] == "Cast"
