"""The float64 evaluator: order, constants, magnitudes and refusals. Its operators have their own file."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import numpy_helper

from graphmorph.affine.evaluator import EvaluationError, evaluate, is_supported
from tests.graphmorph.affine.single_node import integers, model_of, normal, run

X1, X2 = normal(2, 4, 13), normal(2, 4, 9, 8)
C4 = [normal(4), normal(4), normal(4), np.abs(normal(4)) + 0.5]


def _graph(text: str, opset: int = 17, **weights: np.ndarray) -> gs.Graph:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{text}')
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return gs.import_onnx(model)


def test_nodes_come_in_any_order_and_every_tensor_is_returned() -> None:
    graph = _graph("g (float[2] x) => (float[2] z) { y = Neg(x)  w = Add(x, y)  z = Sub(w, y) }")
    values = evaluate(list(graph.nodes)[::-1], {"x": np.array([1.0, -2.0])}, 17)
    assert {name: array.tolist() for name, array in values.items()} == {
        "y": [-1.0, 2.0],
        "w": [0.0, 0.0],
        "z": [1.0, -2.0],
    }


def test_constants_can_be_replaced_by_unrounded_ones() -> None:
    graph = _graph("g (float[2] x) => (float[2] y) { y = Mul(x, w) }", w=np.array([1.0, 3.0], dtype=np.float32))
    third = np.array([1.0, 1.0 / 3.0])
    values = evaluate(graph.nodes, {"x": np.array([3.0, 3.0])}, 17, constants={"w": third})
    assert values["y"].tolist() == [3.0, 1.0]


def test_constant_nodes_keep_integers() -> None:
    graph = _graph("""g (float[N] x) => (float[M] y) {
        starts = Constant<value_ints = [1]>()  ends = Constant<value = int64[1] {3}>()
        y = Slice(x, starts, ends) }""")
    assert evaluate(graph.nodes, {"x": np.arange(5.0)}, 17)["y"].tolist() == [1.0, 2.0]


def test_old_broadcasting_aligns_from_the_given_axis() -> None:
    graph = _graph(
        "g (float[2, 3, 4] x) => (float[2, 3, 4] y) { y = Mul<broadcast = 1, axis = 1>(x, w) }",
        6,
        w=np.array([1.0, 2.0, 3.0], dtype=np.float32),
    )
    values = evaluate(graph.nodes, {"x": np.ones((2, 3, 4))}, 6)
    assert values["y"][0, :, 0].tolist() == [1.0, 2.0, 3.0]


def test_magnitude_adds_up_what_cancels() -> None:
    graph = _graph(
        """g (float[1, 1, 2] x) => (float[1, 1, 2] y) {
            c = Conv(x, w, b)  n = Neg(x)  m = Sub(c, n)  y = BatchNormalization(m, s, b, a, v) }""",
        w=np.array([[[-2.0]]], dtype=np.float32),
        b=np.array([-1.0], dtype=np.float32),
        s=np.array([-4.0], dtype=np.float32),
        a=np.array([5.0], dtype=np.float32),
        v=np.array([4.0], dtype=np.float32),
    )
    values = evaluate(graph.nodes, {"x": np.full((1, 1, 2), 3.0)}, 17, magnitude=True)
    assert values["m"].tolist() == [[[10.0, 10.0]]]
    np.testing.assert_allclose(values["y"], 2.0 * (10.0 + 5.0) + 1.0, rtol=1e-5)


REFUSED = {
    "training batch": ("BatchNormalization", 15, {"training_mode": 1}, [X2, *C4], "training mode"),
    "batch before opset 7": ("BatchNormalization", 6, {}, [X2, *C4], "training mode"),
    "reflecting pad": (
        "Pad",
        13,
        {"mode": "reflect"},
        [X2, integers(0, 0, 1, 1, 0, 0, 1, 1)],
        "mode reflect",
    ),
    "adding scatter": (
        "ScatterND",
        16,
        {"reduction": "add"},
        [X1, np.array([[[0, 1], [1, 3]]]), normal(1, 2, 13)],
        "reduction add",
    ),
    "integer cast": ("Cast", 13, {"to": 7}, [X2], "casts between float types"),
    "nonlinear": ("Relu", 13, {}, [X2], "no float64 evaluation of this operator"),
    "channels": ("Conv", 13, {}, [X2, normal(6, 3, 3, 3)], "does not fit an input of 4 channels"),
    "kernel too large": ("Conv", 13, {}, [X2, normal(6, 4, 30, 3)], "larger than its padded input"),
    "broadcast": ("Add", 13, {}, [X2, normal(3, 1, 1)], "broadcast"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_node_and_its_shapes(name: str) -> None:
    op, opset, attrs, inputs, reason = REFUSED[name]
    with pytest.raises(EvaluationError, match=reason) as caught:
        run(model_of(op, opset, attrs, inputs), inputs[0], opset)
    assert str(caught.value).startswith(op)


def test_refuses_other_domains_and_missing_tensors() -> None:
    foreign = gs.Node("Conv", domain="com.example", inputs=[gs.Variable("x")], outputs=[gs.Variable("y")])
    assert not is_supported(foreign)
    with pytest.raises(EvaluationError, match=r"of domain 'com\.example'"):
        evaluate([foreign], {"x": np.ones(1)}, 17)
    lonely = gs.Node("Neg", inputs=[gs.Variable("x")], outputs=[gs.Variable("y")])
    with pytest.raises(EvaluationError, match="tensor 'x' is neither fed, produced nor constant"):
        evaluate([lonely], {}, 17)


def test_training_dropout_is_refused() -> None:
    graph = _graph(
        "g (float[2] x) => (float[2] y) { y = Dropout(x, r, t) }",
        r=np.array(0.5, dtype=np.float32),
        t=np.array(True),
    )
    with pytest.raises(EvaluationError, match="training mode"):
        evaluate(graph.nodes, {"x": np.ones(2)}, 17)
