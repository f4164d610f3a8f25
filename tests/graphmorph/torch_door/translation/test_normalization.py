"""BatchNormalization and the normalisations by what is in one example."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.graphmorph.torch_door.translation.imported import check, import_text, layers, refusal
from tests.passes.text_models import norm

BATCH = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
TRAINED = "BatchNormalization<training_mode=1>(x, s, b, m, v)"


def axes(rank: int) -> str:
    return ",".join(["N", "4", "A", "B", "C"][:rank])


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize("rank", BATCH)
def test_batch_norm(rank: int, dtype: str) -> None:
    node = "y = BatchNormalization<epsilon=0.01, momentum=0.75>(x, s, b, m, v)"
    module = check(
        f"g (float[{axes(rank)}] x) => (float[{axes(rank)}] y) {{ {node} }}",
        norm(4),
        dtype=dtype,
        x=(3, 4, 2, 3, 2)[:rank],
    )
    made = module.get_submodule("y")
    assert type(made) is BATCH[rank]
    assert (made.momentum, made.training) == (0.25, False)
    assert sorted(dict(made.named_buffers())) == ["num_batches_tracked", "running_mean", "running_var"]


def test_batch_norm_of_six_axes_or_of_computed_statistics_is_a_function() -> None:
    text = "g (float[N,4,A,B,C,D] x) => (float[N,4,A,B,C,D] y) { y = BatchNormalization(x, s, b, m, v) }"
    assert layers(check(text, norm(4), x=(2, 4, 2, 1, 2, 1))) == []
    text = "g (float[N,4] x, float[4] s) => (float[N,4] y) { y = BatchNormalization(x, s, b, m, v) }"
    weights = {name: array for name, array in norm(4).items() if name != "s"}
    assert layers(check(text, weights, x=(3, 4), s=(4,))) == []


def test_batch_norm_in_training_takes_the_batch() -> None:
    text = f"g (float[N,4,H,W] x) => (float[N,4,H,W] y) {{ y, rm, rv = {TRAINED} }}"
    module = check(text, norm(4), x=(3, 4, 5, 5))
    made = module.get_submodule("y")
    assert made.training
    assert int(made.num_batches_tracked) == 1


def test_momentum_is_the_share_of_the_new_statistics() -> None:
    """ONNX: running = old * momentum + batch * (1 - momentum)."""
    text = f"g (float[N,4,H,W] x) => (float[N,4,H,W] y) {{ y, rm, rv = {TRAINED} }}"
    module, old = import_text(text, norm(4)), norm(4)["m"]
    x = np.random.default_rng(3).standard_normal((2, 4, 3, 3)).astype(np.float32)
    module(torch.from_numpy(x))
    expected = 0.9 * np.asarray(old) + 0.1 * x.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(module.get_submodule("y").running_mean.numpy(), expected, rtol=1e-5)


def test_statistics_as_outputs_are_refused() -> None:
    text = f"g (float[N,4,H,W] x) => (float[N,4,H,W] y, float[4] rm) {{ y, rm, rv = {TRAINED} }}"
    assert "rm is read, but nothing in the graph gives it" in refusal(text, norm(4))


def test_training_with_computed_parameters_is_refused() -> None:
    text = f"g (float[N,4] x, float[4] s) => (float[N,4] y) {{ y, rm, rv = {TRAINED} }}"
    weights = {name: array for name, array in norm(4).items() if name != "s"}
    assert "node y (BatchNormalization)" in refusal(text, weights)


@pytest.mark.parametrize("dtype", ["float", "double"])
@pytest.mark.parametrize(("rank", "name"), [(3, "InstanceNorm1d"), (4, "InstanceNorm2d"), (5, "InstanceNorm3d")])
def test_instance_norm(rank: int, name: str, dtype: str) -> None:
    text = f"g (float[{axes(rank)}] x) => (float[{axes(rank)}] y) {{ y = InstanceNormalization<epsilon=0.1>(x, s, b) }}"
    module = check(text, {"s": (4,), "b": (4,)}, dtype=dtype, x=(3, 4, 5, 3, 2)[:rank])
    assert type(module.get_submodule("y")).__name__ == name


def test_instance_norm_of_single_elements() -> None:
    """torch's own module raises an error there."""
    text = "g (float[N,4,1,1] x) => (float[N,4,1,1] y) { y = InstanceNormalization(x, s, b) }"
    assert layers(check(text, {"s": (4,), "b": (4,)}, x=(3, 4, 1, 1))) == [
        "GroupNorm(4, 4, eps=1e-05, affine=True, bias=True)"
    ]


