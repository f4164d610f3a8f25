"""Where a layer can go: every way from a tensor to a layer, and the reason for every way that is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphmorph.errors import RefusedError, UsageError
from graphmorph.layer_insertion.place import Place, place_behind, places
from graphmorph.runtime import Runtime
from tests.graphmorph.layer_insertion.inserted_text import facts_of

IMAGE = "g (float[N,3,8,8] x) => (float[N,4,A,B] y)"
ROW = "g (float[N,3,4,4] x) => (float[N,4] y)"
WEIGHTS: dict[str, Any] = {
    "w": (4, 3, 3, 3),
    "b": (4,),
    "flat": (48, 4),
    "mean": (3, 4),
    "to": np.array([0, 48]),
    "axes": np.array([2, 3]),
}


def place(text: str, runtime: Runtime, weights: Any = None, after: str = "t", before: str | None = None) -> Place:
    return place_behind(after, facts_of(runtime, text, weights or WEIGHTS), before)


CONVOLUTIONS = [
    ("y = Conv(t, w)", []),
    ("y = Conv<strides=[2,2],dilations=[2,1],pads=[1,0,0,1]>(t, w, b)", []),
    ("a = LeakyRelu(t) m = MaxPool<kernel_shape=[2,2]>(a) y = Conv(m, w, b)", ["LeakyRelu", "MaxPool"]),
    ("d = Dropout(t) m = AveragePool<kernel_shape=[2,2]>(d) y = Conv(m, w)", ["Dropout", "AveragePool"]),
]


@pytest.mark.parametrize(("body", "ops"), CONVOLUTIONS)
def test_before_a_convolution(body: str, ops: list[str], runtime: Runtime) -> None:
    found = place(f"{IMAGE} {{ t = Relu(x) {body} }}", runtime)
    assert (found.kind, found.after, found.channels, found.spatial, found.axis) == ("convolution", "t", 3, 2, 1)
    assert [node.op for node in found.path] == ops
    assert found.reader is (found.path[0] if ops else found.next_layer.node)
    assert found.next_layer.outputs == 4
    assert found.next_layer.kernel == (3, 3)
    assert found.next_layer.output == "y"
    assert found.next_layer.matrix().shape == (27, 4)


ROWS = [
    ("f = Flatten(t) y = Gemm(f, flat, b)", 48),
    ("r = Relu(t) f = Reshape(r, to) y = MatMul(f, flat)", 48),
    ("p = GlobalAveragePool(t) f = Flatten(p) y = Gemm(f, mean, b)", 3),
    ("p = GlobalAveragePool(t) f = Squeeze(p, axes) y = Gemm(f, mean, b)", 3),
    ("f = ReduceMean<axes=[2,3],keepdims=0>(t) y = MatMul(f, mean)", 3),
    ("f = ReduceMax<axes=[-1,-2]>(t) r = Flatten(f) y = MatMul(r, mean)", 3),
]


@pytest.mark.parametrize(("body", "columns"), ROWS)
def test_before_a_product_that_reads_positions_in_a_row(body: str, columns: int, runtime: Runtime) -> None:
    found = place(f"{ROW} {{ t = Relu(x) {body} }}", runtime)
    assert (found.kind, found.channels, found.spatial) == ("convolution", 3, 2)
    assert found.next_layer.matrix().shape == (columns, 4)


@pytest.mark.parametrize(
    ("text", "kind", "biased"),
    [
        ("g (float[N,3] x) => (float[N,4] y) { t = Relu(x) y = Gemm(t, mean, b) }", "dense", True),
        ("g (float[N,3] x) => (float[N,4] y) { t = Relu(x) y = MatMul(t, mean) }", "dense", False),
        ("g (float[N,3] x) => (float[N,4] y) { t = Relu(x) s = Tanh(t) y = MatMul(s, mean) }", "dense", False),
        ("g (float[N,T,3] x) => (float[N,T,4] y) { t = Relu(x) m = MatMul(t, mean) y = Add(m, b) }", "tokens", True),
        ("g (float[N,T,3] x) => (float[N,T,4] y) { t = Relu(x) m = MatMul(t, mean) y = Add(b, m) }", "tokens", True),
        ("g (float[N,T,3] x) => (float[N,T,4] y) { t = Relu(x) s = Tanh(t) y = MatMul(s, mean) }", "tokens", False),
        ("g (float[N,U,T,3] x) => (float[N,U,T,4] y) { t = Relu(x) y = MatMul(t, mean) }", "tokens", False),
    ],
)
def test_before_a_product(text: str, kind: str, biased: bool, runtime: Runtime) -> None:
    found = place(text, runtime)
    assert (found.kind, found.channels, found.spatial) == (kind, 3, 0)
    assert found.axis == (-1 if kind == "tokens" else 1)
    layer = found.next_layer
    assert (layer.bias is not None, layer.output, layer.outputs) == (biased, "y", 4)
    assert layer.takes_bias == biased
    assert (layer.bias_node is not None) == ("Add" in text)
    values = layer.bias_values()
    assert (values is not None) == biased
    assert values is None or values.shape == (4,)


@pytest.mark.parametrize(
    ("body", "weight"),
    [
        ("y = Conv(t, w)", (4, 3, 3, 3)),
        ("f = Flatten(t) y = Gemm<transB=1>(f, w)", (4, 192)),
        ("f = Flatten(t) y = Gemm(f, w)", (192, 4)),
        ("f = Flatten(t) y = MatMul(f, w)", (192, 4)),
    ],
)
def test_weights_as_a_matrix_and_back(body: str, weight: tuple[int, ...], runtime: Runtime) -> None:
    head = IMAGE if "Conv" in body else "g (float[N,3,8,8] x) => (float[N,4] y)"
    layer = place(f"{head} {{ t = Relu(x) {body} }}", runtime, {"w": weight}).next_layer
    matrix = layer.matrix()
    assert matrix.shape == (int(np.prod(weight)) // 4, 4)
    np.testing.assert_array_equal(layer.weight_of(matrix), layer.weight.values)
    wider = layer.weight_of(np.concatenate([matrix, matrix]))
    axis = 0 if weight[0] != 4 else 1
    np.testing.assert_array_equal(wider, np.concatenate([layer.weight.values] * 2, axis))


REFUSED = [
    (IMAGE, "y = Conv<group=3>(t, d)", "has groups"),
    (IMAGE, 'y = Conv<auto_pad="SAME_UPPER">(t, w)', "pads by itself"),
    (IMAGE, "y = ConvTranspose(t, u)", "does not treat channels alike"),
    (IMAGE, "s = Softmax(t) y = Conv(s, w)", "Softmax s is not a layer"),
    (IMAGE, "s = Relu(t) q = Conv(s, w) z = Relu(s) v = Sigmoid(z) y = Mul(v, q)", "Relu s gives is read by 2 nodes"),
    (IMAGE, "k = Relu(w) y = Conv(t, k)", "constant weights"),
    (ROW, "f = Flatten(t) y = Gemm<alpha=0.5>(f, flat, b)", "scaled by alpha or beta"),
    (ROW, "f = Flatten(t) y = Gemm<beta=2.0>(f, flat, b)", "scaled by alpha or beta"),
    (ROW, "f = Flatten(t) y = Gemm(f, flat, one)", "shared by its outputs"),
    ("g (float[3,N] x) => (float[N,4] y)", "y = Gemm<transA=1>(t, mean, b)", "transposes what it reads"),
    ("g (float[N,3] x) => (float[M,N] y)", "y = MatMul(left, t)", "does not read it as a layer"),
    ("g (float[2,T,3] x) => (float[2,T,4] y)", "y = MatMul(t, several)", "several matrices"),
    (
        "g (float[N,3,7] x) => (float[N,3,4] y)",
        "p = MaxPool<kernel_shape=[5]>(t) y = MatMul(p, mean)",
        "not on the last",
    ),
    ("g (float[N,3,4,4] x) => (float[N,3,1,4] y)", "p = GlobalAveragePool(t) y = MatMul(p, one4)", "not on the last"),
    (
        "g (float[N,5,3,4] x) => (float[N,5,4] y)",
        "p = ReduceMean<axes=[3],keepdims=0>(t) y = MatMul(p, mean)",
        "not on",
    ),
    ("g (float[N,C,8,8] x) => (float[N,4,A,B] y)", "y = Conv(t, w)", "number of channels of t is not known"),
]
MORE = {
    "d": (3, 1, 3, 3),
    "u": (3, 4, 3, 3),
    "one": (1,),
    "one4": (1, 4),
    "left": (6, 5),
    "several": (2, 3, 4),
}


@pytest.mark.parametrize(("head", "body", "reason"), REFUSED)
def test_ways_that_lead_to_no_layer(head: str, body: str, reason: str, runtime: Runtime) -> None:
    with pytest.raises(RefusedError, match="no layer can be inserted after t") as refused:
        place(f"{head} {{ t = Relu(x) {body} }}", runtime, {**WEIGHTS, **MORE})
    assert reason in str(refused.value)


def test_a_tensor_that_is_an_output_on_the_way(runtime: Runtime) -> None:
    text = f"{IMAGE[:-1]}, float[N,3,8,8] s) {{ t = Relu(x) s = Sigmoid(t) y = Conv(s, w) }}"
    with pytest.raises(RefusedError, match="or is an output"):
        place(text, runtime)


def test_behind_the_last_tensor_there_is_no_place(runtime: Runtime) -> None:
    with pytest.raises(RefusedError, match="nothing reads it"):
        place(f"{IMAGE} {{ y = Conv(x, w) }}", runtime, after="y")


def test_a_tensor_of_too_many_axes(runtime: Runtime) -> None:
    text = "g (float[N,3,2,2,2,2] x) => (float[N,4] y) { t = Relu(x) f = Flatten(t) y = MatMul(f, flat) }"
    with pytest.raises(RefusedError, match="a tensor of 6 axes"):
        place(text, runtime)


TWO = "g (float[N,3,8,8] x) => (float[N,4,A,B] y, float[N,4,A,B] z)"


def test_several_layers_that_read_a_tensor(runtime: Runtime) -> None:
    text = f"{TWO} {{ t = Relu(x) y = Conv(t, w) s = Tanh(t) z = Conv(s, w) }}"
    with pytest.raises(UsageError, match="several layers read t: y, z; say before which"):
        place(text, runtime)
    assert place(text, runtime, before="z").path[0].op == "Tanh"
    assert place(text, runtime, before="y").path == ()
    with pytest.raises(UsageError, match="no layer q reads t so that one could go between; those that do: y, z"):
        place(text, runtime, before="q")


def test_another_reader_that_is_no_layer_is_no_hindrance(runtime: Runtime) -> None:
    text = f"{TWO} {{ t = Relu(x) y = Conv(t, w) s = Softmax(t) z = Conv(s, w) }}"
    assert place(text, runtime).next_layer.output == "y"


def test_names_of_tensors_nodes_and_neither(runtime: Runtime) -> None:
    facts = facts_of(runtime, f"{IMAGE} {{ t = Relu(x) y = Conv(t, w) }}", WEIGHTS)
    facts.producer["t"].name = "the_relu"
    assert place_behind("the_relu", facts).after == "t"
    assert place_behind("x", facts).path[0].op == "Relu"
    with pytest.raises(UsageError, match="no node or tensor nobody: `graphmorph inspect`"):
        place_behind("nobody", facts)


def test_every_place_of_a_model(runtime: Runtime) -> None:
    body = "a = Conv<pads=[1,1,1,1]>(x, k) r = Relu(a) m = MaxPool<kernel_shape=[2,2]>(r) f = Flatten(m) y = Gemm(f, v)"
    text = f"g (float[N,3,8,8] x) => (float[N,4] y) {{ {body} }}"
    facts = facts_of(runtime, text, {"k": (5, 3, 3, 3), "v": (245, 4)})
    found = list(places(facts))
    assert [one.after for one in found] == ["a", "r", "m", "f"]
    assert [one.kind for one in found] == ["convolution"] * 3 + ["dense"]
    assert [one.channels for one in found] == [5, 5, 5, 245]
    assert str(found[1]) == "r (5 channels), read by Gemm y through MaxPool, Flatten"
    assert str(found[3]) == "f (245 channels), read by Gemm y"
