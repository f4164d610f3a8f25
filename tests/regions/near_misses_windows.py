"""Near misses of windows and borders: pads, pools, strides, crops, and convolutions one after the other."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper

from tests.regions.builder import Builder, Tensor
from tests.regions.near_misses_base import Maker, Parts, broken, finish, image, images, square, with_constant


@broken("auto_pad of an unknown size")
def _auto_pad(b: Builder) -> Parts:
    """With stride 2 the pads of SAME_UPPER depend on whether the size is even."""
    x = images(b)
    automatic = square(b, x, pads=[], strides=[2, 2], auto_pad="SAME_UPPER")
    explicit = square(b, x, strides=[2, 2])
    total = b.binary("Add", automatic, explicit)
    return Parts((total.name,), (total.name,))


@broken("auto_pad that is folded at an unknown size")
def _auto_pad_folded(b: Builder) -> Parts:
    x = images(b)
    return finish(b, square(b, x, pads=[], strides=[2, 2], auto_pad="SAME_UPPER"))


def _same(auto_pad: str, kernel: int) -> Maker:
    """Pads that are not those of stride 1, beside the same window with explicit pads."""

    def make(b: Builder) -> Parts:
        x = image(b, 4, (8, 7))
        sides = [kernel, kernel]
        automatic = b.conv(x, 4, sides, strides=[2, 2], auto_pad=auto_pad)
        explicit = b.conv(x, 4, sides, strides=[2, 2], pads=[1, 1, kernel - 2, kernel - 2])
        return finish(b, b.binary("Add", automatic, explicit))

    return make


broken("SAME_UPPER of even and odd sizes")(_same("SAME_UPPER", 3))
broken("SAME_LOWER of even and odd sizes")(_same("SAME_LOWER", 4))


@broken("pads not counted by the average")
def _not_counted(b: Builder) -> Parts:
    x = image(b)
    pooled = b.average(x, [3, 3], [1, 1], pads=[1, 1, 1, 1], count_include_pad=0)
    total = b.binary("Add", square(b, x), pooled)
    return Parts((total.name,), (pooled.name,))


@broken("average with ceil_mode")
def _ceil(b: Builder) -> Parts:
    x = image(b, 4, (8, 6))
    name = b.node("AveragePool", [x.name], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    pooled = Tensor(name, 4, ((4, 3),))
    total = b.binary("Add", square(b, x, strides=[2, 2]), pooled)
    return Parts((total.name,), (pooled.name,))


def _averages(size: tuple[int, int], **attrs: Any) -> Maker:
    """Two averages of one tensor, which would be one depthwise window at the same cost."""

    def make(b: Builder) -> Parts:
        x = image(b, 4, (8, 6))
        pair = [Tensor(b.node("AveragePool", [x.name], **attrs), 4, (size,)) for _ in range(2)]
        return Parts((b.binary("Add", *pair).name,), tuple(pooled.name for pooled in pair))

    return make


broken("two averages with ceil_mode")(_averages((4, 3), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1))
broken("two dilated averages", opset=19)(_averages((6, 4), kernel_shape=[2, 2], dilations=[2, 2]))


@broken("auto_pad of an average")
def _same_average(b: Builder) -> Parts:
    x = image(b)
    name = b.node("AveragePool", [x.name], kernel_shape=[3, 3], auto_pad="SAME_UPPER")
    return Parts((b.binary("Add", square(b, x), Tensor(name, 4, x.sizes)).name,), (name,))


@broken("biased 1x1 before a padded 3x3")
def _biased(b: Builder) -> Parts:
    inner = b.conv(image(b), 4, [1, 1], bias=True)
    outer = square(b, inner)
    return Parts((outer.name,), (outer.name, inner.name))


@broken("BatchNormalization before a padded 3x3")
def _normalised_input(b: Builder) -> Parts:
    x = image(b)
    inner = b.batch_normalization(x)
    outer = square(b, inner)
    return Parts((outer.name,), (outer.name, inner.name))


@broken("padded 3x3 before a padded 3x3")
def _padded_twice(b: Builder) -> Parts:
    """Inexact though there is no bias: the first one's output is not zero outside."""
    inner = square(b, image(b))
    outer = square(b, inner)
    return Parts((outer.name,), (outer.name, inner.name))


@broken("padded 3x3 before a padded 3x3, dynamic")
def _padded_twice_dynamic(b: Builder) -> Parts:
    inner = square(b, images(b))
    outer = square(b, inner)
    return Parts((outer.name,), (outer.name, inner.name))


def _looking_out(begins: int, ends: int) -> Maker:
    """Two windows through many channels, so that one kernel would be much cheaper; the outer one is padded."""

    def make(b: Builder) -> Parts:
        inner = b.conv(images(b), 16, [2, 1])
        outer = b.conv(inner, 1, [2, 1], pads=[begins, 0, ends, 0])
        return Parts((outer.name,), (outer.name, inner.name))

    return make


