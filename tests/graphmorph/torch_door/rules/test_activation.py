"""Activations: modules, functions and methods equal torch, in any batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn
from torch.nn import functional as F

from graphmorph.onnx_door import to_model
from graphmorph.torch_door import trace
from tests.graphmorph.torch_door.calling import calling, check_call
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers on both sides of every bend, and on it."""
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype) * 4
    values.view(-1)[:8] = torch.tensor([0.0, 0.5, -0.5, 3.0, -3.0, 6.0, 25.0, -25.0], dtype=dtype)
    return values


MODULES = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.SiLU(),
    nn.Mish(),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.Hardtanh(),
    nn.Hardtanh(-0.3, 2.5),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.LeakyReLU(),
    nn.LeakyReLU(0.3),
    nn.ELU(),
    nn.ELU(0.7),
    nn.CELU(),
    nn.CELU(1.7),
    nn.SELU(),
    nn.Softplus(),
    nn.Softplus(2.0, 3.0),
    nn.Softplus(0.5),
    nn.Softsign(),
    nn.LogSigmoid(),
    nn.Tanhshrink(),
    nn.Hardshrink(),
    nn.Hardshrink(0.1),
    nn.Softshrink(),
    nn.Softshrink(1.5),
    nn.Threshold(0.5, -2.0),
    nn.PReLU(),
    nn.PReLU(6),
    nn.RReLU(),
    nn.GLU(1),
    nn.Softmax(1),
    nn.Softmax(-1),
    nn.LogSoftmax(1),
    nn.Softmin(2),
    nn.Softmax2d(),
]


@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_modules_equal_torch(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.5, 0.9)
    check_lowering(module, numbers(2, 6, 3, 4))


@pytest.mark.parametrize(
    "module",
    [nn.ReLU(inplace=True), nn.ReLU6(True), nn.SiLU(True), nn.ELU(0.5, True), nn.Threshold(0.5, 1.0, True)],
    ids=repr,
)
def test_modules_in_place_equal_torch(module: nn.Module) -> None:
    check_lowering(nn.Sequential(nn.Sigmoid(), module), numbers(2, 6, 3))


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "relu": F.relu,
    "relu_": lambda x: F.relu_(x + 1),
    "torch.relu": torch.relu,
    "method relu": lambda x: x.relu(),
    "method relu_": lambda x: (x * 2).relu_(),
    "keyword": lambda x: F.relu(input=x, inplace=False),
    "numpy's keyword": lambda x: torch.relu(x=x),
    "relu6": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, max_val=0.5),
    "hardtanh_": lambda x: F.hardtanh_(x * 1.0, -2, 2),
    "sigmoid": lambda x: F.sigmoid(x) + torch.sigmoid(x) + x.sigmoid() + torch.special.expit(x),
    "tanh": lambda x: F.tanh(x) + torch.tanh(x) + x.tanh(),
    "silu": lambda x: F.silu(x),
    "mish": F.mish,
    "gelu": lambda x: F.gelu(x) + F.gelu(x, approximate="tanh"),
    "elu": lambda x: F.elu(x, 0.3),
    "celu": lambda x: F.celu(x, 0.3) + torch.celu(x),
    "selu": lambda x: F.selu(x) + torch.selu(x),
    "softplus": lambda x: F.softplus(x, beta=3, threshold=10),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "rrelu": lambda x: F.rrelu(x, 0.1, 0.4),
    "hardswish": lambda x: F.hardswish(x) + F.hardsigmoid(x),
    "threshold": lambda x: F.threshold(x, 0.1, 20.0),
    "hardshrink": lambda x: F.hardshrink(x, 0.7) + x.hardshrink() + F.softshrink(x, 0.2),
    "logsigmoid": F.logsigmoid,
    "softsign": lambda x: F.softsign(x) + F.tanhshrink(x),
    "glu": lambda x: F.glu(x) + F.glu(x, dim=-1),
    "prelu": lambda x: F.prelu(x, torch.full((6,), 0.25)),
    "softmax": lambda x: F.softmax(x, 1) + torch.softmax(x, dim=2) + x.softmax(-1) + torch.softmax(x, axis=1),
    "log_softmax": lambda x: F.log_softmax(x, 1) + torch.log_softmax(x, 1) + x.log_softmax(-1),
    "softmin": lambda x: F.softmin(x, dim=1),
    "softmax of another type": lambda x: F.softmax(x, 1, dtype=torch.float64),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_methods_equal_torch(name: str) -> None:
    check_call(FUNCTIONS[name], numbers(2, 6, 4))


@pytest.mark.parametrize(
    "module",
    [
        nn.LeakyReLU(0.01),
        nn.Hardswish(),
        nn.Hardsigmoid(),
        nn.Softplus(),
        nn.Softplus(2.0),
        nn.PReLU(),
        nn.ELU(),
        nn.Softshrink(0.7),
    ],
    ids=repr,
)
def test_double_precision_is_not_rounded_to_float32(module: nn.Module) -> None:
    """In ONNX's reference: onnxruntime has few of these for float64."""
    x = numbers(2, 6, 4, dtype=torch.float64)
    graph = trace(module.double(), x)
    (lowered,) = ReferenceEvaluator(to_model(graph)).run(None, {graph.inputs[0].name: x.numpy()})
    np.testing.assert_allclose(lowered, module(x).detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("module", "dtype", "reason"),
    [
        (nn.ELU(0.7), torch.float64, "0.7 is no float32"),
        (nn.SELU(), torch.float64, "constants of selu in float32"),
        (nn.CELU(0.7), torch.float64, "ONNX has it for float32"),
        (nn.RReLU().train(), torch.float32, "draws its slopes in training"),
        (nn.Softmax(), torch.float32, "torch guesses it from the rank"),
        (calling(lambda x: F.rrelu(x, training=True)), torch.float32, "draws its slopes in training"),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_what_is_not_exact_stays_opaque(module: nn.Module, dtype: torch.dtype, reason: str) -> None:
    graph = trace(module, numbers(2, 6, 4, dtype=dtype))
    assert [reason in found for found in opaque_reasons(graph)] == [True]


def test_prelu_slopes_belong_to_channels_of_images_and_of_rows() -> None:
    module = nn.PReLU(4)
    nn.init.uniform_(module.weight)
    for shape in ((2, 4), (2, 4, 4), (2, 4, 4, 4)):
        check_lowering(module, numbers(*shape))
