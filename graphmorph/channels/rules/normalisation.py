"""Normalisations: everything passes; statistics that run over removed elements take in the kept ones alone."""

from __future__ import annotations

import numpy as np

from graphmorph.channels.elements import Ids, Option
from graphmorph.channels.view import View, rule

_AFFINE = "is scaled by what must stay"


@rule("BatchNormalization")
def batch_norm(view: View) -> None:
    """x (N, C, ...), scale, bias, mean and variance (C). In training mode the statistics are those of x."""
    x = view.axes(0)
    if view.attribute("training_mode", 0):
        for axis in (0, *range(2, len(x))):
            view.read("normalisation", 0, axis)
    channels = x[1] if len(x) > 1 else None
    for index in range(1, len(view.node.inputs)):
        channels = view.meet(channels, index, 0, _AFFINE)
    view.give((x[0], channels, *x[2:]) if len(x) > 1 else x)
    view.outputs.extend((channels,) for _ in view.node.outputs[1:])


@rule("InstanceNormalization")
def instance_norm(view: View) -> None:
    """x (N, C, ...), scale and bias (C); statistics over what follows. Reshaped groups stand where channels do."""
    x = view.axes(0)
    channels = view.meet(view.meet(x[1], 1, 0, _AFFINE), 2, 0, _AFFINE)
    for axis in range(2, len(x)):
        view.read("normalisation", 0, axis)
    view.elements.prefer(channels)
    view.give((x[0], channels, *x[2:]))


@rule("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def layer_norm(view: View) -> None:
    """Statistics over the axes from `axis` on; scale and bias are broadcast to the input."""
    x = list(view.axes(0))
    for axis in range(view.normal(int(view.attribute("axis", -1))), len(x)):
        view.read("normalisation", 0, axis)
    for index in range(1, len(view.node.inputs)):
        if view.has(index):
            for place in range(1, view.rank(index) + 1):
                if view.size(index)[-place] > 1:
                    x[-place] = view.meet(x[-place], index, view.rank(index) - place, _AFFINE)
    view.give(tuple(x))


@rule("GroupNormalization")
def group_norm(view: View) -> None:
    """GroupNormalization-18 (scale of the groups) and -21 (of the channels): x (N, G K, ...)."""
    x = view.axes(0)
    channels, groups = x[1], int(view.attribute("num_groups", 1))
    for axis in range(1, len(x)):
        view.read("normalisation", 0, axis)
    scales = [view.axes(index)[0] for index in (1, 2)]
    if channels is None:
        for scale in scales:
            view.wall(scale, _AFFINE)
    elif view.size(1)[0] == view.size(0)[1]:
        for scale in scales:
            channels = view.link(channels, scale, _AFFINE)
        scales = []
    if channels is not None and groups > 1:
        by_group = channels.reshape(groups, -1)
        affine = [scale for scale in scales if scale is not None]
        whole = np.concatenate([by_group, *(scale[:, None] for scale in affine)], axis=1)
        options = [Option("whole groups", (whole,), (), 2.0)]
        if by_group.shape[1] > 1:
            walls: tuple[Ids, ...] = tuple(affine)
            options.append(Option("the same channels of every group", (by_group.T,), walls, 1.0))
        view.choose("a group normalisation", options)
    view.give((x[0], channels, *x[2:]))


@rule("LpNormalization")
def lp_norm(view: View) -> None:
    """LpNormalization: by the norm over one axis."""
    view.read("normalisation", 0, view.normal(int(view.attribute("axis", -1))))
    view.give(view.axes(0))


@rule("MeanVarianceNormalization")
def mean_variance_norm(view: View) -> None:
    """MeanVarianceNormalization: over the given axes."""
    for axis in view.attribute("axes", [0, 2, 3]):
        view.read("normalisation", 0, view.normal(int(axis)))
    view.give(view.axes(0))


@rule("LRN")
def local_response(view: View) -> None:
    """LRN: a window slides over the channels."""
    x = view.axes(0)
    view.wall(x[1], "a window of a local response normalisation slides over it")
    view.give((x[0], None, *x[2:]))


@rule("Softmax", "LogSoftmax", "Hardmax")
def softmax(view: View) -> None:
    """Its exponentials are never zero, so nothing of its axis may go. Before opset 13 all axes from it on are one."""
    axis = view.normal(int(view.attribute("axis", -1 if view.opset >= 13 else 1)))
    last = axis + 1 if view.opset >= 13 else view.rank(0)
    x = list(view.axes(0))
    for place in range(axis, last):
        view.wall(x[place], "a softmax runs over it")
        x[place] = None
    view.give(tuple(x))
