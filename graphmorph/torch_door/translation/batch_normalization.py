"""BatchNormalization, as a module in the mode that its node is in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from graphmorph.torch_door.translation.operands import is_read, known_rank, require
from graphmorph.torch_door.translation_table import Translation, translates

_BATCH: dict[int, type[nn.Module]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_EPSILON = 1e-5


@translates("BatchNormalization", 7, 9, 14, 15)
def batch_normalization(t: Translation) -> fx.Node:
    """(x - mean) / sqrt(var + epsilon) * scale + bias, a channel at a time, with running or with batch statistics.

    ONNX's momentum is the share of the old statistics, torch's that of the new ones.
    """
    training = bool(t.attr("training_mode", 0))
    require(t, bool(t.attr("spatial", 1)), "spatial is 0", "statistics of single elements have no torch module")
    extra = any(is_read(t, index) for index in range(1, len(t.node.outputs)))
    require(t, not extra or training, "it gives statistics in evaluation mode", "remove those outputs")
    rank = known_rank(t)
    require(t, rank is None or rank >= 2, f"its input has rank {rank}", "torch normalises tensors with channels")
    epsilon = float(t.attr("epsilon", _EPSILON))
    constant = all(t.is_constant(index) for index in range(1, 5))
    cls = _BATCH.get(rank) if rank is not None else _former_class(t)
    if not constant or cls is None:
        require(t, not training, "it is in training mode, and its parameters or the rank of its input are not known")
        x, scale, bias = (t.value(index) for index in range(3))
        mean, variance = t.buffer(3), t.buffer(4)
        return t.call(functional.batch_norm, x, mean, variance, scale, bias, training=False, eps=epsilon)
    return t.layer(lambda: _batch_module(t, cls, epsilon, training))


def _former_class(t: Translation) -> type[nn.Module] | None:
    """The class of the module that stood here, which tells the rank of its input."""
    return next((cls for cls in _BATCH.values() if t.replaced(cls) is not None), None)


def _batch_module(t: Translation, cls: type[Any], epsilon: float, training: bool) -> nn.Module:
    count = int(t.array(1).size)
    tensors: dict[str, torch.Tensor | None] = {
        "weight": t.parameter(1),
        "bias": t.parameter(2),
        "running_mean": t.tensor(3),
        "running_var": t.tensor(4),
    }
    old: Any = t.replaced(cls)
    if old is not None:
        return _former_module(t, old, tensors, {"num_features": count, "eps": epsilon})
    momentum = 1.0 - float(str(np.float32(t.attr("momentum", 0.9))))
    module: nn.Module = cls(count, eps=epsilon, momentum=round(momentum, 12), device="meta")
    for name, tensor in tensors.items():
        setattr(module, name, tensor)
    module.num_batches_tracked = torch.zeros((), dtype=torch.long, device=t.tensor(3).device)
    return module.train(training)


def _former_module(
    t: Translation, old: Any, tensors: dict[str, torch.Tensor | None], settings: dict[str, Any]
) -> nn.Module:
    """The module that stood here with new tensors; where it had none, ones and zeros stand for them in the graph."""
    affine = old.affine or not (_all_equal(t, 1, 1.0) and _all_equal(t, 2, 0.0))
    kept = (["weight", "bias"] if affine else []) + (["running_mean", "running_var"] if old.track_running_stats else [])
    twin: nn.Module = t.clone(old, tensors={name: tensors[name] for name in kept}, affine=affine, **settings)
    return twin


def _all_equal(t: Translation, index: int, value: float) -> bool:
    return bool((t.array(index) == value).all())
