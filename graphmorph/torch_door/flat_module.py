"""A module as exporters and files see it: named tensors in and named tensors out, by position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from graphmorph.errors import UsageError
from graphmorph.torch_door.source_lines import failing_line

#: What forward may raise on inputs that it is not made for.
RUN_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AssertionError, NotImplementedError)

_REGISTRIES = ("_parameters", "_buffers", "_non_persistent_buffers_set", "_modules")

#: Where a FlatModule keeps the module: no child of it, and under a name that no child has.
_WHOLE = "<whole>"


@dataclass(frozen=True)
class Interface:
    """The tensors that forward takes and returns.

    leaves: the example inputs, flattened, of which those at `places` are tensors; the others are fixed.
    arguments: for each tensor the argument of forward that it is part of.
    """

    leaves: tuple[Any, ...]
    tree: Any
    places: tuple[int, ...]
    arguments: tuple[str, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The tensors of the example inputs."""
        return tuple(self.leaves[place] for place in self.places)

    def keywords(self, tensors: Sequence[torch.Tensor]) -> dict[str, Any]:
        """The keyword arguments of forward for some tensors."""
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        return dict(pytree.tree_unflatten(leaves, self.tree))

    def run(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The tensors that a module returns; the inputs are copied, since forward may write into them."""
        return output_tensors(module(**self.keywords([tensor.clone() for tensor in tensors])))


def output_tensors(result: Any) -> tuple[torch.Tensor, ...]:
    """The tensors in what forward returned."""
    return tuple(leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor))


def interface_of(
    module: nn.Module,
    inputs: Mapping[str, Any],
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Interface:
    """Run a module on its example inputs (arguments of forward by name), and name what goes in and comes out.

    Default names are those of the arguments and of the keys of a returned dictionary; members of a tuple are numbered.

    Raises:
        UsageError: the module does not run on them, takes or returns no tensor, or the names do not fit.
    """
    kind = type(module).__name__
    paths, tree = pytree.tree_flatten_with_path(dict(inputs))
    places = [place for place, (_, leaf) in enumerate(paths) if isinstance(leaf, torch.Tensor)]
    if not places:
        raise UsageError(f"example_inputs of {kind} hold no tensor: a file needs an input")
    try:
        result = module(**pytree.tree_map_only(torch.Tensor, torch.Tensor.clone, dict(inputs)))
    except RUN_ERRORS as error:
        raise UsageError(f"{kind} does not run on the example inputs: {failing_line(error)}") from error
    returned = pytree.tree_flatten_with_path(result)[0]
    outputs = [path for path, leaf in returned if isinstance(leaf, torch.Tensor)]
    others = [leaf for _, leaf in returned if leaf is not None and not isinstance(leaf, torch.Tensor)]
    if not outputs:
        what = type(others[0]).__name__ if others else type(result).__name__
        raise UsageError(
            f"{kind} returns no tensor that a file could hold, but {what}: return tensors or tuples of them"
        )
    named_in = _chosen(input_names, [_path_name(paths[place][0], "input") for place in places], (), "input")
    named_out = _chosen(output_names, [_path_name(path, "output") for path in outputs], named_in, "output")
    dropped = f"{len(others)} returned value(s) that are no tensors are left out of the file: {others[:3]!r}"
    return Interface(
        leaves=tuple(leaf for _, leaf in paths),
        tree=tree,
        places=tuple(places),
        arguments=tuple(str(_key(paths[place][0][0])) for place in places),
        input_names=named_in,
        output_names=named_out,
        notes=(dropped,) if others else (),
    )


def _key(entry: Any) -> Any:
    """What one step of a path through a tree is called: a key, a number, or the name of a field."""
    return next(getattr(entry, part) for part in ("key", "idx", "name") if hasattr(entry, part))


def _path_name(path: Sequence[Any], kind: str) -> str:
    parts = [str(_key(entry)) for entry in path]
    numbered_alone = bool(parts) and parts[0].isdecimal()
    return "_".join([kind, *parts] if numbered_alone or not parts else parts)


def _chosen(given: Sequence[str] | None, default: Sequence[str], taken: Iterable[str], kind: str) -> tuple[str, ...]:
    """The user's names, or the default ones made different from each other and from those that are taken."""
    used = set(taken)
    if given is None:
        names: list[str] = []
        for name in default:
            free = name if name not in used else f"{name}_{kind}"
            while free in used:
                free += "_"
            used.add(free)
            names.append(free)
        return tuple(names)
    if isinstance(given, str) or len(given) != len(default):
        count = 1 if isinstance(given, str) else len(given)
        raise UsageError(f"{kind}_names: {count} given for {len(default)} tensor(s) ({', '.join(default)})")
    for name in given:
        if not name or name in used:
            raise UsageError(f"{kind}_names: {name!r} is empty or there already: every name must be its own")
        used.add(name)
    return tuple(given)


class FlatModule(nn.Module):
    """A module whose forward takes tensors by position and returns a tuple of them.

    It shares the registries of the module, so that exporters see its parts at their own paths.
    """

    def __init__(self, module: nn.Module, interface: Interface) -> None:
        super().__init__()
        for name in _REGISTRIES:
            self.__dict__[name] = module.__dict__[name]
        self.__dict__[_WHOLE] = (module, interface)
        self.training = module.training

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        module, interface = self.__dict__[_WHOLE]
        return output_tensors(module(**interface.keywords(tensors)))
