"""Which sizes of which tensors numbers are computed from, axis by axis."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping

import onnx_graphsurgeon as gs
from torch import fx

from graphmorph.torch_door.ranks import depends_on_rank_alone
from graphmorph.torch_door.record import NumberSite
from graphmorph.torch_door.trees import tensors_of

#: Tensors by name, with the axes whose sizes are read.
SizeReads = dict[str, tuple[gs.Tensor, frozenset[int]]]


#: Methods that make a tensor of the element type and on the device of another, of which they read nothing else.
_OF_ITS_KIND = frozenset({"new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"})


def lender_of(node: fx.Node) -> fx.Node | None:
    """The tensor that lends a call its element type and device alone."""
    given = node.args[0] if node.op == "call_method" and node.target in _OF_ITS_KIND and node.args else None
    others = (*node.args[1:], *node.kwargs.values())
    return given if isinstance(given, fx.Node) and all(given is not other for other in others) else None


def size_reads(numbers: Iterable[fx.Node], sites: Mapping[fx.Node, NumberSite]) -> SizeReads:
    """What numbers read of tensors: no axes where that is the element type or the device.

    Numbers that follow from ranks alone read nothing.
    """
    found: SizeReads = {}
    pending, seen = list(numbers), set[fx.Node]()
    while pending:
        number = pending.pop()
        if number in seen or sites[number].fixed:
            continue
        seen.add(number)
        picked = _picked_sizes(number, sites)
        if picked is not None:
            _add(found, *picked)
            continue
        for argument, value in sites[number].arguments.items():
            for tensor in tensors_of(value):
                axes = () if depends_on_rank_alone(number) else tuple(range(len(tensor.shape)))
                _add(found, tensor, axes)
            if argument in sites:
                pending.append(argument)
    return found


def _add(found: SizeReads, tensor: gs.Tensor, axes: Iterable[int]) -> None:
    _, known = found.get(tensor.name, (tensor, frozenset()))
    found[tensor.name] = (tensor, known | frozenset(axes))


def _picked_sizes(number: fx.Node, sites: Mapping[fx.Node, NumberSite]) -> tuple[gs.Tensor, tuple[int, ...]] | None:
    """The tensor and the axes of sizes that are picked from a shape: x.shape, x.size(1), x.shape[-2:][0]."""
    site = sites.get(number)
    if site is None:
        return None
    if number.target is operator.getitem and isinstance(number.args[0], fx.Node):
        whole, index = _picked_sizes(number.args[0], sites), number.args[1]
        if whole is None or not isinstance(index, int | slice) or _holds_nodes(index):
            return None
        tensor, axes = whole
        return tensor, (axes[index],) if isinstance(index, int) else axes[index]
    if number.target == "size" or (number.target is getattr and number.args[1] == "shape"):
        return _sizes(number, site)
    return None


def _sizes(number: fx.Node, site: NumberSite) -> tuple[gs.Tensor, tuple[int, ...]] | None:
    values = [site.arguments[argument] for argument in number.all_input_nodes]
    if len(values) != 1 or not isinstance(values[0], gs.Tensor):
        return None
    axes = tuple(range(len(values[0].shape)))
    asked = (*number.args[1:], *number.kwargs.values()) if number.target == "size" else ()
    if not asked:
        return values[0], axes
    return (values[0], (axes[asked[0]],)) if isinstance(asked[0], int) else None


def _holds_nodes(index: int | slice) -> bool:
    return isinstance(index, slice) and any(isinstance(part, fx.Node) for part in (index.start, index.stop, index.step))
