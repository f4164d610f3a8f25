"""Calls that mean the same whatever the sizes of their parameters: in a resized graph they stay, with what is read now.

A convolution, a product, a normalisation by stored statistics, an embedding: its nodes follow from the call with any
parameters, but for settings that repeat a parameter's size or the number of groups. So such a call needs no lowering
to be recognised, as long as nothing else about its nodes was edited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.calls import Call, call_of, put
from graphmorph.torch_door.intact import Heir, IntactSite, PresentSite, is_same_literal, renamed_inputs
from graphmorph.torch_door.record import NodeSnapshot, TraceRecord

Settings = dict[str, Any]
Nodes = Sequence[gs.Node]
Sizes = Callable[[torch.Tensor], tuple[int, ...]]


def followed_or_none(present: PresentSite, record: TraceRecord) -> IntactSite | None:
    """The call of a site of which only parameters were edited, with these; None where it is no such call."""
    site = present.site
    call = call_of(record.root, site.fx_node)
    known = call.target in _FUNCTIONS if call.module is None else type(call.module) in _MODULES
    if not known or present.is_read_inside or any(node in record.numbers for node in call.nodes):
        return None
    heirs = _heirs(present, record)
    renamed = renamed_inputs(present, record) if heirs is not None else None
    if heirs is None or renamed is None:
        return None
    changed = {key: heir for key, heir in heirs.items() if not heir.is_the_same}
    if call.module is None:
        called = _FUNCTIONS[call.target](call, present.nodes, heirs)
        return None if called is None else IntactSite(site, present.nodes, renamed, called, changed)
    return _called_module(present, call, renamed, changed)


def _called_module(
    present: PresentSite, call: Call, renamed: dict[str, gs.Tensor], changed: Mapping[int, Heir]
) -> IntactSite | None:
    module: Any = call.module
    own = {**module._parameters, **module._buffers}
    tensors = {name: changed[id(tensor)] for name, tensor in own.items() if id(tensor) in changed}
    if len(tensors) < len(changed):
        return None

    def sizes(tensor: torch.Tensor) -> tuple[int, ...]:
        return changed[id(tensor)].sizes if id(tensor) in changed else tuple(tensor.shape)

    wanted = _MODULES[type(module)](module, present.nodes, sizes)
    settings = {name: value for name, value in wanted.items() if getattr(module, name) != value}
    return IntactSite(present.site, present.nodes, renamed, None, changed, tensors, settings)


def _heirs(present: PresentSite, record: TraceRecord) -> dict[int, Heir] | None:
    """What is read in the place of each tensor of the module; None where more than that was edited."""
    heirs: dict[int, Heir] = {}
    for node, snapshot in zip(present.nodes, present.site.nodes, strict=True):
        if not _same_but_for_groups(node, snapshot):
            return None
        for tensor, name in zip(node.inputs, snapshot.inputs, strict=True):
            known = record.parameters.get(name)
            if known is None:
                if name in record.literals and not is_same_literal(tensor, name, record):
                    return None
                continue
            if not isinstance(tensor, gs.Constant) or len(tensor.shape) != len(known.shape):
                return None
            heir = Heir(tensor, known.source, known.transposed)
            if heirs.setdefault(id(known.source), heir).constant is not tensor:
                return None
    return heirs


def _same_but_for_groups(node: gs.Node, snapshot: NodeSnapshot) -> bool:
    alike = (node.op, node.domain or "") == (snapshot.op, snapshot.domain)
    attributes = [{k: v for k, v in attrs.items() if k != "group"} for attrs in (node.attrs, snapshot.attrs)]
    return alike and len(node.inputs) == len(snapshot.inputs) and attributes[0] == attributes[1]


def _groups(nodes: Nodes) -> int:
    """Of the convolution; there may be a padding before it."""
    return next((int(node.attrs.get("group", 1)) for node in nodes if node.op in ("Conv", "ConvTranspose")), 1)


def _convolution(module: Any, nodes: Nodes, sizes: Sizes) -> Settings:
    out, per_group = sizes(module.weight)[:2]
    groups = _groups(nodes)
    return {"in_channels": per_group * groups, "out_channels": out, "groups": groups}


def _transposed_convolution(module: Any, nodes: Nodes, sizes: Sizes) -> Settings:
    into, per_group = sizes(module.weight)[:2]
    groups = _groups(nodes)
    return {"in_channels": into, "out_channels": per_group * groups, "groups": groups}


def _linear(module: Any, nodes: Nodes, sizes: Sizes) -> Settings:
    out, into = sizes(module.weight)
    return {"in_features": into, "out_features": out}


def _batch_norm(module: Any, nodes: Nodes, sizes: Sizes) -> Settings:
    stored = next((t for t in (module.running_mean, module.weight) if t is not None), None)
    return {} if stored is None else {"num_features": sizes(stored)[0]}


def _layer_norm(module: Any, nodes: Nodes, sizes: Sizes) -> Settings:
    return {} if module.weight is None else {"normalized_shape": sizes(module.weight)}


def _embedding(module: Any, nodes: Nodes, sizes: Sizes) -> Settings:
    count, width = sizes(module.weight)
    return {"num_embeddings": count, "embedding_dim": width}


_MODULES: Mapping[type[nn.Module], Callable[[Any, Nodes, Sizes], Settings]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _transposed_convolution),
    **dict.fromkeys((nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear), _linear),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm), _layer_norm),
    nn.Embedding: _embedding,
}


def _as_it_is(call: Call, nodes: Nodes, heirs: Mapping[int, Heir]) -> Call | None:
    return call


def _with_groups(call: Call, nodes: Nodes, heirs: Mapping[int, Heir]) -> Call | None:
    groups = call.args[6] if len(call.args) > 6 else call.kwargs.get("groups", 1)
    now = _groups(nodes)
    return call if groups == now else put(call, 6, "groups", now)


def _with_shape(call: Call, nodes: Nodes, heirs: Mapping[int, Heir]) -> Call | None:
    """The shape that is normalised over is that of the scale."""
    norm = next((node for node in nodes if node.op in ("LayerNormalization", "RMSNormalization")), None)
    scale = next((heir for heir in heirs.values() if norm is not None and heir.constant is norm.inputs[1]), None)
    return None if scale is None else put(call, 1, "normalized_shape", scale.sizes)


_FUNCTIONS: Mapping[Any, Callable[[Call, Nodes, Mapping[int, Heir]], Call | None]] = {
    **dict.fromkeys((F.batch_norm, F.linear, F.prelu, F.embedding), _as_it_is),
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d, torch.conv1d, torch.conv2d, torch.conv3d), _with_groups),
    **dict.fromkeys((F.layer_norm, F.rms_norm), _with_shape),
}
