"""Operator rules: what each ONNX operator does to affine forms. The folder is the table of what is supported."""

from __future__ import annotations

from graphmorph.affine.operators import borders, convolution, elementwise, matrix, normalization
from graphmorph.affine.operators.rules import step_of, supported

__all__ = [
    "borders",
    "convolution",
    "elementwise",
    "matrix",
    "normalization",
    "step_of",
    "supported",
]
