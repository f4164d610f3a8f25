"""Near misses of constants: values that are not one a channel, or no constants at all."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from tests.regions.builder import FLOAT, FLOAT16, Builder, Tensor
from tests.regions.near_misses_base import Maker, Parts, broken, finish, image, square, with_constant

# --- constants that are not one value a channel
# ---------------------------------------------------------------


def _positions(op: str, shape: tuple[int, ...]) -> Maker:
    def make(b: Builder) -> Parts:
        scaled = with_constant(b, op, square(b, image(b, 6, (6, 6)), bias=True), shape)
        return Parts((scaled.name,), (scaled.name,))

    return make


for _name, _op, _shape in (
    ("Mul by a full tensor", "Mul", (1, 6, 6, 6)),
    ("Add of a full tensor", "Add", (1, 6, 6, 6)),
    ("Mul along the width", "Mul", (6,)),
    ("Add along the width", "Add", (6,)),
    ("Sub along the height", "Sub", (6, 1)),
    ("Div by a map", "Div", (1, 1, 6, 6)),
):
    broken(_name)(_positions(_op, _shape))


@broken("Mul by one in some channels")
def _some_ones(b: Builder) -> Parts:
    y = square(b, image(b), bias=True)
    return Parts((b.node("Mul", [y.name, b.constant([[[1.0]], [[2.0]], [[1.0]], [[-1.0]]])]),))


@broken("Mul by one and Add of zero")
def _nothing(b: Builder) -> Parts:
    """A region that is its own source: what reads it has to read something."""
    x = b.unary("Relu", image(b))
    scaled = b.node("Mul", [x.name, b.constant(np.ones((4, 1, 1)))])
    shifted = b.node("Add", [b.constant(0.0), scaled])
    return Parts((b.node("Relu", [shifted]),))


@broken("a tensor beside a scale of itself")
def _beside_itself(b: Builder) -> Parts:
    """One scale, and not the tensor alone."""
    x = b.unary("Relu", image(b))
    return Parts((b.binary("Add", x, with_constant(b, "Mul", x, (4, 1, 1))).name,))


@broken("Mul that broadcasts the channels")
def _channels_grow(b: Builder) -> Parts:
    scaled = with_constant(b, "Mul", square(b, image(b), 1), (4, 1, 1))
    return Parts((scaled.name,), (scaled.name,))


@broken("Add that broadcasts the sizes")
def _sizes_grow(b: Builder) -> Parts:
    narrow = b.conv(image(b, 4, (3, 3)), 4, [3, 3])
    shifted = with_constant(b, "Add", narrow, (1, 4, 5, 5))
    return Parts((shifted.name,), (shifted.name,))


@broken("Mul that broadcasts the batch")
def _batch_grows(b: Builder) -> Parts:
    scaled = with_constant(b, "Mul", square(b, image(b)), (3, 4, 1, 1))
    return Parts((scaled.name,), (scaled.name,))


@broken("Mul that adds an axis")
def _rank_grows(b: Builder) -> Parts:
    scaled = with_constant(b, "Mul", square(b, image(b)), (1, 1, 4, 1, 1))
    return Parts((scaled.name,), (scaled.name,))


@broken("Mul by one number that adds an axis")
def _rank_grows_alone(b: Builder) -> Parts:
    scaled = with_constant(b, "Mul", square(b, image(b)), (1, 1, 1, 1, 1))
    return Parts((scaled.name,), (scaled.name,))


@broken("Div with the constant first")
def _reciprocal(b: Builder) -> Parts:
    divided = with_constant(b, "Div", square(b, image(b)), (4, 1, 1), first=True)
    return Parts((divided.name,), (divided.name,))


@broken("Mul of two tensors")
def _product(b: Builder) -> Parts:
    x = image(b)
    product = b.binary("Mul", square(b, x), square(b, x))
    return finish(b, product, product)


@broken("Gemm with a bias for each row")
def _row_bias(b: Builder) -> Parts:
    x = _rows(b)
    first = b.node("Gemm", [x.name, b.normal(4, 4), b.normal(3, 1, stem="b")])
    return Parts((b.batch_normalization(Tensor(first, 4, x.sizes)).name,), ())


@broken("Gemm of the transposed input")
def _transposed_input(b: Builder) -> Parts:
    x = b.source(4, [()], [4], [4, 4])
    b.feeds[0][x.name] = (4, 4)
    first = b.node("Gemm", [x.name, b.normal(4, 4)], transA=1)
    return Parts((b.batch_normalization(Tensor(first, 4, x.sizes)).name,), ())


@broken("MatMul with the constant first")
def _left(b: Builder) -> Parts:
    x = _rows(b)
    mixed = b.node("MatMul", [b.normal(3, 3), x.name])
    plain = b.node("MatMul", [x.name, b.normal(4, 4)])
    return Parts((b.node("Add", [mixed, plain]),), (mixed,))


@broken("MatMul with a stack of weights")
def _stack(b: Builder) -> Parts:
    x = _rows(b)
    stacked = b.node("MatMul", [x.name, b.normal(2, 4, 4)])
    return Parts((b.node("Mul", [stacked, b.normal(2, 1, 1, stem="c")]),))


@broken("BatchNormalization over the rows of a MatMul")
def _rows_normalised(b: Builder) -> Parts:
    x = b.source(4, [(4,)], [2], [2, 4, 4])
    b.feeds[0][x.name] = (2, 4, 4)
    product = b.node("MatMul", [x.name, b.normal(4, 4)])
    normalised = b.batch_normalization(Tensor(product, 4, x.sizes))
    return Parts((normalised.name,), (normalised.name,))


def _rows(b: Builder) -> Tensor:
    x = b.source(4, [()], [3], [3, 4])
    b.feeds[0][x.name] = (3, 4)
    return x


# --- numbers
# --------------------------------------------------------------------------------------------------


@broken("weights that leave float16", dtype=FLOAT16)
def _overflow(b: Builder) -> Parts:
    y = square(b, image(b))
    scale = b.constant(np.full(4, 60000.0))
    names = [scale, b.normal(4), b.normal(4), b.constant(np.full(4, 1e-5), "var")]
    return Parts((last := b.node("BatchNormalization", [y.name, *names], epsilon=1e-7),), (last,))


@broken("names that a pass would choose")
def _names(b: Builder) -> Parts:
    x = image(b)
    y = square(b, x)
    for name in [f"{y.name}{tail}" for tail in ("_weight", "_bias", ".weight", "_fused", "_fused_weight", "_0")]:
        b.weights[name] = onnx.numpy_helper.from_array(np.ones((4, 1, 1)), name)
        y = Tensor(b.node("Add", [y.name, name]), 4, y.sizes)
    other = Tensor(b.node("Relu", [y.name]), 4, y.sizes)
    return finish(b, square(b, other))


# --- values that are no constants
# -----------------------------------------------------------------------------


def _extra_input(b: Builder, shape: tuple[int, ...], name: str) -> str:
    b.inputs.append(helper.make_tensor_value_info(name, b.dtype, list(shape)))
    for feeds in b.feeds:
        feeds[name] = shape
    return name


@broken("weight that is an input")
def _weight_input(b: Builder) -> Parts:
    x = image(b)
    y = square(b, x, weight=_extra_input(b, (4, 4, 3, 3), "weight"))
    last = b.batch_normalization(y)
    return Parts((last.name,), (last.name,))


@broken("weight of a ConvTranspose that is an input")
def _transposed_weight_input(b: Builder) -> Parts:
    x = image(b)
    name = b.node("ConvTranspose", [x.name, _extra_input(b, (4, 4, 2, 2), "weight")])
    last = b.batch_normalization(Tensor(name, 4, ((8, 7),)))
    return Parts((last.name,), (last.name, name))


@broken("overridable initializer")
def _overridable(b: Builder) -> Parts:
    """From IR version 4 an initializer that is also a graph input is a default value, not a constant."""
    y = square(b, image(b))
    scale = _extra_input(b, (4,), "scale")
    b.weights[scale] = onnx.numpy_helper.from_array(np.ones(4), scale)
    names = [scale, b.normal(4), b.normal(4), b.constant(np.ones(4), "var")]
    last = b.node("BatchNormalization", [y.name, *names])
    return Parts((last,), (last,))


@broken("scale that is computed")
def _computed(b: Builder) -> Parts:
    y = square(b, image(b))
    pooled = b.node("GlobalAveragePool", [y.name])
    scaled = b.node("Mul", [y.name, pooled])
    return finish(b, Tensor(scaled, 4, y.sizes), Tensor(scaled, 4, y.sizes))


@broken("quantised between", opset=19, dtype=FLOAT)
def _quantised(b: Builder) -> Parts:
    y = square(b, image(b))
    zero = onnx.numpy_helper.from_array(np.array(3, dtype=np.uint8), "zero")
    b.weights["zero"] = zero
    step = b.constant(0.05)
    quantised = b.node("QuantizeLinear", [y.name, step, "zero"])
    restored = b.node("DequantizeLinear", [quantised, step, "zero"])
    last = b.batch_normalization(Tensor(restored, 4, y.sizes))
    return Parts((last.name,), (last.name, restored, quantised))
