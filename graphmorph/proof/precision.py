"""Whether a difference is rounding: then it shrinks with the precision that is computed in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphmorph.proof.compare import elementwise, is_discrete

Outputs = Mapping[str, np.ndarray]

#: What is left of a rounding error of float32 in float64, at most: 2^-29 of it is expected.
_SHRINKS_BY = 2.0**-16

#: Rounding errors of float64, in units of the output's size, that need no error in float32 to be compared with.
_NEGLIGIBLE = 2.0**-40


def shrinks(single: tuple[Outputs, Outputs], double: tuple[Outputs, Outputs]) -> bool:
    """Whether two models that differ in their own precision agree in float64.

    Args:
        single: outputs of both in the precision that they are written in, by name.
        double: the same with float64 in place of every other float.
    """
    return all(_output_shrinks(name, single, double) for name in single[0])


def _output_shrinks(name: str, single: tuple[Outputs, Outputs], double: tuple[Outputs, Outputs]) -> bool:
    if any(name not in outputs for outputs in (*single, *double)):
        return False
    (first, second), (one, other) = ([outputs[name] for outputs in pair] for pair in (single, double))
    if first.shape != second.shape or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if is_discrete(one):
        return bool(np.array_equal(one, other))
    errors = elementwise(one, other)
    allowed = _SHRINKS_BY * _largest(elementwise(first, second).error) + _NEGLIGIBLE * _largest(errors.magnitude)
    return not errors.nonfinite_mismatch.any() and _largest(errors.error) <= allowed


def _largest(array: np.ndarray) -> float:
    return float(array.max(initial=0.0))
