"""What the branches of a block hold: new weights that leave the function as it is, or fresh ones as in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphmorph.expansion import normalisation
from graphmorph.expansion.branch import Branch
from graphmorph.expansion.layer import Layer
from graphmorph.expansion.normalisation import Norm
from graphmorph.expansion.splitting import Float64, drawn, energies, split
from graphmorph.facts import Facts

#: Of normalisations that have no one to take it from; that of torch and of ONNX.
EPSILON = 1e-5


@dataclass(frozen=True, eq=False)
class Content:
    """Of one branch. None keeps what the layer has (the square), or stands for nothing to keep (the others)."""

    kernel: Float64 | None = None
    norm: Norm | None = None


def preserved(
    layer: Layer,
    branches: Sequence[Branch],
    facts: Facts,
    *,
    normalised: bool,
    share: float,
    generator: np.random.Generator,
) -> list[Content]:
    """Contents with which the block computes what the layer did (eq. 6' and 7').

    normalised: each branch has a normalisation. Where the layer has none it takes over the convolution's bias, which a
    normalisation that trains would subtract again.
    """
    kernel = facts.value(layer.weight)
    with np.errstate(all="ignore"):  # what leaves the range of its type is refused where it is written
        parts = split(kernel, branches, layer.weight.dtype, share, generator)
        kernels = [None if branch.is_identity else part for branch, part in zip(branches, parts, strict=True)]
        if not normalised:
            return [Content(kernel) for kernel in kernels]
        bias = np.zeros(len(kernel)) if layer.bias is None else facts.value(layer.bias)
        norm, shares = layer.read_norm(facts), energies(kernel, parts)
        if norm is None:
            norm, bias, shares = (
                normalisation.adding(bias, EPSILON),
                np.zeros_like(bias),
                [np.ones_like(bias)] * len(parts),
            )
        coefficients = [part if branch.is_identity else None for branch, part in zip(branches, parts, strict=True)]
        norms = normalisation.divide(norm, bias, shares, coefficients, layer.norm_types())
    return [Content(kernel, norm) for kernel, norm in zip(kernels, norms, strict=True)]


def fresh(
    layer: Layer, branches: Sequence[Branch], *, normalised: bool, generator: np.random.Generator
) -> list[Content]:
    """The layer as it is beside branches as new layers are initialised (ACNet section 3.3)."""
    geometry = layer.geometry
    norm = normalisation.untrained(geometry.out_channels, EPSILON) if normalised else None
    return [
        Content(None, norm if layer.norm is None else None),
        *(
            Content(None if branch.is_identity else drawn(geometry.kernel_shape(branch), generator), norm)
            for branch in branches[1:]
        ),
    ]
