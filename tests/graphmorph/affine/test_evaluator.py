"""The float64 evaluator against onnxruntime (float32) and against the reference implementation of the onnx
package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from graphmorph.affine.evaluator import EvaluationError, evaluate, is_supported

RNG = np.random.default_rng(7)
NO_RUNTIME = "no-runtime"
NO_REFERENCE = "no-reference"


def _normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def _integers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def _model(op: str, opset: int, attrs: Mapping[str, Any], inputs: list[Any]) -> onnx.ModelProto:
    """One node; the first input is the graph input, integers and all others are initializers, None is left
    out.
    """
    names = ["" if array is None else f"in{place}" for place, array in enumerate(inputs)]
    node = helper.make_node(op, names, ["y"], **attrs)
    x = helper.make_tensor_value_info("in0", onnx.TensorProto.FLOAT, inputs[0].shape)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    weights = [
        numpy_helper.from_array(a, n) for a, n in zip(inputs[1:], names[1:], strict=True) if a is not None
    ]
    graph = helper.make_graph([node], "one", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model


def _run(model: onnx.ModelProto, x: np.ndarray, opset: int) -> np.ndarray:
    graph = gs.import_onnx(model)
    return evaluate(list(graph.nodes), {"in0": x.astype(np.float64)}, opset)["y"]


def _runtime(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"in0": x})[0])


X1, X2, X3 = _normal(2, 4, 13), _normal(2, 4, 9, 8), _normal(1, 4, 6, 5, 7)
C4 = [_normal(4), _normal(4), _normal(4), np.abs(_normal(4)) + 0.5]

CASES: dict[str, tuple[str, int, dict[str, Any], list[Any]]] = {
    "conv": ("Conv", 13, {}, [X2, _normal(6, 4, 3, 3)]),
    "conv bias pads": (
        "Conv",
        11,
        {"pads": [1, 2, 0, 3], "strides": [2, 1]},
        [X2, _normal(6, 4, 3, 2), _normal(6)],
    ),
    "conv groups dilation": ("Conv", 13, {"group": 2, "dilations": [2, 3]}, [X2, _normal(6, 2, 3, 2)]),
    "conv depthwise": ("Conv", 13, {"group": 4, "pads": [1] * 4}, [X2, _normal(4, 1, 3, 3), _normal(4)]),
    "conv depth multiplier": ("Conv", 13, {"group": 4}, [X2, _normal(8, 1, 3, 3)]),
    "conv same upper": ("Conv", 13, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [X2, _normal(6, 4, 4, 3)]),
    "conv same lower": ("Conv", 13, {"auto_pad": "SAME_LOWER", "strides": [2, 3]}, [X2, _normal(6, 4, 4, 2)]),
    "conv same dilated": (
        "Conv",
        13,
        {"auto_pad": "SAME_UPPER", "dilations": [2, 2]},
        [X2, _normal(6, 4, 3, 2)],
    ),
    "conv valid": ("Conv", 13, {"auto_pad": "VALID", "strides": [2, 1]}, [X2, _normal(6, 4, 3, 3)]),
    "conv 1d": (
        "Conv",
        13,
        {"pads": [2, 1], "strides": [3], "dilations": [2]},
        [X1, _normal(5, 4, 3), _normal(5)],
    ),
    "conv 3d": ("Conv", 13, {"pads": [1, 0, 2, 0, 1, 1], "strides": [1, 2, 2]}, [X3, _normal(2, 4, 3, 2, 3)]),
    "transpose": ("ConvTranspose", 11, {}, [X2, _normal(4, 6, 3, 2), _normal(6)]),
    "transpose groups": (
        "ConvTranspose",
        11,
        {"group": 2, "strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 2], "dilations": [2, 1]},
        [X2, _normal(4, 3, 3, 3)],
    ),
    "transpose depthwise": ("ConvTranspose", 11, {"group": 4, "strides": [2, 2]}, [X2, _normal(4, 1, 2, 3)]),
    "transpose output_shape": (
        "ConvTranspose",
        11,
        {"strides": [3, 3], "output_shape": [26, 23]},
        [X2, _normal(4, 2, 4, 4)],
    ),
    "transpose same upper": (
        "ConvTranspose",
        11,
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        [X2, _normal(4, 2, 3, 5)],
    ),
    "transpose same lower": (
        "ConvTranspose",
        11,
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        [X2, _normal(4, 2, 3, 5)],
    ),
    "transpose 1d": ("ConvTranspose", 11, {"strides": [2], "pads": [1, 1]}, [X1, _normal(4, 3, 4)]),
    "transpose 3d": ("ConvTranspose", 11, {"strides": [2, 1, 2]}, [X3, _normal(4, 2, 2, 3, 1)]),
    "bn 15": ("BatchNormalization", 15, {"epsilon": 1e-3}, [X2, *C4]),
    "bn 9": ("BatchNormalization", 9, {"momentum": 0.5}, [X1, *C4]),
    "bn 7 spatial": ("BatchNormalization", 7, {"spatial": 1}, [X3, *C4]),
    "bn rank 2": ("BatchNormalization", 14, {}, [_normal(5, 4), *C4]),
    "average": ("AveragePool", 11, {"kernel_shape": [3, 2], "strides": [2, 1]}, [X2]),
    "average pads": ("AveragePool", 11, {"kernel_shape": [3, 3], "pads": [1, 2, 0, 1]}, [X2]),
    "average included": (
        "AveragePool",
        11,
        {"kernel_shape": [3, 3], "pads": [1, 2, 0, 1], "count_include_pad": 1, "strides": [2, 2]},
        [X2],
    ),
    "average ceil": ("AveragePool", 11, {"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1}, [X2]),
    "average ceil pads": (
        "AveragePool",
        19,
        {"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        [X2],
    ),
    "average ceil included": (
        "AveragePool",
        19,
        {
            "kernel_shape": [3, 3],
            "strides": [2, 3],
            "ceil_mode": 1,
            "pads": [1, 1, 1, 1],
            "count_include_pad": 1,
        },
        [X2],
    ),
    "average dilated": ("AveragePool", 19, {"kernel_shape": [3, 2], "dilations": [2, 3]}, [X2]),
    "average same": (
        "AveragePool",
        11,
        {"kernel_shape": [4, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
        [X2],
    ),
    "average same lower": ("AveragePool", 11, {"kernel_shape": [4, 2], "auto_pad": "SAME_LOWER"}, [X2]),
    "average 1d": ("AveragePool", 11, {"kernel_shape": [3], "pads": [1, 1]}, [X1]),
    "average 3d": ("AveragePool", 11, {"kernel_shape": [2, 3, 2], "strides": [2, 1, 1]}, [X3]),
    "global average": ("GlobalAveragePool", 1, {}, [X3]),
    "pad attribute": ("Pad", 2, {"pads": [0, 0, 1, 2, 0, 0, 3, 0], "value": 1.5}, [X2]),
    "pad 11": ("Pad", 11, {}, [X2, _integers(0, 1, 1, 2, 0, 0, 3, 0), np.array(-2.0, dtype=np.float32)]),
    "pad negative": ("Pad", 13, {}, [X2, _integers(0, 0, -1, 2, 0, 0, 3, -2)]),
    "pad axes": ("Pad", 18, {}, [X2, _integers(1, 2, -2, 0), None, _integers(3, -2)]),
    "pad value 18": (
        "Pad",
        18,
        {},
        [X2, _integers(0, 0, 1, 1, 0, 0, 1, 1), np.array([0.25], dtype=np.float32)[0]],
    ),
    "slice attribute": ("Slice", 1, {"starts": [1, -3], "ends": [100, -1], "axes": [2, 3]}, [X2]),
    "slice": ("Slice", 13, {}, [X2, _integers(1, 2), _integers(-1, 2**31 - 1), _integers(2, -1)]),
    "slice no axes": ("Slice", 10, {}, [X2, _integers(0, 1, 2), _integers(1, 3, 2**62)]),
    "slice steps": (
        "Slice",
        13,
        {},
        [X2, _integers(1, 0), _integers(9, 8), _integers(2, 3), _integers(2, 3)],
    ),
    "slice back": (
        "Slice",
        13,
        {},
        [X2, _integers(-1, 5), _integers(-(2**31), -6), _integers(2, 3), _integers(-1, -2)],
    ),
    "slice empty": ("Slice", 13, {}, [X2, _integers(5), _integers(2), _integers(2)]),
    "gemm": ("Gemm", 13, {}, [_normal(5, 4), _normal(4, 3), _normal(3)]),
    "gemm scaled": (
        "Gemm",
        13,
        {"alpha": 0.5, "beta": -2.0, "transA": 1, "transB": 1},
        [_normal(4, 5), _normal(3, 4), _normal(5, 1)],
    ),
    "gemm no bias": ("Gemm", 11, {"alpha": -1.5, "transB": 1}, [_normal(5, 4), _normal(3, 4)]),
    "matmul": ("MatMul", 13, {}, [_normal(2, 5, 4), _normal(4, 3)]),
    "matmul stacked": ("MatMul", 13, {}, [_normal(2, 3, 5, 4), _normal(3, 4, 2)]),
    "add": ("Add", 14, {}, [X2, _normal(4, 1, 1)]),
    "sub": ("Sub", 14, {}, [X2, _normal(1, 1, 9, 8)]),
    "mul": ("Mul", 14, {}, [X2, _normal(8)]),
    "div": ("Div", 14, {}, [X2, _normal(1, 4, 1, 1) + 3]),
    "neg": ("Neg", 13, {}, [X2]),
    "sum": ("Sum", 13, {}, [X2, _normal(4, 1, 1), _normal(1)]),
    "identity": ("Identity", 13, {}, [X2]),
    "dropout": ("Dropout", 13, {}, [X2, np.array(0.5, dtype=np.float32)]),
    "dropout 7": ("Dropout", 7, {"ratio": 0.5}, [X2]),
    "cast": ("Cast", 13, {"to": 1}, [X2]),
    "transpose axes": ("Transpose", 13, {"perm": [2, 0, 3, 1]}, [X2]),
    "transpose reversed": ("Transpose", 13, {}, [X2]),
    "scatter": ("ScatterND", 16, {}, [X1, np.array([[[0, 1], [1, 3]]]), _normal(1, 2, 13)]),
}
# Cases that one of the two oracles does not implement; the other one still judges them.
LIMITS = {
    "conv same dilated": NO_RUNTIME,  # "Dilation not supported for AutoPadType"
    "transpose groups": NO_REFERENCE,  # groups together with dilations
    "transpose output_shape": NO_REFERENCE,  # does not derive the pads
    "bn 9": NO_REFERENCE,  # takes a momentum for training
    "bn 7 spatial": NO_REFERENCE,
    "pad negative": NO_REFERENCE,
    "pad axes": NO_REFERENCE,  # negative pads
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_onnxruntime_and_the_reference(name: str) -> None:
    op, opset, attrs, inputs = CASES[name]
    model, x = _model(op, opset, attrs, inputs), inputs[0]
    found = _run(model, x, opset)
    oracles = []
    if LIMITS.get(name) != NO_RUNTIME:
        oracles.append(_runtime(model, x))
    if LIMITS.get(name) != NO_REFERENCE:
        oracles.append(np.asarray(ReferenceEvaluator(model).run(None, {"in0": x})[0]))
    for expected in oracles:
        assert found.shape == expected.shape
        np.testing.assert_allclose(
            found, expected, rtol=1e-5, atol=1e-5 * float(np.abs(expected).max(initial=1))
        )


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
    graph = _graph(
        "g (float[2] x) => (float[2] y) { y = Mul(x, w) }", w=np.array([1.0, 3.0], dtype=np.float32)
    )
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
        [X2, _integers(0, 0, 1, 1, 0, 0, 1, 1)],
        "mode reflect",
    ),
    "adding scatter": (
        "ScatterND",
        16,
        {"reduction": "add"},
        [X1, np.array([[[0, 1], [1, 3]]]), _normal(1, 2, 13)],
        "reduction add",
    ),
    "integer cast": ("Cast", 13, {"to": 7}, [X2], "casts between float types"),
    "nonlinear": ("Relu", 13, {}, [X2], "no float64 evaluation of this operator"),
    "channels": ("Conv", 13, {}, [X2, _normal(6, 3, 3, 3)], "does not fit an input of 4 channels"),
    "kernel too large": ("Conv", 13, {}, [X2, _normal(6, 4, 30, 3)], "larger than its padded input"),
    "broadcast": ("Add", 13, {}, [X2, _normal(3, 1, 1)], "broadcast"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_the_node_and_its_shapes(name: str) -> None:
    op, opset, attrs, inputs, reason = REFUSED[name]
    with pytest.raises(EvaluationError, match=reason) as caught:
        _run(_model(op, opset, attrs, inputs), inputs[0], opset)
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
