"""Activations, Clip and Dropout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.graphmorph.torch_door.translation.imported import check, compare, import_text, layers, refusal, run_torch

X = np.concatenate([np.linspace(-9, 9, 43), [-60.0, 60.0, 0.5, -0.5]])
IDENTITY = "g (float[N] x) => (float[N] y)"

MODULES = {
    "Relu": nn.ReLU,
    "Sigmoid": nn.Sigmoid,
    "Tanh": nn.Tanh,
    "Softsign": nn.Softsign,
    "Softplus": nn.Softplus,
    "HardSwish": nn.Hardswish,
    "Mish": nn.Mish,
    "LeakyRelu": nn.LeakyReLU,
    "LeakyRelu<alpha=0.3>": nn.LeakyReLU,
    "Elu": nn.ELU,
    "Elu<alpha=0.3>": nn.ELU,
    "Celu": nn.CELU,
    "Celu<alpha=0.3>": nn.CELU,
    "Selu": nn.SELU,
    "Selu<alpha=1.2, gamma=0.7>": None,
    "HardSigmoid": None,
    "HardSigmoid<alpha=0.16666667>": nn.Hardsigmoid,
    "HardSigmoid<alpha=0.3, beta=0.6>": None,
    "Gelu": nn.GELU,
    'Gelu<approximate="tanh">': nn.GELU,
    "ThresholdedRelu": nn.Threshold,
    "ThresholdedRelu<alpha=0.5>": nn.Threshold,
    "Shrink": nn.Hardshrink,
    "Shrink<lambd=0.7, bias=0.7>": nn.Softshrink,
}


@pytest.mark.parametrize(
    ("node", "dtype"),
    [(node, dtype) for node in MODULES for dtype in ("float", "double") if (node[:4], dtype) != ("Celu", "double")],
)
def test_activations(node: str, dtype: str) -> None:
    """In double precision both evaluators still compute constants, or all, in single precision."""
    op, _, attributes = node.partition("<")
    call = f"{op}<{attributes}(x)" if attributes else f"{op}(x)"
    x = X.astype({"float": np.float32, "double": np.float64}[dtype])
    made = list(check(f"{IDENTITY} {{ y = {call} }}", dtype=dtype, tolerance=2e-6, x=x).children())
    assert [type(one) for one in made] == ([] if MODULES[node] is None else [MODULES[node]])


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_swish(alpha: float) -> None:
    """Neither onnxruntime nor onnx's evaluator has it in every version: by its formula."""
    module = import_text(f"{IDENTITY} {{ y = Swish<alpha={alpha}>(x) }}", opset=24)
    compare(run_torch(module, X), [X / (1 + np.exp(-alpha * X))], 1e-12)


def test_softplus_near_the_threshold_in_double_precision() -> None:
    """torch writes x from the threshold on, so the default one would be wrong by 2e-9 at 20.5."""
    x = np.linspace(19, 41, 45)
    compare(
        run_torch(import_text(f"{IDENTITY.replace('float', 'double')} {{ y = Softplus(x) }}"), x),
        [np.logaddexp(x, 0)],
        1e-15,
    )


def test_a_shrinkage_that_is_neither_hard_nor_soft_is_refused() -> None:
    assert "neither hard nor soft" in refusal(f"{IDENTITY} {{ y = Shrink<lambd=0.7, bias=0.2>(x) }}")


@pytest.mark.parametrize(
    ("dims", "slope", "count"),
    [("N,4,H,W", (4, 1, 1), 4), ("N,4,H,W", (1, 4, 1, 1), 4), ("N,4", (4,), 4), ("N,4,H", (1,), 1), ("N,4,H", (), 1)],
)
def test_prelu_with_a_slope_a_channel(dims: str, slope: tuple[int, ...], count: int) -> None:
    shape = tuple({"N": 2, "4": 4, "H": 3, "W": 5}[dim] for dim in dims.split(","))
    module = check(f"g (float[{dims}] x) => (float[{dims}] y) {{ y = PRelu(x, s) }}", {"s": slope}, x=shape)
    assert layers(module) == [f"PReLU(num_parameters={count})"]
    assert module.get_parameter("y.weight").shape == (count,)


