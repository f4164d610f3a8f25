"""Where the parameters of a materialised module come from: what moves an optimizer's state along with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from graphmorph.journal import NEW, ConstantEdit, Slice
from graphmorph.torch_door.parameters import ParameterValues
from graphmorph.torch_door.record import TraceRecord


@dataclass(frozen=True)
class ParameterOrigin:
    """What a parameter was made from.

    paths: the tensors of the traced module whose values went into it, the first of all first; empty for a new one.
    slices: it has these entries of the first of them, at most one slice for each axis; None where it was computed.
    transposed: the axes are reversed after that.
    """

    paths: tuple[str, ...]
    slices: tuple[Slice, ...] | None = ()
    transposed: bool = False


@dataclass(frozen=True)
class MadeParameter:
    """A parameter that was made of a constant, or of its transpose."""

    parameter: nn.Parameter
    constant: str
    transposed: bool


def parameter_origins(
    module: nn.Module, record: TraceRecord, made: Iterable[MadeParameter], edits: Iterable[ConstantEdit]
) -> dict[str, ParameterOrigin]:
    """The origins of all parameters of a module, by path."""
    by_identity = {id(one.parameter): one for one in made}
    history = _history(record, edits)
    found = {}
    for path, parameter in module.named_parameters():
        if id(parameter) in record.paths:
            found[path] = ParameterOrigin((record.paths[id(parameter)],))
        else:
            found[path] = _origin(by_identity.get(id(parameter)), history)
    return found


@dataclass(frozen=True)
class _Known:
    """A constant: slices of `first`, in the axes of the constant, None where it was computed."""

    paths: tuple[str, ...]
    first: ParameterValues | None = None
    slices: tuple[Slice, ...] | None = None


def _history(record: TraceRecord, edits: Iterable[ConstantEdit]) -> dict[str, _Known]:
    """What became each constant, by the name that it has in the end: a new one may have the name of the old."""
    known = {
        name: _Known((record.paths[id(values.source)],), values, ())
        for name, values in record.parameters.items()
        if id(values.source) in record.paths
    }
    for edit in edits:
        sources = [known.get(name, _Known(())) for name in edit.made_from]
        paths = tuple(dict.fromkeys(path for source in sources for path in source.paths))
        first = sources[0] if sources and edit.slices else _Known(())
        if first.first is None or first.slices is None:
            known[edit.name] = _Known(paths)
        else:
            slices = composed((*first.slices, *edit.slices), first.first.shape)
            known[edit.name] = _Known(paths, first.first, slices)
    return known


def _origin(made: MadeParameter | None, history: Mapping[str, _Known]) -> ParameterOrigin:
    """What a parameter was made from, in the axes of the module's own tensor."""
    known = history.get(made.constant, _Known(())) if made is not None else _Known(())
    values, slices = known.first, known.slices
    if made is None or values is None or slices is None:
        return ParameterOrigin(known.paths, None)
    if values.transposed:
        slices = tuple(Slice(len(values.shape) - 1 - one.axis, one.taken) for one in reversed(slices))
    return ParameterOrigin(known.paths, slices, values.transposed != made.transposed)


def composed(slices: Iterable[Slice], shape: Sequence[int]) -> tuple[Slice, ...]:
    """Slices of a tensor of some shape, one after the other, as at most one for each axis; those of everything go."""
    taken: dict[int, tuple[int, ...]] = {}
    for one in slices:
        before = taken.get(one.axis)
        taken[one.axis] = (
            one.taken if before is None else tuple(NEW if entry == NEW else before[entry] for entry in one.taken)
        )
    whole = {axis for axis, entries in taken.items() if _is_everything(entries, shape[axis])}
    return tuple(Slice(axis, taken[axis]) for axis in sorted(taken) if axis not in whole)


def _is_everything(entries: Sequence[int], size: int) -> bool:
    return len(entries) == size and all(entry == place for place, entry in enumerate(entries))
