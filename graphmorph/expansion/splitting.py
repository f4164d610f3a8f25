"""Kernels of the branches, such that they add up to the kernel that they come from.

ACNet eq. 6 merges branches into one kernel, F' = sum of (gamma_i / sigma_i) F_i. Read backwards, with the same ratio
gamma / sigma in every branch, it asks for

    K = K_0 + sum over i of place(K_i)                                                            (6')

K_i is a share of the taps that the branch lies on, plus noise of the kernel's own size, so that branches are neither
small nor copies of each other. It is rounded to the weights' type first; K_0, the square, takes the exact difference.
So one kernel alone is rounded with an effect on the sum. A channel that is all zeros stays so in every branch.

Kernels are (out, in/groups, k, k) or, of a branch, (out, in/groups, *size); the identity has a coefficient (out,), by
which its normalisation is to scale. All in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.expansion.branch import Branch

Float64 = NDArray[np.float64]


def split(
    kernel: Float64, branches: Sequence[Branch], dtype: np.dtype[Any], share: float, generator: np.random.Generator
) -> list[Float64]:
    """The parts of `kernel`, by branch. The first branch is the square; its part is not yet rounded."""
    noise = np.sqrt(np.mean(kernel**2, axis=(1, 2, 3)))
    rest, parts = kernel.copy(), []
    for branch in branches[1:]:
        if branch.is_identity:
            part = noise * np.sqrt(kernel.shape[1])  # as strong as the average tap of the kernel
        else:
            under = kernel[:, :, *_taps(branch)]
            part = share * branch.part * under + _per_filter(noise) * generator.standard_normal(under.shape)
            part = rounded(part, dtype)
        rest -= placed(part, branch, kernel.shape)
        parts.append(part)
    return [rest, *parts]


def placed(part: Float64, branch: Branch, shape: tuple[int, ...]) -> Float64:
    """A branch's kernel as one of `shape` (out, in/groups, k, k): channel o of the identity reads input o."""
    square = np.zeros(shape)
    if branch.is_identity:
        channels = np.arange(shape[0])
        square[channels, channels % shape[1], *branch.begin] = part
    else:
        square[:, :, *_taps(branch)] = part
    return square


def energies(kernel: Float64, parts: Sequence[Float64]) -> list[Float64]:
    """|K_i|^2 / |K|^2 of each filter, by branch: (out,). 1 for a filter of zeros; the identity's kernel is a one."""
    whole = _squares(kernel)
    known = np.where(whole > 0, whole, 1.0)
    return [np.where(whole > 0, (_squares(part) if part.ndim > 1 else 1.0) / known, 1.0) for part in parts]


def drawn(shape: tuple[int, ...], generator: np.random.Generator) -> Float64:
    """A kernel (out, in/groups, *size) as torch.nn.Conv2d draws it: uniform within 1 / sqrt(fan in)."""
    bound = 1.0 / np.sqrt(np.prod(shape[1:]))
    return generator.uniform(-bound, bound, shape)


def rounded(values: Float64, dtype: np.dtype[Any]) -> Float64:
    """What is left of `values` in `dtype`; infinite where they leave its range."""
    with np.errstate(over="ignore"):
        return values.astype(dtype).astype(np.float64)


def _taps(branch: Branch) -> tuple[slice, slice]:
    (row, column), (height, width) = branch.begin, branch.size or (1, 1)
    return slice(row, row + height), slice(column, column + width)


def _per_filter(values: Float64) -> Float64:
    return values.reshape(-1, 1, 1, 1)


def _squares(kernel: Float64) -> Float64:
    squares: Float64 = np.sum(kernel**2, axis=tuple(range(1, kernel.ndim)))
    return squares
