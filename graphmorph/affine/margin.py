"""Margins: a padded tensor whose border constants are still being written.

Diverse Branch Block pads with its BN's bias. Exported, that is a zero Pad, then ScatterND of constants over the border,
with Transposes between. The constants are replayed on a real array whose interior is unknown (NaN); once every border
element equals the bias of its channel, the whole chain is zero padding of an affine tensor, and exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from graphmorph.affine.form import Form, InexactError, Passage, applied
from graphmorph.affine.kernel import shift
from graphmorph.affine.operators.steps import Border, Permute, Scatter

#: Border values were rounded to the model's own type when the file was written: compare within a few roundings of it.
STORED_ROUNDINGS = 8

#: Margins are replayed only where the padded tensor has at most this many elements.
MAX_ELEMENTS = 1 << 26

#: A batch of a size not known is replayed as one sample; scatters must then treat all samples alike.
ANY_BATCH = 1


@dataclass(frozen=True, eq=False)
class Margin:
    """`inner` padded by (begin, end); `border`: the padded array with axes in `order`, NaN inside."""

    inner: Form
    begin: tuple[int, ...]
    end: tuple[int, ...]
    border: np.ndarray
    order: tuple[int, ...]
    passage: Passage


def padded(step: Border, form: Form, passage: Passage, *, written: bool) -> Form | Margin:
    """Apply a Pad: a form where the padding value is the bias, a margin still to be filled elsewhere.

    written: a ScatterND fills the border later, be it with what is there already (a bias of 0).
    """
    if written:
        return _open_margin(step, form, passage)
    kernel = shift(form.channels, step.begin, step.end)
    try:
        return applied(kernel, form, None, passage, outside=step.value)
    except InexactError:
        if form.bias is None and step.value == 0.0:
            raise
        return _open_margin(step, form, passage)


def _open_margin(step: Border, form: Form, passage: Passage) -> Margin:
    if any(n is None for n in form.size) or min((*step.begin, *step.end)) < 0:
        raise InexactError("it pads with a value that is not the bias of its input, whose size is not static")
    batch = [n if isinstance(n, int) else ANY_BATCH for n in form.batch]
    sizes = [*batch, form.channels, *(n for n in form.size if n is not None)]
    outer = [*sizes[:2], *(b + n + e for b, n, e in zip(step.begin, sizes[2:], step.end, strict=True))]
    if int(np.prod(outer)) > MAX_ELEMENTS:
        raise InexactError(f"it pads with a value that is not the bias of its input, over {outer} elements")
    border = np.full(outer, step.value)
    border[_interior(step.begin, sizes[2:])] = np.nan
    return Margin(form, step.begin, step.end, border, tuple(range(len(outer))), passage)


def _interior(begin: tuple[int, ...], sizes: list[int]) -> tuple[slice, ...]:
    return (slice(None), slice(None), *(slice(b, b + n) for b, n in zip(begin, sizes, strict=True)))


def permuted(step: Permute, margin: Margin) -> Margin:
    """Replay a Transpose."""
    order = tuple(margin.order[axis] for axis in step.order)
    return Margin(margin.inner, margin.begin, margin.end, margin.border.transpose(step.order), order, margin.passage)


def scattered(step: Scatter, margin: Margin) -> Margin:
    """Replay a ScatterND of constants.

    Raises:
        InexactError: where the indices or updates do not fit the tensor.
    """
    border = margin.border.copy()
    depth = step.indices.shape[-1]
    places = step.indices.reshape(-1, depth)
    limits = np.array(border.shape[:depth])
    expected = (*step.indices.shape[:-1], *border.shape[depth:])
    if depth > border.ndim or np.any(places < -limits) or np.any(places >= limits):
        raise InexactError("ScatterND writes outside its data")
    if not isinstance(margin.inner.batch[0], int) and margin.order.index(0) < depth:
        raise InexactError("ScatterND writes to single samples of a batch whose size is not known")
    try:
        updates = np.broadcast_to(np.asarray(step.updates, dtype=np.float64), expected)
    except ValueError:
        raise InexactError(f"ScatterND writes updates of shape {step.updates.shape}, not {expected}") from None
    border[tuple(places.T)] = updates.reshape(-1, *border.shape[depth:])
    return Margin(margin.inner, margin.begin, margin.end, border, margin.order, margin.passage)


def closed(margin: Margin, dtype: int | None) -> Form:
    """The form of a margin that is filled with the bias. `dtype`: the ONNX element type that its values were stored in.

    Raises:
        InexactError: where some border element is not the bias of its channel.
    """
    if margin.order != tuple(range(len(margin.order))):
        raise InexactError("a transposed border is read")
    sizes = [int(n) for n in margin.inner.size if n is not None]
    interior = np.zeros(margin.border.shape, dtype=bool)
    interior[_interior(margin.begin, sizes)] = True
    if not np.array_equal(np.isnan(margin.border), interior):
        raise InexactError("ScatterND writes inside the border that a Pad added")
    bias = margin.inner.dense_bias().reshape(1, -1, *(1,) * margin.inner.rank)
    difference = np.abs(np.where(interior, bias, margin.border) - bias)
    # A bias is beta - mean * scale: it was rounded at the magnitude of those, which the largest bias stands for.
    scale = float(np.max(np.abs(bias), initial=0.0))
    if np.any(difference > STORED_ROUNDINGS * _epsilon(dtype) * scale):
        raise InexactError("the border that it pads with is not the bias of its input")
    kernel = shift(margin.inner.channels, margin.begin, margin.end)
    return applied(kernel, margin.inner, None, margin.passage, outside=margin.inner.dense_bias())


def _epsilon(dtype: int | None) -> float:
    known: dict[int, float] = {
        int(onnx.TensorProto.DOUBLE): 2.0**-52,
        int(onnx.TensorProto.FLOAT16): 2.0**-10,
        int(onnx.TensorProto.BFLOAT16): 2.0**-7,
    }
    return known.get(dtype or 0, 2.0**-23)
