"""Certificates: right rewrites pass at float64 precision, planted errors of any kind are found and
located.
"""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx_graphsurgeon as gs
import pytest

from graphmorph.affine.certificate import EXACT_TOLERANCE, Certificate, SourceSpec, certify

RNG = np.random.default_rng(3)
IMAGE = SourceSpec(4, 4, "first", (None, None))


class Region:
    """Builds gs nodes by hand; weights are stored in `dtype`, and kept unrounded in `exact`."""

    def __init__(self, dtype: Any = np.float32) -> None:
        self.nodes: list[gs.Node] = []
        self.exact: dict[str, np.ndarray] = {}
        self.dtype = dtype

    def weight(self, name: str, values: Any) -> gs.Constant:
        self.exact[name] = np.asarray(values, dtype=np.float64)
        return gs.Constant(name, np.asarray(values).astype(self.dtype))

    def add(self, op: str, inputs: Sequence[Any], output: str, **attrs: Any) -> str:
        tensors = [gs.Variable(t) if isinstance(t, str) else t for t in inputs]
        self.nodes.append(gs.Node(op, output, attrs=attrs, inputs=tensors, outputs=[gs.Variable(output)]))
        return output


def _stored(values: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    return values.astype(dtype).astype(np.float64)


def _branches(channels: int = 4, stride: int = 1, dtype: Any = np.float32, seed: int = 3) -> tuple[Region, Region]:
    """3x3 + 1x3 + 3x1 and a BatchNormalization against the one 3x3 that it amounts to."""
    rng = np.random.default_rng(seed)
    square, row, column = (
        _stored(rng.standard_normal((channels, channels, *k)), dtype) for k in ((3, 3), (1, 3), (3, 1))
    )
    scale, shift, mean = (_stored(rng.standard_normal(channels), dtype) for _ in range(3))
    variance = _stored(np.abs(rng.standard_normal(channels)) + 0.5, dtype)
    strides = [stride, stride]
    before = Region(dtype)
    before.add("Conv", ["x", before.weight("k", square)], "a", pads=[1, 1, 1, 1], strides=strides)
    before.add("Conv", ["x", before.weight("r", row)], "b", pads=[0, 1, 0, 1], strides=strides)
    before.add("Conv", ["x", before.weight("c", column)], "d", pads=[1, 0, 1, 0], strides=strides)
    before.add("Add", ["a", "b"], "ab")
    before.add("Add", ["ab", "d"], "abd")
    statistics = [before.weight(name, v) for name, v in (("s", scale), ("h", shift), ("m", mean), ("v", variance))]
    before.add("BatchNormalization", ["abd", *statistics], "y", epsilon=1e-5)
    kernel = square.copy()
    kernel[:, :, 1:2, :] += row
    kernel[:, :, :, 1:2] += column
    factor = scale / np.sqrt(variance + 1e-5)
    after = Region(dtype)
    weights = [
        after.weight("W", kernel * factor[:, None, None, None]),
        after.weight("B", shift - mean * factor),
    ]
    after.add("Conv", ["x", *weights], "y", pads=[1, 1, 1, 1], strides=strides)
    return before, after


def _certify(before: Region, after: Region, sources: Mapping[str, SourceSpec], **options: Any) -> Certificate:
    return certify(before.nodes, after.nodes, "y", sources, exact_constants=after.exact, opset=17, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_parallel_branches_are_equal(stride: int, dtype: Any) -> None:
    before, after = _branches(stride=stride, dtype=dtype)
    certificate = _certify(before, after, {"x": IMAGE})
    assert certificate.verdict == "equal", certificate.reason
    assert certificate.exact_error < 1e-15
    assert certificate.rounded_error <= certificate.rounded_tolerance + EXACT_TOLERANCE
    heights = {shapes["x"][2] % stride for shapes in certificate.shapes}
    assert heights == set(range(stride))
    assert any(shapes["x"][2] != shapes["x"][3] for shapes in certificate.shapes)
    assert json.loads(json.dumps(certificate.to_json()))["verdict"] == "equal"


PLANTED = [
    lambda region: _scale(region, "W", 1 + 1e-6),
    lambda region: _shift(region, "W", 1e-6),
    lambda region: _shift(region, "B", 1e-7),
    lambda region: region.exact.__setitem__("W", np.roll(region.exact["W"], 1, axis=3)),
    lambda region: region.exact.__setitem__("W", region.exact["W"].swapaxes(2, 3)),
    lambda region: region.nodes[0].attrs.__setitem__("pads", [1, 1, 0, 2]),
    lambda region: region.nodes[0].attrs.__setitem__("pads", [0, 1, 1, 1]),
    lambda region: region.nodes[0].attrs.__setitem__("strides", [1, 2]),
]


def _scale(region: Region, name: str, factor: float) -> None:
    region.exact[name] = region.exact[name].copy()
    region.exact[name].flat[7 % region.exact[name].size] *= factor


def _shift(region: Region, name: str, by: float) -> None:
    region.exact[name] = region.exact[name].copy()
    region.exact[name].flat[-1] += by


@pytest.mark.parametrize("plant", PLANTED)
def test_planted_errors_are_found(plant: Any) -> None:
    before, after = _branches(dtype=np.float64)
    plant(after)
    for name, constant in {t.name: t for t in after.nodes[0].inputs[1:]}.items():
        constant.values = after.exact[name]
    certificate = _certify(before, after, {"x": IMAGE})
    assert certificate.verdict == "different"


def test_the_difference_is_located() -> None:
    before, after = _branches(dtype=np.float64)
    after.exact["W"][2, 1, 0, 2] += 1.0
    after.nodes[0].inputs[1].values = after.exact["W"]
    certificate = _certify(before, after, {"x": IMAGE})
    place = ast.literal_eval(certificate.reason.split("differs at ")[1].split(" by")[0])
    impulse = ast.literal_eval(certificate.reason.split("impulse at ")[1].split(" of")[0])
    assert "'x'" in certificate.reason
    assert (place[1], impulse[1]) == (2, 1)
    assert (impulse[2] - place[2], impulse[3] - place[3]) == (-1, 1)


def test_a_bias_is_located_on_the_zero_input() -> None:
    before, after = _branches()
    after.exact["B"][3] += 1.0
    after.nodes[0].inputs[2].values = after.exact["B"].astype(np.float32)
    assert "on the zero input" in _certify(before, after, {"x": IMAGE}).reason


def test_wide_layers_are_fast_and_tiny_errors_still_seen() -> None:
    before, after = _branches(512)
    started = time.process_time()
    assert _certify(before, after, {"x": SourceSpec(512, 4, "first", (None, None))}).verdict == "equal"
    assert time.process_time() - started < 5.0  # of all threads; a quarter of a second on an idle machine
    _scale(after, "W", 1 + 1e-6)
    certificate = _certify(before, after, {"x": SourceSpec(512, 4, "first", (None, None))})
    assert certificate.verdict == "different"


def test_static_sizes_keep_their_stride_phase() -> None:
    before, after = _branches(stride=2)
    certificate = _certify(before, after, {"x": SourceSpec(4, 4, "first", (224, 15))})
    assert certificate.verdict == "equal"
    (shapes,) = certificate.shapes
    assert shapes["x"][2] % 2 == 0
    assert shapes["x"][3] % 2 == 1
    assert max(shapes["x"]) < 20


def test_rounded_weights_are_judged_on_their_own() -> None:
    before, after = _branches()
    after.nodes[0].inputs[1].values = (after.exact["W"] * (1 + 1e-5)).astype(np.float32)
    certificate = _certify(before, after, {"x": IMAGE})
    assert certificate.verdict == "different"
    assert "constant 'W' stores" in certificate.reason


def test_small_float16_weights_round_absolutely() -> None:
    before, after = Region(np.float16), Region(np.float16)
    tiny = np.array([[[[3.1e-6]]], [[[2e-8]]]])
    before.add("Conv", ["x", gs.Constant("w", tiny)], "y")
    after.add("Conv", ["x", after.weight("W", tiny)], "y")
    assert _certify(before, after, {"x": SourceSpec(1, 4, "first", (None, None))}).verdict == "equal"


def test_cancelling_branches_give_no_false_alarm() -> None:
    before, after = Region(np.float64), Region(np.float64)
    w = RNG.standard_normal((4, 4, 3, 3)) * 1e6
    before.add("Conv", ["x", before.weight("w", w)], "a")
    before.add("Conv", ["x", before.weight("u", w + 1.0)], "b")
    before.add("Sub", ["a", "b"], "y")
    after.add("Conv", ["x", after.weight("W", np.full((4, 4, 3, 3), -1.0))], "y")
    assert _certify(before, after, {"x": IMAGE}).verdict == "equal"


def _border(stored: Any, offset: float = 0.0, batch: int = 1) -> tuple[Region, Region]:
    """Conv, BatchNormalization, a border written by ScatterND, and a 3x3: Diverse Branch Block as it is
    exported.
    """
    rng = np.random.default_rng(1)
    inner, outer = (_stored(rng.standard_normal(shape)) for shape in ((4, 4, 1, 1), (5, 4, 3, 3)))
    shift = rng.standard_normal(4) + 1000.0
    before, after = Region(), Region()
    before.add("Conv", ["x", before.weight("w", inner)], "c")
    before.add("Add", ["c", gs.Constant("h", shift.reshape(4, 1, 1))], "n")
    before.add("Pad", ["n", gs.Constant("p", np.array([0, 0, 1, 1, 0, 0, 1, 1]))], "p0")
    size = 7
    rim = [(0, j) for j in range(size)] + [(size - 1, j) for j in range(size)]
    rim += [(i, 0) for i in range(size)] + [(i, size - 1) for i in range(size)]
    indices = np.array([[n, c, i, j] for n in range(batch) for c in range(4) for i, j in rim])
    updates = np.tile(np.repeat(shift + offset, len(rim)), batch).astype(stored)
    before.add("ScatterND", ["p0", gs.Constant("i", indices), gs.Constant("u", updates)], "p1")
    before.add("Conv", ["p1", before.weight("o", outer)], "y")
    kernel = np.einsum("ochw,ci->oihw", outer, inner[:, :, 0, 0])
    weights = [after.weight("W", kernel), after.weight("B", outer.sum((2, 3)) @ shift)]
    after.add("Conv", ["x", *weights], "y", pads=[1, 1, 1, 1])
    return before, after


@pytest.mark.parametrize("stored", [np.float64, np.float32, np.float16])
def test_stored_borders_are_judged_by_their_precision(stored: Any) -> None:
    before, after = _border(stored)
    static = {"x": SourceSpec(4, 4, "first", (5, 5))}
    certificate = _certify(before, after, static)
    assert certificate.verdict == "equal", certificate.reason
    assert certificate.border_tolerance == 8 * float(np.finfo(stored).eps)
    assert "border constants" in certificate.reason
    assert {shapes["x"] for shapes in certificate.shapes} == {(1, 4, 5, 5)}
    before, after = _border(stored, offset=max(20 * 1000.0 * float(np.finfo(stored).eps), 1e-8))
    assert _certify(before, after, static).verdict == "different"


def test_a_border_holds_for_the_batch_that_it_was_written_for() -> None:
    """Indices up to batch element 1, and as many updates as there are elements: a batch of 2, not of hundreds."""
    before, after = _border(np.float64, batch=2)
    certificate = _certify(before, after, {"x": SourceSpec(4, 4, "first", (5, 5))})
    assert certificate.verdict == "equal", certificate.reason
    assert {shapes["x"] for shapes in certificate.shapes} == {(2, 4, 5, 5)}


def test_borders_excuse_only_what_they_reach() -> None:
    before, after = _border(np.float32)
    after.exact["W"] = after.exact["W"] * (1 + 1e-9)
    certificate = _certify(before, after, {"x": SourceSpec(4, 4, "first", (5, 5))})
    assert certificate.verdict == "different"


def test_dynamic_sizes_with_baked_borders_are_not_certified() -> None:
    before, after = _border(np.float32)
    certificate = _certify(before, after, {"x": IMAGE})
    assert certificate.verdict == "not certified"
    assert "ScatterND indices hold for one size only" in certificate.reason


def test_sources_of_different_strides_meet() -> None:
    before, after = Region(np.float64), Region(np.float64)
    w, u = RNG.standard_normal((4, 4, 3, 3)), RNG.standard_normal((4, 2, 1, 1))
    before.add("Conv", ["x", before.weight("w", w)], "a", strides=[2, 2], pads=[1, 1, 1, 1])
    before.add("Conv", ["z", before.weight("u", u)], "b")
    before.add("Add", ["a", "b"], "y")
    after.add("Conv", ["z", after.weight("U", u)], "e")
    after.add("Conv", ["x", after.weight("W", w)], "f", strides=[2, 2], pads=[1, 1, 1, 1])
    after.add("Add", ["e", "f"], "y")
    sources = {"x": IMAGE, "z": SourceSpec(2, 4, "first", (None, None))}
    certificate = _certify(before, after, sources)
    assert certificate.verdict == "equal", certificate.reason
    for shapes in certificate.shapes:
        assert shapes["z"][2:] == tuple((n + 1) // 2 for n in shapes["x"][2:])
    fixed = {"x": SourceSpec(4, 4, "first", (56, 57)), "z": SourceSpec(2, 4, "first", (28, 29))}
    certificate = _certify(before, after, fixed)
    assert certificate.verdict == "equal"
    assert [n % 2 for n in certificate.shapes[0]["x"][2:]] == [0, 1]


def test_matmul_with_channels_last() -> None:
    before, after = Region(np.float64), Region(np.float64)
    w, a, b = RNG.standard_normal((6, 5)), RNG.standard_normal((6, 2)), RNG.standard_normal((2, 5))
    before.add("MatMul", ["x", before.weight("w", w)], "p")
    before.add("MatMul", ["x", before.weight("a", a)], "q")
    before.add("MatMul", ["q", before.weight("b", b)], "r")
    before.add("Add", ["p", "r"], "y")
    after.add("MatMul", ["x", after.weight("W", w + a @ b)], "y")
    for spec in (
        SourceSpec(6, 2, "last"),
        SourceSpec(6, 3, "last", (None,)),
        SourceSpec(6, 4, "last", (3, None)),
    ):
        certificate = _certify(before, after, {"x": spec})
        assert certificate.verdict == "equal", certificate.reason
        assert certificate.shapes[0]["x"][-1] == 6


def test_crops_at_a_fixed_position_hold_for_the_one_size() -> None:
    before, after = _branches(dtype=np.float64)
    ends = [gs.Constant(n, np.array(v)) for n, v in (("starts", [0, 0]), ("ends", [8, 8]), ("axes", [2, 3]))]
    before.add("Slice", ["y", *ends], "t")
    after.add("Identity", ["y"], "t")
    static = {"x": SourceSpec(4, 4, "first", (8, 8))}
    arguments: dict[str, Any] = {"exact_constants": after.exact, "opset": 17}
    certificate = certify(before.nodes, after.nodes, "t", static, **arguments)
    assert certificate.verdict == "equal", certificate.reason
    dynamic = certify(before.nodes, after.nodes, "t", {"x": IMAGE}, **arguments)
    assert dynamic.verdict == "different"
    assert "has shape" in dynamic.reason


def test_what_cannot_be_evaluated_is_not_certified() -> None:
    before, after = _branches()
    before.add("Relu", ["y"], "z")
    after.add("Relu", ["y"], "z")
    certificate = certify(before.nodes, after.nodes, "z", {"x": IMAGE}, exact_constants=after.exact, opset=17)
    assert certificate.verdict == "not certified"
    assert "Relu 'z'" in certificate.reason
    before, after = _branches()
    before.nodes[0].inputs[1].values = np.full((4, 4, 3, 3), np.inf, dtype=np.float32)
    assert "not finite" in _certify(before, after, {"x": IMAGE}).reason


def test_a_missing_root_is_a_difference() -> None:
    before, after = _branches()
    after.nodes[0].outputs[0].name = "elsewhere"
    certificate = _certify(before, after, {"x": IMAGE})
    assert certificate.verdict == "different"
    assert "produced by none" in certificate.reason


@pytest.mark.parametrize("attribute", [{"dilations": [10**9, 10**9]}, {"pads": [10**9] * 4}])
def test_what_would_not_fit_in_memory_is_not_certified(attribute: dict[str, list[int]]) -> None:
    regions = _branches()
    for region in regions:
        for node in region.nodes:
            if node.op == "Conv":
                node.attrs.update(attribute)
    certificate = _certify(*regions, {"x": SourceSpec(4, 4, "first", (None, None))})
    assert certificate.verdict == "not certified"
    assert certificate.reason
