"""Net2DeeperNet: exact behind what is not negative, refused elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.errors import RefusedError
from graphmorph.layer_insertion.identity_layer import identity_layer, is_not_negative
from graphmorph.layer_insertion.place import place_behind
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion.inserted_text import change_of_outputs, facts_of

HEAD = "g (float[N,3,8,8] x) => (float[N,4,A,B] y)"


def net2deeper(**options: Any) -> LayerSettings:
    return LayerSettings(algorithm="net2deeper", **options)


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 5), (4, 2)])
@pytest.mark.parametrize("after", ["r", "p"])
def test_nothing_changes_behind_relu_and_pooling(kernel: tuple[int, ...], after: str, runtime: Runtime) -> None:
    body = "r = Relu(x) p = MaxPool<kernel_shape=[2,2],strides=[2,2]>(r) y = Conv<pads=[1,1,1,1]>(p, w, b)"
    facts = facts_of(runtime, f"{HEAD} {{ {body} }}", {"w": (4, 3, 3, 3), "b": (4,)})
    place = place_behind(after, facts)
    layer = identity_layer(place, net2deeper(), kernel, facts)
    assert layer.first.channels == layer.redundant == 3
    assert layer.first.weight.sum() == 3
    assert layer.next_bias is None
    assert change_of_outputs(facts, place, layer, (2, 3, 8, 8)) == 0.0


@pytest.mark.parametrize(
    ("text", "weights", "shape"),
    [
        ("g (float[N,6] x) => (float[N,4] y) { r = Relu(x) y = Gemm(r, w, b) }", {"w": (6, 4), "b": (4,)}, (5, 6)),
        ("g (float[N,T,6] x) => (float[N,T,4] y) { r = Relu(x) y = MatMul(r, w) }", {"w": (6, 4)}, (2, 3, 6)),
        (
            "g (float[N,3,4,4] x) => (float[N,4] y) { r = Relu(x) f = Flatten(r) y = Gemm(f, w) }",
            {"w": (48, 4)},
            (2, 3, 4, 4),
        ),
    ],
    ids=["dense", "tokens", "flatten"],
)
def test_products(text: str, weights: Any, shape: tuple[int, ...], runtime: Runtime) -> None:
    facts = facts_of(runtime, text, weights)
    place = place_behind("r", facts)
    layer = identity_layer(place, net2deeper(channels=place.channels), (3,) * place.spatial, facts)
    assert change_of_outputs(facts, place, layer, shape) == 0.0


def test_a_path_between_that_is_not_linear_does_no_harm(runtime: Runtime) -> None:
    text = f"{HEAD} {{ r = Relu(x) p = MaxPool<kernel_shape=[2,2]>(r) t = Tanh(p) y = Conv(t, w) }}"
    facts = facts_of(runtime, text, {"w": (4, 3, 3, 3)})
    place = place_behind("r", facts)
    layer = identity_layer(place, net2deeper(), (3, 3), facts)
    assert change_of_outputs(facts, place, layer, (2, 3, 8, 8)) == 0.0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activation": "tanh"}, "does nothing the second time: relu, not tanh"),
        ({"activation": "leaky-relu"}, "does nothing the second time: relu, not leaky-relu"),
        ({"channels": 4}, "as wide as what it reads: 3 channels, not 4"),
    ],
)
def test_other_functions_and_widths_are_refused(options: dict[str, Any], reason: str, runtime: Runtime) -> None:
    facts = facts_of(runtime, f"{HEAD} {{ r = Relu(x) y = Conv(r, w) }}", {"w": (4, 3, 3, 3)})
    with pytest.raises(RefusedError, match=reason):
        identity_layer(place_behind("r", facts), net2deeper(**options), (3, 3), facts)


@pytest.mark.parametrize("op", ["LeakyRelu", "Tanh", "Identity", "Neg", "Gelu"])
def test_behind_what_may_be_negative_it_is_refused(op: str, runtime: Runtime) -> None:
    facts = facts_of(runtime, f"{HEAD} {{ r = {op}(x) y = Conv(r, w) }}", {"w": (4, 3, 3, 3)}, opset=20)
    with pytest.raises(RefusedError, match=r"r may be negative, .* goes behind a relu"):
        identity_layer(place_behind("r", facts), net2deeper(), (3, 3), facts)


CLIPS = {"zero": np.array(0.0), "six": np.array(6.0), "below": np.array(-1.0)}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("t = Relu(x)", True),
        ("t = Sigmoid(x)", True),
        ("a = Neg(x) t = Abs(a)", True),
        ("a = Relu(x) b = Sigmoid(x) t = Concat<axis=1>(a, b)", True),
        ("a = Relu(x) b = Tanh(x) t = Concat<axis=1>(a, b)", False),
        ("t = Clip(x, zero, six)", True),
        ("t = Clip(x, below, six)", False),
        ("t = Clip(x, , six)", False),
        ("a = Relu(x) b = Dropout(a) c = Transpose<perm=[0,1,3,2]>(b) t = GlobalAveragePool(c)", True),
        ("a = Relu(x) t = Add(a, a)", False),
        ("a = Relu(x) t = Neg(a)", False),
        ("t = Identity(x)", False),
    ],
)
def test_what_is_not_negative(steps: str, expected: bool, runtime: Runtime) -> None:
    text = f"g (float[N,3,8,8] x) => (float[N,C,A,B] y) {{ {steps} y = Identity(t) }}"
    assert is_not_negative("t", facts_of(runtime, text, CLIPS)) == expected


def test_a_bound_of_clip_that_is_computed_is_not_known(runtime: Runtime) -> None:
    text = "g (float[N,3] x, float low) => (float[N,3] y) { t = Clip(x, low) y = Identity(t) }"
    assert not is_not_negative("t", facts_of(runtime, text, {}))
