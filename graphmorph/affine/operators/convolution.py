"""Conv and AveragePool in any number of dimensions."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.kernel import MAX_TAPS, Float64, window
from graphmorph.affine.operators.rules import rule
from graphmorph.affine.operators.steps import Step, Wall, Window
from graphmorph.facts import Facts

Pads = tuple[tuple[int, ...], tuple[int, ...]]


def explicit_pads(node: gs.Node, shape: list[int], facts: Facts) -> Pads | Wall:
    """Pads at the begin and end of each dimension; auto_pad counts with the dilated kernel.

    SAME padding of a strided window depends on the input size, so an unknown one is refused.
    """
    rank = len(shape)
    auto = str(node.attrs.get("auto_pad", "NOTSET"))
    if auto in ("NOTSET", ""):
        pads = [int(p) for p in node.attrs.get("pads", [0] * 2 * rank)]
        if len(pads) != 2 * rank or min(pads, default=0) < 0:
            return Wall(f"{node.op} has pads {pads}; {2 * rank} that are not negative are needed")
        return tuple(pads[:rank]), tuple(pads[rank:])
    if auto == "VALID":
        return (0,) * rank, (0,) * rank
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        return Wall(f"{node.op} has auto_pad {auto}, which is not known")
    strides, dilations = _per_dimension(node, "strides", rank), _per_dimension(node, "dilations", rank)
    size = facts.shape(node.inputs[0])
    begins, ends = [], []
    for dim in range(rank):
        reach = dilations[dim] * (shape[dim] - 1) + 1
        total = reach - 1
        if strides[dim] != 1:
            n = size[dim + 2] if size is not None and len(size) == rank + 2 else None
            if not isinstance(n, int):
                return Wall(f"{node.op} has auto_pad {auto}, and the size that its pads depend on is not known")
            total = max((-(-n // strides[dim]) - 1) * strides[dim] + reach - n, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if auto == "SAME_UPPER" else large)
        ends.append(large if auto == "SAME_UPPER" else small)
    return tuple(begins), tuple(ends)


def _per_dimension(node: gs.Node, name: str, rank: int) -> tuple[int, ...]:
    return tuple(int(value) for value in node.attrs.get(name, [1] * rank))


def _geometry(node: gs.Node, rank: int) -> str | None:
    for name in ("strides", "dilations"):
        values = _per_dimension(node, name, rank)
        if len(values) != rank or min(values, default=1) < 1:
            return f"{node.op} has {name} {list(values)} for {rank} spatial dimensions"
    return None


@rule("Conv", 1, 11, 22)
def convolution(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """Weights (out, in/groups, k...) and bias must be constants."""
    variable = [facts.variable(t) for t in node.inputs[1:] if t.name and not facts.constant(t)]
    if variable or len(node.inputs) < 2:
        return Wall(f"the weights of Conv are not constant ({', '.join(variable) or 'absent'})")
    weight = node.inputs[1]
    if len(weight.shape) < 3 or not all(weight.shape):
        return Wall(f"Conv has weights of shape {tuple(weight.shape)}")
    out_channels, per_group, *shape = (int(n) for n in weight.shape)
    groups, rank = int(node.attrs.get("group", 1)), len(shape)
    if groups < 1 or out_channels % groups or list(node.attrs.get("kernel_shape", shape)) != shape:
        return Wall(f"Conv has weights of shape {tuple(weight.shape)} for group={groups}, kernel_shape={shape}")
    problem = _geometry(node, rank)
    pads = explicit_pads(node, shape, facts)
    if problem is not None or isinstance(pads, Wall):
        return pads if isinstance(pads, Wall) else Wall(problem or "")
    if prod(shape) > MAX_TAPS:
        return Wall(f"Conv has a kernel of {prod(shape)} taps")
    kernel = window(
        out_channels,
        per_group * groups,
        groups,
        shape,
        lambda: facts.value(weight),
        stride=_per_dimension(node, "strides", rank),
        dilation=_per_dimension(node, "dilations", rank),
        pads_begin=pads[0],
        pads_end=pads[1],
    )
    bias = bias_of(node, out_channels, facts)
    if isinstance(bias, Wall):
        return bias
    return Window(node.inputs[0].name, kernel, bias, float(out_channels * per_group * prod(shape)), "first")


def bias_of(node: gs.Node, channels: int, facts: Facts) -> Float64 | Wall | None:
    """The third input as (channels,), None where absent."""
    if len(node.inputs) < 3 or not node.inputs[2].name:
        return None
    if tuple(node.inputs[2].shape) != (channels,):
        return Wall(f"{node.op} has a bias of shape {tuple(node.inputs[2].shape)} for {channels} channels")
    return facts.value(node.inputs[2])


@rule("AveragePool", 1, 7, 10, 11, 19, 22)
def average_pool(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """A depthwise kernel of equal weights, where the border is averaged over as many elements as the inside."""
    shape = [int(n) for n in node.attrs.get("kernel_shape", [])]
    data = facts.shape(node.inputs[0])
    if not shape or data is None or len(data) != len(shape) + 2 or not isinstance(data[1], int):
        return Wall(f"the channels of {node.inputs[0].name}, which AveragePool reads, are not known")
    rank, channels = len(shape), data[1]
    problem = _geometry(node, rank)
    pads = explicit_pads(node, shape, facts)
    if problem is not None or isinstance(pads, Wall):
        return pads if isinstance(pads, Wall) else Wall(problem or "")
    if any((*pads[0], *pads[1])) and not node.attrs.get("count_include_pad", 0):
        return Wall("AveragePool leaves its padding out of the average (count_include_pad=0)")
    strides = _per_dimension(node, "strides", rank)
    if node.attrs.get("ceil_mode", 0) and any(s != 1 for s in strides):
        return Wall("AveragePool rounds its size up (ceil_mode=1)")
    if any(d != 1 for d in _per_dimension(node, "dilations", rank)) or prod(shape) > MAX_TAPS:
        return Wall(f"AveragePool has dilations, or a window of {prod(shape)} elements")
    kernel = window(
        channels,
        channels,
        channels,
        shape,
        lambda: np.full((channels, 1, *shape), 1.0 / prod(shape)),
        stride=strides,
        dilation=(1,) * rank,
        pads_begin=pads[0],
        pads_end=pads[1],
    )
    return Window(node.inputs[0].name, kernel, None, 0.5 * channels * prod(shape), "first", merges_only=True)