@pytest.mark.parametrize(("dims", "slope"), [("N,4,3", (3,)), ("N,4,3", (4, 3)), ("N,3,4,5", (4, 1))])
def test_prelu_along_other_axes_is_a_function(dims: str, slope: tuple[int, ...]) -> None:
    shape = tuple(2 if dim == "N" else int(dim) for dim in dims.split(","))
    assert layers(check(f"g (float[{dims}] x) => (float[{dims}] y) {{ y = PRelu(x, s) }}", {"s": slope}, x=shape)) == []


def test_prelu_with_a_computed_slope() -> None:
    assert layers(check("g (float[N,4] x, float[4] s) => (float[N,4] y) { y = PRelu(x, s) }", x=(3, 4), s=(4,))) == []


@pytest.mark.parametrize(
    ("low", "high", "module"),
    [
        (0.0, 6.0, ["ReLU6()"]),
        (-1.0, 0.5, ["Hardtanh(min_val=-1.0, max_val=0.5)"]),
        (0.0, None, []),
        (None, 1.0, []),
        (2.0, 1.0, []),
    ],
)
def test_clip_by_constants(low: float | None, high: float | None, module: list[str]) -> None:
    bounds = {"l": low, "h": high}
    weights = {name: np.asarray(value, np.float32) for name, value in bounds.items() if value is not None}
    node = f"Clip(x, {'l' if low is not None else ''}{', h' if high is not None else ''})"
    assert layers(check(f"{IDENTITY} {{ y = {node} }}", weights, x=X.astype(np.float32))) == module


def test_clip_of_integers_and_by_computed_bounds() -> None:
    x = np.arange(-5, 9)
    weights = {"l": np.asarray(0), "h": np.asarray(6)}
    assert layers(check("g (int64[N] x) => (int64[N] y) { y = Clip(x, l, h) }", weights, x=x)) == []
    low, high = np.asarray(-1, np.float32), np.asarray(2, np.float32)
    text = "g (float[N] x, float l) => (float[N] y) { y = Clip(x, l, h) }"
    check(text, {"h": high}, x=X.astype(np.float32), l=low)
    check("g (float[N] x, float h) => (float[N] y) { y = Clip(x, , h) }", x=X.astype(np.float32), h=high)


def test_clip_by_attributes() -> None:
    check(f"{IDENTITY} {{ y = Clip<min=-1.0, max=1.5>(x) }}", opset=10, x=X.astype(np.float32))
    check(f"{IDENTITY} {{ y = Clip(x) }}", opset=10, x=X.astype(np.float32))


def test_dropout_in_evaluation() -> None:
    module = check(f"{IDENTITY} {{ y = Dropout(x, r) }}", {"r": np.float32(0.3) * np.ones((), np.float32)}, x=(5,))
    made = module.get_submodule("y")
    assert isinstance(made, nn.Dropout)
    assert (round(made.p, 6), made.training) == (0.3, False)


def test_dropout_in_training_drops() -> None:
    weights = {"r": np.asarray(0.25, np.float32), "t": np.asarray(True)}
    module = import_text("g (float[N] x) => (float[N] y) { y = Dropout(x, r, t) }", weights)
    torch.manual_seed(0)
    result = module(torch.ones(4000))
    assert sorted(set(result.tolist())) == [0.0, pytest.approx(4 / 3)]
    assert abs(float((result == 0).float().mean()) - 0.25) < 0.03


def test_dropout_before_it_had_a_mode() -> None:
    check(f"{IDENTITY} {{ y = Dropout<ratio=0.9>(x) }}", opset=10, x=(5,))


def test_the_mask_of_a_dropout() -> None:
    text = "g (float[N] x) => (float[N] y, bool[N] m) { y, m = Dropout(x) }"
    check(text, x=(5,))
    weights = {"r": np.asarray(0.25, np.float32), "t": np.asarray(True)}
    assert "its mask is an output" in refusal(text.replace("Dropout(x)", "Dropout(x, r, t)"), weights)
