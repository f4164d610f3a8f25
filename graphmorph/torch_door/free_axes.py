"""Axes of the inputs whose size is free in an exported file, and the other sizes to prove the file at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from graphmorph.errors import UsageError
from graphmorph.torch_door.flat_module import Interface

#: For each tensor the names of its free axes.
FreeAxes = tuple[dict[int, str], ...]
Sizes = dict[str, int]

BATCH = "batch"


def free_axes(interface: Interface, *, dynamic_batch: bool, dynamic_shapes: Mapping[str, Any] | None) -> FreeAxes:
    """The free axes of each tensor.

    dynamic_batch: the first axis of each tensor that is as long there as the first tensor. dynamic_shapes: by argument
    of forward or by name of an input, {axis: name}.

    Raises:
        UsageError: there is no such input or axis, or axes of one name have different sizes.
    """
    free: FreeAxes = tuple({} for _ in interface.tensors)
    if dynamic_batch:
        size = next((tensor.shape[0] for tensor in interface.tensors if tensor.dim()), None)
        if size is None:
            raise UsageError("dynamic_batch: no input has an axis")
        for axes, tensor in zip(free, interface.tensors, strict=True):
            if tensor.dim() and tensor.shape[0] == size:
                axes[0] = BATCH
    if dynamic_shapes is not None and not isinstance(dynamic_shapes, Mapping):
        raise UsageError('dynamic_shapes: a mapping by argument is needed, as {"x": {0: "batch"}}')
    for name, wanted in (dynamic_shapes or {}).items():
        index = _index_of(interface, name)
        free[index].update(_named_axes(interface.input_names[index], interface.tensors[index], wanted))
    sizes_of(interface, free)
    return free


def _index_of(interface: Interface, name: str) -> int:
    if name in interface.input_names:
        return interface.input_names.index(name)
    if interface.arguments.count(name) == 1:
        return interface.arguments.index(name)
    raise UsageError(f"dynamic_shapes: there is no input {name}; there are {', '.join(interface.input_names)}")


def _named_axes(name: str, tensor: torch.Tensor, wanted: Any) -> dict[int, str]:
    """{axis: name} from what torch.export takes too: a mapping or a sequence, of names, Dims, or None for fixed."""
    if wanted is None:
        return {}
    if isinstance(wanted, str) or not isinstance(wanted, Mapping | Sequence):
        raise UsageError(f'dynamic_shapes of {name}: {{axis: name}} is needed, as {{0: "batch"}}, not {wanted!r}')
    items = wanted.items() if isinstance(wanted, Mapping) else enumerate(wanted)
    axes: dict[int, str] = {}
    for axis, symbol in items:
        if not isinstance(axis, int) or not -tensor.dim() <= axis < tensor.dim():
            raise UsageError(f"dynamic_shapes of {name}: there is no axis {axis!r} in {list(tensor.shape)}")
        if symbol is None or isinstance(symbol, int):
            continue
        place = axis % tensor.dim()
        text = symbol if isinstance(symbol, str) else getattr(symbol, "__name__", f"{name}_{place}")
        if not text.isidentifier():
            raise UsageError(f"dynamic_shapes of {name}: {text!r} is no name for axis {axis}; take letters and digits")
        axes[place] = text
    return axes


def sizes_of(interface: Interface, free: FreeAxes) -> Sizes:
    """The size of each free axis in the example.

    Raises:
        UsageError: axes of one name have different sizes.
    """
    sizes: Sizes = {}
    for name, tensor, axes in zip(interface.input_names, interface.tensors, free, strict=True):
        for axis, symbol in axes.items():
            size = tensor.shape[axis]
            if sizes.setdefault(symbol, size) != size:
                raise UsageError(
                    f"dynamic axis {symbol}: its size is {sizes[symbol]} in one input and {size} in axis {axis} of "
                    f"{name}; axes that are free of each other need names of their own"
                )
    return sizes


def shape_at(shape: Sequence[int], axes: Mapping[int, str], sizes: Sizes) -> tuple[int, ...]:
    """A tensor's shape where the free axes have other sizes."""
    return tuple(sizes.get(axes.get(axis, ""), size) for axis, size in enumerate(shape))


def without_ones(tensors: Sequence[torch.Tensor], free: FreeAxes) -> tuple[torch.Tensor, ...]:
    """The same tensors twice as long in free axes of size 1, which exporters take for fixed."""
    grown = list(tensors)
    for index, (tensor, axes) in enumerate(zip(tensors, free, strict=True)):
        for axis in axes:
            if tensor.shape[axis] == 1:
                grown[index] = torch.cat([grown[index]] * 2, dim=axis)
    return tuple(grown)


def other_sizes(symbol: str, free: FreeAxes, size: int) -> Iterator[int]:
    """Sizes to try for one free axis, the most telling first: odd ones, then those that strides divide."""
    batch = any(axes.get(0) == symbol for axes in free)
    tried = (
        (size + 1, 1, 2 * size, size + 2) if batch else (size + 1, 2 * size, size + 2, size + 8, size + 32, size // 2)
    )
    yield from (other for other in dict.fromkeys(tried) if other > 0 and other != size)
