"""When the composition of two window operators is exact at the borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphmorph.affine.kernel import Float64, Kernel

if TYPE_CHECKING:
    from graphmorph.affine.form import Form

Sizes = tuple[int | None, ...]


def border_disagreement(outer: Kernel, inner: Kernel, form: Form, outside: Float64 | float, source: str) -> str | None:
    """Why `outer` over `inner` is not one kernel, or None if it is.

    `outer` may read positions q of the inner tensor outside [0, size). There it sees `outside`, while the composed
    kernel evaluates the inner kernel over the zeros around the source. The two agree when the bias equals `outside`
    and no tap of the inner kernel reaches the source from there. Sizes that are unknown are decided for every size at
    which no intermediate tensor is empty.
    """
    for dim in range(outer.rank):
        left, right = _reads_outside(outer, form.size[dim], dim)
        if not (left or right):
            continue
        if not _equal_outside(form, outside):
            return (
                "it pads an input whose bias is not the padding value, so its border differs from the folded kernel's"
            )
        if left and inner.highest(dim) >= inner.stride[dim]:
            return f"it pads a tensor that already looks past the start of {source}, so the two paddings do not compose"
        if right and not _ends_past_source(inner, form.size[dim], dim):
            return f"it pads a tensor that already looks past the end of {source}, so the two paddings do not compose"
    return None


def _reads_outside(outer: Kernel, size: int | None, dim: int) -> tuple[bool, bool]:
    left = outer.lowest(dim) < 0
    if size is None:
        return left, outer.size_term[dim] + outer.highest(dim) >= 0
    stride = outer.stride[dim]
    last = stride * ((size + outer.size_term[dim]) // stride)
    return left, last + outer.highest(dim) > size - 1


def _ends_past_source(inner: Kernel, size: int | None, dim: int) -> bool:
    """Whether every tap at the first position past the end reads past the source's end.

    That position is p = size(y), so stride*p >= n + size_term + 1 whatever n is.
    """
    return inner.size_term[dim] + 1 + inner.lowest(dim) >= 0


def _equal_outside(form: Form, outside: Float64 | float) -> bool:
    return bool(np.all(form.dense_bias() == outside))