broken("padding at the start of a window's output")(_looking_out(1, 0))
broken("padding at the end of a window's output")(_looking_out(0, 1))


@broken("padding beside a strided window's output")
def _strided_start(b: Builder) -> Parts:
    """The tap at 2 of an inner stride of 2 looks back into the image from the row before the first."""
    inner = b.conv(images(b), 16, [3, 1], strides=[2, 1])
    outer = b.conv(inner, 1, [2, 1], pads=[1, 0, 0, 0])
    return Parts((outer.name,), (outer.name, inner.name))


@broken("bias in one channel before a padded 3x3")
def _one_bias(b: Builder) -> Parts:
    point = b.conv(image(b), 4, [1, 1])
    shift = b.constant([[[0.0]], [[0.0]], [[2.0]], [[0.0]]])
    inner = Tensor(b.node("Add", [point.name, shift]), 4, point.sizes)
    outer = square(b, inner)
    return Parts((outer.name,), (outer.name,))


@broken("padded 3x3 of a sum that may broadcast")
def _broadcast_then_padded(b: Builder) -> Parts:
    """Through many channels, so that a kernel on each source would be cheaper; the second may have one row."""
    x = images(b, 4, ((7, 6), (8, 5), (6, 6)))
    z = images(b, 4, ((7, 6), (1, 5), (1, 1)))
    total = b.binary("Add", b.conv(x, 16, [1, 1]), b.conv(z, 16, [1, 1]))
    outer = b.conv(total, 1, [3, 3], pads=[1, 1, 1, 1])
    return Parts((outer.name,), (outer.name, total.name))


@broken("average before a padded 3x3")
def _average_first(b: Builder) -> Parts:
    inner = b.average(image(b), [3, 3], [1, 1], pads=[1, 1, 1, 1], count_include_pad=1)
    outer = square(b, inner)
    return Parts((outer.name,), (outer.name, inner.name))


@broken("different strides")
def _strides(b: Builder) -> Parts:
    """At this one size both branches have the same output size."""
    x = image(b, 4, (5, 5))
    total = b.binary("Add", square(b, x, strides=[2, 2]), b.conv(x, 4, [3, 3]))
    return Parts((total.name,), (total.name,))


@broken("different strides in one direction")
def _one_stride(b: Builder) -> Parts:
    x = image(b, 4, (6, 5))
    total = b.binary("Add", b.conv(x, 4, [1, 3], strides=[1, 2], pads=[0, 1, 0, 1]), b.conv(x, 4, [1, 3]))
    return Parts((total.name,), (total.name,))


@broken("shifted branches")
def _shifted(b: Builder) -> Parts:
    """Equal sizes, different places: may be merged, but only with the shift."""
    x = image(b)
    total = b.binary("Add", square(b, x, pads=[2, 0, 0, 2]), square(b, x, pads=[0, 2, 2, 0]))
    return finish(b, total)


def _pad(mode: str, value: float | None = None) -> Maker:
    def make(b: Builder) -> Parts:
        padded = b.pad(image(b), [1, 1], [1, 1], value, mode)
        outer = b.conv(padded, 4, [3, 3])
        return Parts((outer.name,), (outer.name, padded.name))

    return make


broken("reflecting Pad")(_pad("reflect"))
broken("edge Pad")(_pad("edge"))
broken("Pad with a value")(_pad("", 1.5))
broken("Pad with a value, as attribute", opset=9)(_pad("constant", -0.5))


@broken("Pad with a value that is not the bias")
def _wrong_border(b: Builder) -> Parts:
    inner = b.conv(image(b), 4, [1, 1], bias=True)
    padded = b.pad(inner, [1, 1], [1, 1], 0.25)
    outer = b.conv(padded, 4, [3, 3])
    return Parts((outer.name,), (outer.name, padded.name))


@broken("Pad read elsewhere")
def _pad_read_twice(b: Builder) -> Parts:
    padded = b.pad(image(b), [1, 1], [1, 1])
    return Parts((b.conv(padded, 4, [3, 3]).name, b.node("Relu", [padded.name])), (padded.name,))


@broken("shift by a Pad that crops at the other end")
def _shift_then_scale(b: Builder) -> Parts:
    """As large as it was, one row lower: no scale, though every channel reads only itself."""
    moved = b.pad(image(b), [1, 0], [-1, 0])
    return Parts((with_constant(b, "Mul", moved, (4, 1, 1)).name,), (moved.name,))


@broken("Pad of channels")
def _pad_channels(b: Builder) -> Parts:
    x = image(b)
    padded = b.node("Pad", [x.name, b.integers([0, 1, 1, 1, 0, 2, 1, 1])])
    return finish(b, b.conv(Tensor(padded, 7, ((9, 8),)), 4, [3, 3]))


