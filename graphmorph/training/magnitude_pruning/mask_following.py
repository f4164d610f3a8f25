"""Masks of a module's weights, for the module that a rewrite made of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.torch_door.provenance import ParameterOrigin
from graphmorph.training.following import taken


def kept_after(kept: Mapping[str, torch.Tensor], after: MorphedModule) -> dict[str, torch.Tensor]:
    """Masks by path, of those parameters that something masked went into."""
    origins: Mapping[str, ParameterOrigin] = after.__dict__.get("parameter_origins") or {}
    found = {}
    for path, parameter in after.named_parameters():
        origin = origins.get(path, ParameterOrigin((), None))
        if any(source in kept for source in origin.paths):
            found[path] = _followed(kept, parameter, origin)
    return found


def _followed(kept: Mapping[str, torch.Tensor], parameter: nn.Parameter, origin: ParameterOrigin) -> torch.Tensor:
    first = kept.get(origin.paths[0])
    if origin.slices is None or first is None:
        return parameter.detach() != 0
    # What is new among the entries is not pruned, and `taken` fills it with zeros.
    gone = taken(~first, origin.slices)
    if origin.transposed:
        gone = gone.permute(*reversed(range(gone.dim())))
    return ~gone.to(parameter.device)
