"""From self-expression to an eigenspace (AdapNet, section 3.1): affinity, eigengap, embedding.

Affinity: |C| + |C|ᵀ (Ji et al.), all of it: their heuristics for COIL100 (few entries of a column, a low rank) need the
number of clusters, which is looked for here. Laplacian: I - D^-1/2 A D^-1/2. Eigengap (von Luxburg: A tutorial on
spectral clustering, 2007, section 8.3): the first k eigenvalues are small and the next is large. Embedding (Ng, Jordan,
Weiss, 2001): the first k eigenvectors, rows scaled to length 1, so that clusters lie at right angles.

A point that nobody expresses is no cluster: its eigenvalue is 1, and not 0 as graph theory has it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def affinity(coefficients: Array) -> Array:
    """(points, points), symmetric, from C."""
    strength = np.abs(coefficients)
    both: Array = strength + strength.T
    return both


def laplacian(weights: Array) -> Array:
    """(points, points) normalised, from an affinity."""
    degree = weights.sum(axis=1)
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    normalised: Array = np.eye(len(weights)) - scale[:, None] * weights * scale
    return normalised


def spectrum(weights: Array, count: int) -> tuple[Array, Array]:
    """The smallest eigenvalues of the Laplacian, ascending, and their eigenvectors (points, count)."""
    from scipy.linalg import eigh

    values, vectors = eigh(laplacian(weights), subset_by_index=[0, min(count, len(weights)) - 1])
    return values, vectors


def eigengap(values: Array, fewest: int) -> int:
    """The number of clusters, at least `fewest`, after which the gap between eigenvalues (ascending) is widest."""
    gaps = np.diff(values)
    return fewest + int(np.argmax(gaps[fewest - 1 :]))


def embedding(vectors: Array, clusters: int, dimensions: int) -> Array:
    """(points, dimensions): rows of the first eigenvectors, of length 1, and zeros behind."""
    chosen = vectors[:, :clusters]
    length = np.linalg.norm(chosen, axis=1, keepdims=True)
    unit = np.divide(chosen, length, out=np.zeros_like(chosen), where=length > 0)
    return np.pad(unit, ((0, 0), (0, dimensions - clusters)))
