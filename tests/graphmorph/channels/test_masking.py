"""The masked original against a smaller model that is written down by hand: every way of counting elements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from onnx.checker import check_model

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.masking import masked
from graphmorph.errors import RefusedError
from graphmorph.graph import Graph
from graphmorph.onnx_door import load, to_model
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import analysis_of, inputs_for, tensors_of
from tests.passes.text_models import build, weights_of

WIDTH = 8
GONE = np.array([1, 4, 5])
LEFT = np.setdiff1d(np.arange(WIDTH), GONE)

#: Sizes of weights; "C" is the axis that shrinks.
Shapes = Mapping[str, tuple[int | str, ...]]

# Every case has an offset behind the layer that loses channels: zeros there would not stay zeros.
IMAGE = "g (float[2,3,5,5] x) => (float[2,{out}] y) {{ a = Conv(x, w)  b = Sigmoid(a) "
ROWS = "g (float[2,5,3] x) => (float[2,{out}] y) {{ a = MatMul(x, w)  b = Sigmoid(a) "
CONV: Shapes = {"w": ("C", 3, 1, 1)}
LINEAR: Shapes = {"w": (3, "C")}
MASKING: dict[str, tuple[str, Shapes, int]] = {
    "conv": (IMAGE.format(out="4,3,3") + "y = Conv(b, v) }", {**CONV, "v": (4, "C", 3, 3)}, 17),
    "transposed conv": (IMAGE.format(out="4,7,7") + "y = ConvTranspose(b, v) }", {**CONV, "v": ("C", 4, 3, 3)}, 17),
    "matmul": (ROWS.format(out="5,4") + "y = MatMul(b, v) }", {**LINEAR, "v": ("C", 4)}, 17),
    "gemm": (
        "g (float[5,3] x) => (float[5,4] y) { a = Gemm<transB=1>(x, w)  b = Exp(a)  y = Gemm<transB=1>(b, v, c) }",
        {"w": ("C", 3), "v": (4, "C"), "c": (4,)},
        17,
    ),
    "two activations": (
        ROWS.format(out="5,5") + "c = MatMul(x, u) d = Transpose<perm=[0,2,1]>(c) y = MatMul(b, d) }",
        {**LINEAR, "u": (3, "C")},
        17,
    ),
    "einsum": (ROWS.format(out="4,5") + 'y = Einsum<equation="bic,oc->boi">(b, v) }', {**LINEAR, "v": (4, "C")}, 17),
    "flattened": (
        IMAGE.format(out="4") + "c = Flatten(b) y = MatMul(c, v) }",
        {**CONV, "v": ("C*25", 4)},
        17,
    ),
    "hidden units": (
        "g (float[5,2,3] x) => (float[5,2,4] y) {"
        "h, last = LSTM<hidden_size={C}>(x, wl, r, bias)  s = Squeeze(h, one)  y = MatMul(s, v) }",
        {"wl": (1, "4C", 3), "r": (1, "4C", "C"), "bias": (1, "8C"), "v": ("C", 4)},
        17,
    ),
    **{
        f"{op} with axes as {form}": (IMAGE.format(out=out) + f"p = Abs(b) y = {op}{axes} }}", CONV, opset)
        for op in ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSumSquare")
        for form, axes, opset, out in (
            ("an attribute", "<axes=[1], keepdims=0>(p)", 17, "5,5"),
            ("an input", "<keepdims=0>(p, both)", 18, "5"),
        )
    },
    "ReduceSum": (IMAGE.format(out="5") + "y = ReduceSum<keepdims=0>(b, both) }", CONV, 17),
    "ReduceMean over everything": (IMAGE.format(out="1,1,1") + "y = ReduceMean<axes=[-1,1,2]>(b) }", CONV, 17),
    **{
        op: (ROWS.format(out="5,1") + f"y = {op}(b) }}", LINEAR, 17)
        for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
    },
    "layer norm": (
        ROWS.format(out="5,4") + "c = LayerNormalization<epsilon=0.1>(b, s, t) y = MatMul(c, v) }",
        {**LINEAR, "s": ("C",), "t": ("C",), "v": ("C", 4)},
        17,
    ),
    "layer norm over two axes": (
        ROWS.format(out="5,4") + "c = LayerNormalization<axis=1>(b, s) y = MatMul(c, v) }",
        {**LINEAR, "s": (5, "C"), "v": ("C", 4)},
        20,
    ),
    "rms norm": (
        ROWS.format(out="5,4") + "c = RMSNormalization<epsilon=0.1>(b, s) y = MatMul(c, v) }",
        {**LINEAR, "s": ("C",), "v": ("C", 4)},
        23,
    ),
    "simplified layer norm": (
        ROWS.format(out="5,4") + "c = SimplifiedLayerNormalization<epsilon=0.1>(b, s) y = MatMul(c, v) }",
        {**LINEAR, "s": ("C",), "v": ("C", 4)},
        17,
    ),
    "lp norm": (
        ROWS.format(out="5,4") + "c = LpNormalization<p=1>(b) y = MatMul(c, v) }",
        {**LINEAR, "v": ("C", 4)},
        17,
    ),
    "mean variance norm": (
        IMAGE.format(out="4,5,5") + "c = MeanVarianceNormalization<axes=[1,2]>(b) y = Conv(c, v) }",
        {**CONV, "v": (4, "C", 1, 1)},
        17,
    ),
    "instance norm over channels": (
        ROWS.format(out="5,4") + "c = InstanceNormalization<epsilon=0.1>(b, s, t) y = MatMul(c, v) }",
        {**LINEAR, "s": (5,), "t": (5,), "v": ("C", 4)},
        17,
    ),
    "batch norm of the batch": (
        ROWS.format(out="5,4")
        + "c, m, q = BatchNormalization<training_mode=1, epsilon=0.1>(b, s, t, ones5, ones5) y = MatMul(c, v) }",
        {**LINEAR, "s": (5,), "t": (5,), "v": ("C", 4)},
        17,
    ),
    "group norm of one group": (
        IMAGE.format(out="4,5,5") + "c = GroupNormalization<num_groups=1>(b, s, t) y = Conv(c, v) }",
        {**CONV, "s": ("C",), "t": ("C",), "v": (4, "C", 1, 1)},
        21,
    ),
    "group norm of one group, scaled by group": (
        IMAGE.format(out="4,5,5") + "c = GroupNormalization<num_groups=1, epsilon=0.1>(b, s, t) y = Conv(c, v) }",
        {**CONV, "s": (1,), "t": (1,), "v": (4, "C", 1, 1)},
        18,
    ),
}
CONSTANTS = {
    "one": np.array([1]),
    "both": np.array([1, -1]),
    "by_group": np.array([0, 2, -1]),
    "ones": np.ones(2),
    "ones5": np.ones(5),
}


def model(text: str, shapes: Shapes, opset: int, width: int, gone: np.ndarray | None = None) -> Graph:
    """The model at its full width, or without some channels."""
    used = {name: values for name, values in CONSTANTS.items() if f" {name}" in text}
    text = text.replace("{{", "{").replace("{C}", str(width))
    return load(build(text, {**_weights(shapes, gone), **used}, opset=opset, ir=8 if opset < 21 else 10))


def _weights(shapes: Shapes, gone: np.ndarray | None) -> dict[str, np.ndarray]:
    full = weights_of({n: tuple(_size(size) for size in shape) for n, shape in shapes.items()})
    for name, shape in shapes.items():
        for axis, size in enumerate(shape):
            if gone is not None and isinstance(size, str):
                full[name] = np.delete(full[name], _places(size, gone), axis)
    return full


def _size(size: int | str) -> int:
    return size if isinstance(size, int) else _places(size, np.arange(WIDTH)).size


def _places(size: str, channels: np.ndarray) -> np.ndarray:
    """Where channels lie on an axis: "C", "4C" (gates, each with all channels), "C*25" (channels of 25 pixels)."""
    before, _, after = size.partition("C")
    gates, pixels = int(before or 1), int(after.removeprefix("*") or 1)
    by_gate = np.arange(gates)[:, None] * WIDTH + channels
    return (by_gate[..., None] * pixels + np.arange(pixels)).reshape(-1)


def without(analysis: Analysis, gone: np.ndarray, constant: str = "w", axis: int = -1) -> Kept:
    """Some channels of a layer go, and what goes with them."""
    slot = next(slot for slot in analysis.slots if slot.name in (constant, "wl", "r"))
    ids = next(ids for ids in slot.axes[::axis] if ids is not None and ids.size % WIDTH == 0)
    units = np.unique(analysis.components.label[ids[gone]])
    assert not analysis.components.walled[units].any()
    return analysis.kept_without(units)


@pytest.mark.parametrize("case", MASKING)
def test_it_is_the_smaller_model(case: str, runtime: Runtime) -> None:
    text, shapes, opset = MASKING[case]
    analysis = analysis_of(model(text, shapes, opset, WIDTH), runtime)
    kept = without(analysis, GONE)
    oracle = masked(analysis, kept)
    smaller = model(text, shapes, opset, LEFT.size, GONE)
    feeds = inputs_for(smaller, {"x": smaller.inputs[0].shape})
    unmasked, wanted, got = (
        tensors_of(graph, runtime, feeds, ["y"])["y"] for graph in (analysis.facts.graph, smaller, oracle)
    )
    scale = np.abs(wanted).max()
    assert np.abs(got - wanted).max() < 1e-5 * scale
    assert np.abs(unmasked - wanted).max() > 1e-2 * scale


def everywhere(analysis: Analysis, gone: np.ndarray) -> Kept:
    """Some channels go, whatever the analysis ties them to."""
    kept = analysis.all_kept()
    axes = [ids for found in (*analysis.axes.values(), *(slot.axes for slot in analysis.slots)) for ids in found]
    for ids in axes:
        if ids is not None and ids.size == WIDTH:
            kept[ids[gone]] = False
    return kept


GROUPED = IMAGE.format(out="4,5,5") + "c = GroupNormalization<num_groups={groups}>(b, s, t) y = Conv(c, v) }"


@pytest.mark.parametrize(
    ("gone", "groups", "opset"),
    [([1, 5], 2, 21), ([4, 5, 6, 7], 1, 21), ([2, 3, 6, 7], 2, 21), ([0, 1, 4, 5], 2, 20)],
    ids=["the same of both groups", "a whole group", "half of both groups", "scaled by group"],
)
def test_groups_have_statistics_of_their_own(gone: list[int], groups: int, opset: int, runtime: Runtime) -> None:
    scales: Shapes = {"s": ("C",), "t": ("C",)} if opset > 20 else {"s": (2,), "t": (2,)}
    shapes: Shapes = {**CONV, **scales, "v": (4, "C", 1, 1)}
    analysis = analysis_of(model(GROUPED.replace("{groups}", "2"), shapes, opset, WIDTH), runtime)
    oracle = masked(analysis, everywhere(analysis, np.array(gone)))
    smaller = model(GROUPED.replace("{groups}", str(groups)), shapes, opset, WIDTH - len(gone), np.array(gone))
    feeds = inputs_for(smaller, {"x": (2, 3, 5, 5)})
    wanted, got = (tensors_of(graph, runtime, feeds, ["y"])["y"] for graph in (smaller, oracle))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


BY_RESHAPE = """g (float[N,3,H,W] x) => (float[N,4,H,W] y, float[1,2,1] z) {
    a = Conv(x, w)  b = Sigmoid(a)  sizes = Shape(b)
    c = Reshape(b, by_group)  i = Identity(c)  d = InstanceNormalization(i, ones, ones)
    e = Reshape(d, sizes)  y = Conv(e, v)
    m = ReduceMax<axes=[2]>(c)  z = ReduceMax<axes=[0]>(m) }"""
SIZES = ({"x": (2, 3, 4, 4)}, {"x": (3, 3, 5, 7)})


def test_an_axis_that_is_a_product_with_free_sizes(runtime: Runtime) -> None:
    """A group normalisation as exporters write it: the mask is reshaped as the channels are. An output has the groups,
    so the same channels of every group go."""
    shapes: Shapes = {**CONV, "v": (4, "C", 1, 1)}
    gone = np.array([1, 2, 5, 6])
    analysis = analysis_of(model(BY_RESHAPE, shapes, 17, WIDTH), runtime)
    oracle = masked(analysis, without(analysis, gone[:2]))
    smaller = model(BY_RESHAPE, shapes, 17, WIDTH - gone.size, gone)
    for sizes in SIZES:
        feeds = inputs_for(smaller, sizes)
        wanted, got = (tensors_of(graph, runtime, feeds, ["y", "z"]) for graph in (smaller, oracle))
        for name in ("y", "z"):
            np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=1e-5)


def test_a_free_axis_that_cannot_be_replayed(runtime: Runtime) -> None:
    text = """g (float[N,3,H,W] x) => (float[N,1] y) {
        a = Conv(x, w)  c = Flatten(a)  d = Concat<axis=1>(c, c)  y = ReduceMean<axes=[1], keepdims=1>(d) }"""
    analysis = analysis_of(model(text, CONV, 17, WIDTH), runtime)
    with pytest.raises(RefusedError, match=r"axis 1 of d has removed elements and a free size, .* fixed input sizes"):
        masked(analysis, without(analysis, GONE))


def test_half_precision_keeps_statistics_in_single_precision(runtime: Runtime) -> None:
    """As the operator does. Squares of these numbers are beyond half precision."""
    text = """g (float[5,3] x) => (float[5,4] y) {
        a = MatMul(x, w)  c = LayerNormalization(a, s, t)  y = MatMul(c, v) }"""
    shapes: Shapes = {**LINEAR, "s": ("C",), "t": ("C",), "v": ("C", 4)}
    weights = _weights(shapes, None)
    weights["w"] = weights["w"] * 1000
    analysis = analysis_of(load(build(text, weights, dtype="float16")), runtime)
    oracle = masked(analysis, without(analysis, GONE))
    feeds = {"x": np.random.default_rng(0).standard_normal((5, 3)).astype(np.float16)}
    found = tensors_of(oracle, runtime, feeds, ["a", "c"])
    rows = found["a"][:, LEFT].astype(np.float64)
    normalised = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    wanted = normalised * weights["s"][LEFT] + weights["t"][LEFT]
    assert found["c"].dtype == np.float16
    np.testing.assert_allclose(found["c"][:, LEFT].astype(np.float64), wanted, rtol=4e-3, atol=4e-3)


def test_nothing_removed_changes_nothing(runtime: Runtime) -> None:
    text, shapes, opset = MASKING["layer norm"]
    analysis = analysis_of(model(text, shapes, opset, WIDTH), runtime)
    assert to_model(masked(analysis, analysis.all_kept())) == to_model(analysis.facts.graph)


def test_the_original_stays_as_it_is(runtime: Runtime) -> None:
    text, shapes, opset = MASKING["layer norm"]
    analysis = analysis_of(model(text, shapes, opset, WIDTH), runtime)
    before, known = to_model(analysis.facts.graph), dict(analysis.facts.shapes)
    oracle = masked(analysis, without(analysis, GONE))
    assert to_model(analysis.facts.graph) == before
    assert dict(analysis.facts.shapes) == known
    made = {t.name for node in oracle.nodes for t in node.outputs}
    assert {t.name for node in analysis.facts.order for t in node.outputs} <= made
    check_model(to_model(oracle), full_check=True)
