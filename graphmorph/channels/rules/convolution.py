"""Convolutions: the output channels are the weight's, the input channels meet it; groups are a choice."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.elements import Axis, Ids, Option
from graphmorph.channels.rules.windows import spatial
from graphmorph.channels.view import View, rule

_STAYS = "the channels that it reads must stay"


@rule("Conv")
def conv(view: View) -> None:
    """Conv: x (N, C, ...), weight (O, C/group, k...), bias (O)."""
    x = view.axes(0)
    if len(x) != view.rank(1) or len(x) < 3:
        view.stop(f"ranks {len(x)} and {view.rank(1)}")
        return
    _wall_kernel(view)
    group = int(view.attribute("group", 1))
    view.read("contraction", 0, 1, 1, 1)
    if group == 1:
        view.meet(x[1], 1, 1, _STAYS)
        outputs = view.axes(1)[0]
    else:
        outputs = _grouped(view, x[1], view.axes(1)[1], view.axes(1)[0], group)
    if view.has(2):
        outputs = view.meet(outputs, 2, 0, _STAYS)
    view.give((x[0], outputs, *spatial(view, view.size(1)[2:])))


@rule("ConvTranspose")
def conv_transpose(view: View) -> None:
    """ConvTranspose: x (N, C, ...), weight (C, O/group, k...), bias (O)."""
    x = view.axes(0)
    _wall_kernel(view)
    group = int(view.attribute("group", 1))
    inputs = view.meet(x[1], 1, 0, _STAYS)
    view.read("contraction", 0, 1, 1, 0)
    outputs = view.axes(1)[1]
    if group > 1:
        outputs = _grouped_transpose(view, inputs, outputs, group)
    if view.has(2):
        outputs = view.meet(outputs, 2, 0, _STAYS)
    for axis in x[2:]:
        view.wall(axis, "is a spatial axis of a transposed convolution")
    view.give((x[0], outputs, *(None,) * (len(x) - 2)))


def _wall_kernel(view: View) -> None:
    for place in range(2, view.rank(1)):
        view.wall_axis(1, place, "is a position inside the kernel")


def _grouped(view: View, x: Axis, inputs: Axis, outputs: Axis, group: int) -> Axis:
    """x (G K), inputs (K), outputs (G M): whole groups go, or the same channels of every group."""
    if x is None or outputs is None:
        view.wall(x, "is read by a grouped convolution of one channel")
        view.wall(inputs, _STAYS)
        if x is None and outputs is not None:
            return _same_outputs(view, outputs, group)
        return outputs
    per_group, made = x.size // group, outputs.size // group
    if per_group == 1 and made == 1:
        return view.link(x, outputs, _STAYS)
    by_group = np.concatenate([x.reshape(group, per_group), outputs.reshape(group, made)], axis=1)
    whole = Option("whole groups", (by_group,), () if inputs is None else (inputs,), 1.0)
    view.choose("a grouped convolution", [*_same_channels(x, inputs, outputs, group), whole])
    return outputs


def _same_channels(x: Ids, inputs: Axis, outputs: Ids, group: int) -> list[Option]:
    rows: list[Ids] = []
    walls: list[Ids] = []
    per_group, made = x.size // group, outputs.size // group
    if inputs is not None:
        rows.append(np.concatenate([x.reshape(group, per_group).T, inputs[:, None]], axis=1))
    else:
        walls.append(x)
    if made > 1:
        rows.append(outputs.reshape(group, made).T)
    else:
        walls.append(outputs)
    weight = 0.5 if walls else 2.0  # one that holds the inputs or outputs comes last: whole groups let both go
    return [Option("the same channels of every group", tuple(rows), tuple(walls), weight)] if rows else []


def _same_outputs(view: View, outputs: Ids, group: int) -> Axis:
    """The input must stay, so the groups do: every group loses the same outputs."""
    made = outputs.size // group
    if made == 1:
        view.wall(outputs, "is made by a group whose input must stay")
        return None
    option = Option("the same channels of every group", (outputs.reshape(group, made).T,))
    view.choose("a grouped convolution of an input that must stay", [option])
    return outputs


def _grouped_transpose(view: View, inputs: Axis, weight: Axis, group: int) -> Axis:
    """inputs (G K), weight (M), outputs (G M)."""
    made = view.size(1)[1]
    if made == 1 and inputs is not None and inputs.size == group:
        return inputs
    outputs = view.fresh(group * made)
    if outputs is None:
        view.wall(inputs, "is read by a grouped convolution of one channel")
        return None
    same = (outputs.reshape(group, made).T,) if weight is None else ()
    if weight is not None:
        same = (np.concatenate([outputs.reshape(group, made).T, weight[:, None]], axis=1),)
    if inputs is None:
        view.choose("a grouped convolution of an input that must stay", [Option("the same channels", same)])
        return outputs
    rows = (*same, inputs.reshape(group, -1).T) if inputs.size > group else same
    walls = () if inputs.size > group else (inputs,)
    by_group = np.concatenate([inputs.reshape(group, -1), outputs.reshape(group, made)], axis=1)
    whole = Option("whole groups", (by_group,), () if weight is None else (weight,), 1.0)
    view.choose("a grouped convolution", [Option("the same channels of every group", rows, walls, 2.0), whole])
    return outputs
