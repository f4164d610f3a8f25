"""Settings of modules that say sizes, for modules whose parameters or inputs have other sizes than before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_graphsurgeon as gs
from torch import nn

from graphmorph.graph import constant_array
from graphmorph.torch_door.calls import Call
from graphmorph.torch_door.resized_calls import Surroundings

#: Modules of one ONNX node, or of a product and a bias, whose translation gives the same class at the same path.
TRANSLATED = (
    *(nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear, nn.Embedding),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)

Settings = dict[str, Any]


def settings_of(module: nn.Module, call: Call, around: Surroundings) -> Settings:
    """The settings that differ from the module's, by attribute; those of submodules by their paths.

    Raises:
        UnknownValueError: a size that they follow from is not known.
    """
    found = _SETTINGS.get(type(module))
    wanted = found(module, call, around) if found is not None else {}
    return {name: value for name, value in wanted.items() if _attribute(module, name) != value}


def _attribute(module: nn.Module, path: str) -> Any:
    above, _, name = path.rpartition(".")
    return getattr(module.get_submodule(above), name)


def _input(call: Call, around: Surroundings) -> tuple[int, ...]:
    return around.argument_sizes(call.args[0] if call.args else next(iter(call.kwargs.values())))


def _normalized_shape(module: Any, call: Call, around: Surroundings) -> Settings:
    return {"normalized_shape": _input(call, around)[-len(module.normalized_shape) :]}


def _features(module: nn.Module, call: Call, around: Surroundings) -> Settings:
    return {"num_features": _input(call, around)[1]}


def _groups(module: nn.Module, call: Call, around: Surroundings) -> Settings:
    norm = around.first("InstanceNormalization")
    groups = {} if norm is None else {"num_groups": int(norm.inputs[1].shape[0])}
    return {"num_channels": _input(call, around)[1], **groups}


def _slopes(module: nn.PReLU, call: Call, around: Surroundings) -> Settings:
    return {"num_parameters": int(around.values.parameter(module.weight).shape[0])}


def _unflattened(module: Any, call: Call, around: Surroundings) -> Settings:
    axis, sizes = int(module.dim), around.result_sizes()[0]
    count = len(module.unflattened_size)
    axis %= len(sizes) - count + 1
    kind = type(module.unflattened_size)
    given = zip(module.unflattened_size, sizes[axis : axis + count], strict=True)
    return {"unflattened_size": kind(old if old == -1 else new for old, new in given)}


def _heads(module: nn.MultiheadAttention, call: Call, around: Surroundings) -> Settings:
    """torch asks that the heads together are as wide as the query."""
    reshape = around.first("Reshape")
    target = constant_array(reshape.inputs[1]) if reshape and isinstance(reshape.inputs[1], gs.Constant) else ()
    if len(target) != 4 or len(call.args) < 3:
        return {}
    query, key, value = (around.argument_sizes(one)[-1] for one in call.args[:3])
    count, size = (int(n) for n in target[2:])
    widths = {"embed_dim": query, "kdim": key, "vdim": value, "num_heads": count, "head_dim": size}
    return {**widths, "out_proj.in_features": query, "out_proj.out_features": query}


def _convolution(module: Any, call: Call, around: Surroundings) -> Settings:
    node = around.first("Conv")
    if node is None:
        return {}
    out, into = around.values.parameter(module.weight).shape[:2]
    groups = int(node.attrs.get("group", 1))
    return {"in_channels": into * groups, "out_channels": out, "groups": groups}


_SETTINGS: dict[type[nn.Module], Callable[[Any, Call, Surroundings], Settings]] = {
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm), _normalized_shape),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), _features),
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    nn.GroupNorm: _groups,
    nn.PReLU: _slopes,
    nn.Unflatten: _unflattened,
    nn.MultiheadAttention: _heads,
}