@broken("Pad of the batch")
def _pad_batch(b: Builder) -> Parts:
    x = image(b)
    padded = b.node("Pad", [x.name, b.integers([1, 0, 1, 1, 0, 0, 1, 1])])
    outer = b.conv(Tensor(padded, 4, ((9, 8),)), 4, [3, 3])
    return Parts((outer.name,), (padded,))


@broken("Pad with widths that are an input")
def _pad_input(b: Builder) -> Parts:
    x = image(b)
    b.inputs.append(helper.make_tensor_value_info("widths", onnx.TensorProto.INT64, [8]))
    padded = b.node("Pad", [x.name, "widths"])
    outer = b.conv(Tensor(padded, 4, ((9, 8),)), 4, [3, 3])
    return Parts((outer.name,), (padded,), evaluable=False)


def _slice(starts: list[int], ends: list[int], axes: list[int], steps: list[int], **guard: Any) -> Maker:
    def make(b: Builder) -> Parts:
        x = image(b, batch=2)
        y = square(b, x, bias=True)
        rows = [b.integers(row) for row in (starts, ends, axes, steps)]
        cut = b.node("Slice", [y.name, *rows])
        channels = len(range(4)[starts[0] : ends[0]]) if axes == [1] else 4
        result = with_constant(b, "Mul", Tensor(cut, channels, y.sizes), (channels, 1, 1))
        return Parts((result.name,), (cut,) if guard.get("guarded") else ())

    return make


broken("Slice of channels")(_slice([1], [3], [1], [1]))
broken("Slice of the batch")(_slice([1], [2], [0], [1], guarded=True))
broken("Slice with steps")(_slice([0, 1], [7, 6], [2, 3], [2, 1]))
broken("Slice backwards")(_slice([-1], [-100], [3], [-1], guarded=True))


@broken("Slice backwards over an unknown size")
def _backwards(b: Builder) -> Parts:
    x = images(b)
    turned = b.node("Slice", [x.name, *(b.integers([n]) for n in (2**31 - 1, -(2**31), 2, -1))])
    return finish(b, square(b, Tensor(turned, 4, x.sizes)), Tensor(turned, 4, x.sizes))


@broken("Slice with bounds that are an input")
def _slice_input(b: Builder) -> Parts:
    x = images(b)
    b.inputs.append(helper.make_tensor_value_info("start", onnx.TensorProto.INT64, [1]))
    cut = b.node("Slice", [x.name, "start", b.integers([1000]), b.integers([2])])
    outer = b.conv(Tensor(cut, 4, x.sizes), 4, [3, 3])
    return Parts((outer.name,), (cut,), evaluable=False)


@broken("Slice at a fixed end of an unknown size")
def _slice_dynamic(b: Builder) -> Parts:
    x = images(b)
    cut = b.node("Slice", [x.name, *(b.integers(row) for row in ([0, 0], [6, 5], [2, 3]))])
    outer = square(b, Tensor(cut, 4, ((6, 5),) * 3))
    return Parts((outer.name,), (cut,))


@broken("crop to nothing, then Pad")
def _empty(b: Builder) -> Parts:
    x = image(b, 4, (4, 6))
    cut = b.crop(b.conv(x, 4, [1, 1]), [3, 0], [3, 0])
    padded = b.pad(cut, [3, 0], [3, 0])
    last = b.conv(padded, 4, [1, 1], bias=True)
    return Parts((last.name,), (cut.name,))


@broken("different channel counts of a depthwise sum")
def _multiplier(b: Builder) -> Parts:
    """A depthwise 3x3 beside a full 1x1: exact as one dense 3x3, at many times the multiply-adds."""
    x = image(b, 16)
    depthwise = b.conv(x, 16, [3, 3], pads=[1, 1, 1, 1], group=16)
    total = b.binary("Add", depthwise, b.conv(x, 16, [1, 1]))
    return Parts((total.name,), (total.name,))


@broken("kernels that share no positions")
def _far_apart(b: Builder) -> Parts:
    """A dilated kernel beside a dense one of the same reach: exact as one 5x5, but dearer."""
    x = image(b, 8)
    total = b.binary("Add", square(b, x), square(b, x, pads=[2, 2, 2, 2], dilations=[2, 2]))
    return Parts((total.name,), (total.name,))


@broken("1x3 beside 3x1")
def _no_square(b: Builder) -> Parts:
    """Exact as one 3x3, which has half as many multiply-adds again."""
    x = image(b, 8)
    row, column = b.conv(x, 8, [1, 3], pads=[0, 1, 0, 1]), b.conv(x, 8, [3, 1], pads=[1, 0, 1, 0])
    total = b.binary("Add", row, column)
    return Parts((total.name,), (total.name,))
