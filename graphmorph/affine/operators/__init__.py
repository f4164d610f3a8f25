"""Operator rules: what each ONNX operator does to affine forms. This folder is the table of what regions pass through."""

from __future__ import annotations

from graphmorph.affine.operators import borders, convolution, elementwise, matrix, normalization
from graphmorph.affine.operators.rules import step_of, supported, version_of

__all__ = ["borders", "convolution", "elementwise", "matrix", "normalization", "step_of", "supported", "version_of"]