def test_instance_norm_with_computed_scale() -> None:
    text = "g (float[N,4,H] x, float[4] s) => (float[N,4,H] y) { y = InstanceNormalization(x, s, b) }"
    assert layers(check(text, {"b": (4,)}, x=(3, 4, 6), s=(4,))) == []


@pytest.mark.parametrize("constant", [True, False])
def test_group_norm(constant: bool) -> None:
    given = "" if constant else ", float[6] s"
    text = f"g (float[N,6,H] x{given}) => (float[N,6,H] y) {{ y = GroupNormalization<num_groups=3>(x, s, b) }}"
    weights = {"s": (6,), "b": (6,)} if constant else {"b": (6,)}
    feeds = {"x": (2, 6, 5)} if constant else {"x": (2, 6, 5), "s": (6,)}
    module = check(text, weights, opset=21, **feeds)
    assert len(layers(module)) == constant


@pytest.mark.parametrize("axis", [-1, 2, -2, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm(axis: int, bias: bool) -> None:
    shape = (3, 4, 5)[axis:]
    node = f"y = LayerNormalization<axis={axis}>(x, s{', b' if bias else ''})"
    weights = {"s": shape} | ({"b": shape} if bias else {})
    module = check(f"g (float[3,4,5] x) => (float[3,4,5] y) {{ {node} }}", weights, x=(3, 4, 5))
    assert isinstance(module.get_submodule("y"), nn.LayerNorm)


def test_layer_norm_with_computed_scale() -> None:
    text = "g (float[N,4] x, float[4] s) => (float[N,4] y) { y = LayerNormalization(x, s, b) }"
    assert layers(check(text, {"b": (4,)}, x=(3, 4), s=(4,))) == []


def test_rms_norm() -> None:
    text = "g (float[N,3,4] x) => (float[N,3,4] y) { y = RMSNormalization<epsilon=0.1>(x, s) }"
    module = check(text, {"s": (4,)}, opset=23, x=(2, 3, 4))
    assert isinstance(module.get_submodule("y"), nn.RMSNorm)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((1,), "is broadcast along axis -1"), ((3, 4), "but 1 axes are normalised")],
)
def test_a_scale_that_is_broadcast_is_refused(shape: tuple[int, ...], reason: str) -> None:
    text = "g (float[N,3,4] x) => (float[N,3,4] y) { y = LayerNormalization(x, s) }"
    assert reason in refusal(text, {"s": shape})


def test_mean_as_an_output_is_refused() -> None:
    text = "g (float[N,4] x) => (float[N,4] y, float[N,1] m) { y, m = LayerNormalization(x, s) }"
    assert "gives mean or deviation" in refusal(text, {"s": (4,)})


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_norm(size: int) -> None:
    text = f"g (float[N,7,H,W] x) => (float[N,7,H,W] y) {{ y = LRN<size={size}, alpha=0.5, beta=0.6, bias=2.0>(x) }}"
    check(text, x=(2, 7, 3, 3))


def test_an_even_local_response_norm_is_refused() -> None:
    assert "size 4 is even" in refusal("g (float[N,7,H,W] x) => (float[N,7,H,W] y) { y = LRN<size=4>(x) }")


@pytest.mark.parametrize("p", [1, 2])
def test_lp_normalization(p: int) -> None:
    text = f"g (float[N,5] x) => (float[N,5] y) {{ y = LpNormalization<axis=1, p={p}>(x) }}"
    check(text, opset=22, x=np.array([[1, -2, 0, 4, 1e-20], [0, 0, 0, 0, 0]], np.float32))
