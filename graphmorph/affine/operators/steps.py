"""What an operator does to affine forms, read off one node: the vocabulary that the operator rules answer in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphmorph.affine.form import Layout
from graphmorph.affine.kernel import Float64, Kernel


@dataclass(frozen=True)
class Wall:
    """The node is not affine, or not one that can be proven so; a region ends here."""

    reason: str


@dataclass(frozen=True, eq=False)
class Scale:
    """Per-channel scale*x + offset. Arrays are (channels,) or (1,); `axis` is None where both are single numbers."""

    data: str
    scale: Float64
    offset: Float64
    axis: Layout | None


@dataclass(frozen=True, eq=False)
class Window:
    """A kernel over one tensor. `cost`: multiply-adds per output position. `bias`: (out,) or None.

    `merges_only` marks nodes that are cheaper than the convolution they would become (pooling, crops, pads): they are
    worth absorbing into another kernel, never worth becoming one.
    """

    data: str
    kernel: Kernel
    bias: Float64 | None
    cost: float
    axis: Layout
    merges_only: bool = False


@dataclass(frozen=True, eq=False)
class Sum:
    """Signed sum of tensors, plus a constant (channels,) or (1,)."""

    operands: tuple[tuple[str, float], ...]
    offset: Float64
    axis: Layout | None


@dataclass(frozen=True)
class Border:
    """Pad the spatial dimensions with a number: zero padding, or a margin that scatters fill later."""

    data: str
    begin: tuple[int, ...]
    end: tuple[int, ...]
    value: float
    axis: Layout = "first"


@dataclass(frozen=True, eq=False)
class Scatter:
    """Overwrite elements of a bordered tensor by constants: x[indices] = updates (ONNX ScatterND)."""

    data: str
    indices: np.ndarray
    updates: np.ndarray


@dataclass(frozen=True)
class Permute:
    """Permute the axes of a bordered tensor."""

    data: str
    order: tuple[int, ...]


Step = Scale | Window | Sum | Border | Scatter | Permute


def inputs_of(step: Step) -> tuple[str, ...]:
    """Names of the tensors that the step is affine in."""
    if isinstance(step, Sum):
        return tuple(name for name, _ in step.operands)
    return (step.data,)
