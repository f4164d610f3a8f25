"""How points are expressed by each other (AdapNet, equation 2, after Ji et al.): the terms of C, solved.

    minimise  λ1 |C|² + λ2/2 |Z - Z C|²   with diag(C) = 0,      Z: one column for each point

The norm of C is taken squared, p = 2, as the published code of Ji et al. has it for COIL100. Then, with
P = (ZᵀZ + 2 λ1/λ2 I)⁻¹, the minimum is C_ij = -P_ij / P_jj off the diagonal (Lagrange; Steck: Embarrassingly shallow
autoencoders, WWW 2019, equation 8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def self_expression(features: Array, lambda1: float, lambda2: float) -> Array:
    """C, (points, points): point j is about the sum over i of C_ij times point i. features: (points, D)."""
    gram = features @ features.T
    gram[np.diag_indices_from(gram)] += 2.0 * lambda1 / lambda2
    inverse = np.linalg.inv(gram)
    coefficients: Array = -inverse / np.diag(inverse)
    np.fill_diagonal(coefficients, 0.0)
    return coefficients
