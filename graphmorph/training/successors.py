"""Which parameters of a new module stand for which of the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from graphmorph.errors import UsageError
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.torch_door.provenance import ParameterOrigin


@dataclass(frozen=True, eq=False)
class Successor:
    """A parameter of the new module. `old` is the parameter that it takes the place of, None where it is new."""

    path: str
    parameter: nn.Parameter
    origin: ParameterOrigin
    old: nn.Parameter | None

    @property
    def is_same(self) -> bool:
        """Whether both modules share it."""
        return self.parameter is self.old


def successors_of(before: nn.Module, after: MorphedModule, held: set[int]) -> list[Successor]:
    """The parameters of a module that an optimizer should hold instead of those of the module that it was made from.

    held: identities of the parameters that it holds. What was made only of tensors that it does not hold (frozen
    layers, buffers) is left out.

    Raises:
        UsageError: the module was made from another one.
    """
    origins: Mapping[str, ParameterOrigin] | None = after.__dict__.get("parameter_origins")
    if origins is None:
        raise UsageError("the module was not made from a torch module: nothing tells where its parameters come from")
    own = dict(before.named_parameters(remove_duplicate=False))
    found = []
    for path, parameter in after.named_parameters():
        origin = origins.get(path, ParameterOrigin((), None))
        if id(parameter) in held:
            found.append(Successor(path, parameter, origin, parameter))
            continue
        sources = [own[source] for source in origin.paths if source in own and id(own[source]) in held]
        if sources or (not origin.paths and parameter.requires_grad):
            found.append(_successor(path, parameter, origin, own, sources))
    return found


def _successor(
    path: str,
    parameter: nn.Parameter,
    origin: ParameterOrigin,
    own: Mapping[str, nn.Parameter],
    sources: list[nn.Parameter],
) -> Successor:
    if not sources:
        return Successor(path, parameter, origin, None)
    if origin.slices is None:
        return Successor(path, parameter, origin, _nearest(sources, parameter))
    old = own.get(origin.paths[0])
    if old is None or id(old) != id(sources[0]):
        # Its entries are those of a tensor that is not trained; only values beside them are.
        return Successor(path, parameter, ParameterOrigin(origin.paths, None), _nearest(sources, parameter))
    if not _fits(old, parameter, origin):
        raise UsageError(
            f"{path} of shape {tuple(parameter.shape)} was made from {origin.paths[0]}, which has shape "
            f"{tuple(old.shape)} in `before`: pass the module that was rewritten, whose parameters the optimizer holds"
        )
    return Successor(path, parameter, origin, old)


def _nearest(sources: list[nn.Parameter], parameter: nn.Parameter) -> nn.Parameter:
    """The first of the same shape, else the first: a bias that was folded out of a normalisation follows its bias."""
    return next((source for source in sources if source.shape == parameter.shape), sources[0])


def _fits(old: torch.Tensor, new: torch.Tensor, origin: ParameterOrigin) -> bool:
    """Whether the slices of an old parameter give a new one."""
    sizes = list(old.shape)
    for one in origin.slices or ():
        if one.axis >= len(sizes) or max(one.taken, default=-1) >= sizes[one.axis]:
            return False
        sizes[one.axis] = len(one.taken)
    return list(new.shape) == (sizes[::-1] if origin.transposed else sizes)
