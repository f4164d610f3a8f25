"""Which weights are the smallest ones: the measures of a pruning rate, each of one layer or of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch

from graphmorph.errors import UsageError

#: share: so much of the remaining weights goes. magnitude: weights below the rate itself. deviations: weights below so
#: many standard deviations of the remaining ones (Han et al., Learning both Weights and Connections, NIPS 2015).
Measure = Literal["share", "magnitude", "deviations"]
Scope = Literal["layer", "global"]


def require_known(measure: str, scope: str) -> None:
    """Check words that a user gave.

    Raises:
        UsageError: there is no such measure or scope.
    """
    for name, value, known in (("measure", measure, get_args(Measure)), ("scope", scope, get_args(Scope))):
        if value not in known:
            raise UsageError(f"{name}={value!r}: there are {', '.join(known)}")


def kept_at(
    weights: Mapping[str, torch.Tensor],
    kept: Mapping[str, torch.Tensor],
    rate: float,
    measure: Measure,
    scope: Scope,
) -> dict[str, torch.Tensor]:
    """The masks without the smallest of the weights that they keep.

    weights, kept: by path, of one shape each; kept is boolean. Among equal magnitudes it is the first that goes.

    Raises:
        UsageError: the rate is negative, or no number.
    """
    if not rate >= 0:
        raise UsageError(f"a pruning rate is not negative, as {rate!r} is")
    if scope == "layer":
        return {path: _kept(weights[path], kept[path], rate, measure) for path in weights}
    flat = torch.cat([weights[path].flatten().to("cpu") for path in weights]) if weights else torch.empty(0)
    left = torch.cat([kept[path].flatten().to("cpu") for path in weights]) if weights else torch.empty(0).bool()
    pieces = _kept(flat, left, rate, measure).split([weight.numel() for weight in weights.values()])
    return {
        path: piece.view(weight.shape).to(weight.device)
        for (path, weight), piece in zip(weights.items(), pieces, strict=True)
    }


def _kept(weight: torch.Tensor, kept: torch.Tensor, rate: float, measure: Measure) -> torch.Tensor:
    magnitude = weight.detach().abs()
    left = magnitude[kept]
    if not left.numel():
        return kept.clone()
    if measure == "share":
        count = min(round(rate * left.numel()), left.numel())
        places = torch.nonzero(kept.flatten()).flatten()
        gone = places[torch.argsort(left, stable=True)[:count]]
        return kept.flatten().index_fill(0, gone, False).view(kept.shape)
    spread = weight.detach()[kept].double().std(correction=0).item()
    return kept & (magnitude >= (rate if measure == "magnitude" else rate * spread))
