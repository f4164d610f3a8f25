"""What a call could be instead, in a resized graph, where it does not say any more what its nodes say.

Each is a guess at the smallest change: a size that is written in the model, a scale that followed from a size. Whoever
asks lowers it again and compares, so a wrong guess costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx
from torch.nn import functional as F

from graphmorph.torch_door.calls import Call, put
from graphmorph.torch_door.record import Site
from graphmorph.torch_door.resized_values import Names, ResizedValues, Sizes
from graphmorph.torch_door.trees import tensors_of
from graphmorph.torch_door.values import Number


@dataclass(frozen=True)
class Surroundings:
    """A site with its nodes as they are now."""

    site: Site
    nodes: Sequence[gs.Node]
    values: ResizedValues
    renamed: Names

    def argument_sizes(self, argument: Any, run: int = 0) -> Sizes:
        """The sizes of an argument that is a tensor."""
        (tensor,) = tensors_of(self.site.arguments[argument])
        return tuple(self.values.stand_in(tensor, run, self.renamed.get(tensor.name)).shape)

    def result_sizes(self) -> list[Sizes]:
        """The sizes of a result that is one tensor, in every run."""
        (tensor,) = tensors_of(self.site.result)
        return [self.values.sizes(tensor.name, run) for run in self.values.runs]

    def first(self, op: str) -> gs.Node | None:
        """The first of the site's nodes of an operator."""
        return next((node for node in self.nodes if node.op == op), None)

    def number(self, argument: Any) -> list[Any]:
        """What an argument that is a number, or is written in the model, is in every run."""
        if isinstance(argument, fx.Node):
            return [self.values.number(argument, run) for run in self.values.runs]
        return [argument for _ in self.values.runs]


def other_calls(call: Call, around: Surroundings) -> Iterator[Call]:
    """Calls to try, the likeliest first.

    Raises:
        UnknownValueError: a size that is asked for is not known.
    """
    change = _CHANGES.get(call.target if call.op != "call_method" else str(call.target))
    changed = change(call, around) if change is not None else None
    if changed is not None:
        yield changed
    kept = _with_traced_numbers(call, around)
    if kept is not None:
        yield kept


def _with_traced_numbers(call: Call, around: Surroundings) -> Call | None:
    """Numbers that came from sizes which are others now, as they were: a division by the root of a width."""
    values = around.values
    numbers = [node for node in call.nodes if node in values.record.numbers and values.has_changed(node)]
    if not numbers or any(values.follows_batch(node) for node in numbers):
        return None
    traced: Mapping[fx.Node, Number] = {node: values.record.numbers[node].traced for node in numbers}

    def argument(node: fx.Node) -> Any:
        return traced[node].value if node in traced else node

    args, kwargs = call.mapped(argument)
    return replace(call, args=args, kwargs=kwargs)


def _result_sizes_written(call: Call, around: Surroundings) -> Call | None:
    """Reshapes and expansions name every size of the result: those that are right stay, the others are written down."""
    listed = len(call.args) == 2 and isinstance(call.args[1], list | tuple)
    given = list(call.args[1]) if listed else list(call.args[1:])
    wanted = list(zip(*around.result_sizes(), strict=True))
    if call.kwargs or len(given) != len(wanted):
        return None
    sizes: list[Any] = []
    for argument, size in zip(given, wanted, strict=True):
        if argument == -1 or tuple(around.number(argument)) == size:
            sizes.append(argument)
        else:
            sizes.append(size[0] if len(set(size)) == 1 else -1)
    return replace(call, args=(call.args[0], tuple(sizes)) if listed else (call.args[0], *sizes))


def _unflattened(call: Call, around: Surroundings) -> Call | None:
    """The sizes that one axis is taken apart to."""
    if len(call.args) != 3 or not isinstance(call.args[1], int):
        return None
    sizes, count = around.result_sizes()[0], len(call.args[2])
    axis = call.args[1] % (len(sizes) - count + 1)
    return replace(call, args=(*call.args[:2], sizes[axis : axis + count]))


def _normalised(call: Call, around: Surroundings) -> Call | None:
    """The last sizes of the input."""
    shape = call.args[1] if len(call.args) > 1 else call.kwargs.get("normalized_shape")
    count = len(shape) if isinstance(shape, list | tuple) else 1
    return put(call, 1, "normalized_shape", around.argument_sizes(call.args[0])[-count:])


def _regrouped(call: Call, around: Surroundings) -> Call | None:
    """As many groups as the instance norm in the middle has channels."""
    norm = around.first("InstanceNormalization")
    return None if norm is None else put(call, 1, "num_groups", int(norm.inputs[1].shape[0]))


def _convolved(call: Call, around: Surroundings) -> Call | None:
    """The groups of the convolution."""
    node = around.first("Conv") or around.first("ConvTranspose")
    return None if node is None else put(call, 6, "groups", int(node.attrs.get("group", 1)))


def _attended(call: Call, around: Surroundings) -> Call | None:
    """The scale that followed from the traced size of the heads, written down (Vaswani et al. 2017, eq. 1)."""
    if call.kwargs.get("scale") is not None:
        return None
    (query,) = tensors_of(around.site.arguments[call.args[0]])
    size = around.values.record.sizes[query.name][-1]
    return replace(call, kwargs={**call.kwargs, "scale": 1 / math.sqrt(size)})


_CHANGES: dict[Any, Callable[[Call, Surroundings], Call | None]] = {
    **dict.fromkeys(("view", "reshape", "expand", torch.reshape, torch.broadcast_to), _result_sizes_written),
    **dict.fromkeys(("unflatten", torch.unflatten), _unflattened),
    **dict.fromkeys((F.layer_norm, torch.layer_norm, F.rms_norm, torch.rms_norm), _normalised),
    **dict.fromkeys((F.group_norm, torch.group_norm), _regrouped),
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d), _convolved),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), _convolved),
    F.scaled_dot_product_attention: _attended,
}
