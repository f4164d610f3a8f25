"""`python -m benchmarks.channels_torch_pruning KEY`: half of the channels of one architecture, by Torch-Pruning.

First as it comes, with the classifier left alone; where that fails, with what its own timm example does for attention:
the number of heads of every qkv layer, and a forward that takes the size of a head from the weights.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.channels_zoo import Entry, build, entry

RATIO = 0.5


def main(key: str) -> None:
    """Prune, and print what came out as JSON."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    one = entry(key)
    row = _attempt(one, helped=False)
    if "error" in row:
        again = _attempt(one, helped=True)
        row = {**again, "help": True} if "error" not in again else row
    print(json.dumps(row))


def _attempt(one: Entry, *, helped: bool) -> dict[str, Any]:
    try:
        return _prune(one, helped=helped)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the result
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}


def _prune(one: Entry, *, helped: bool) -> dict[str, Any]:
    import torch_pruning as tp

    module, example = build(one), one.example()
    before = _outputs(module, example)
    parameters = _parameters(module)
    macs, _ = tp.utils.count_ops_and_params(module, example)
    attentions = _attentions(module) if helped else []
    for attention in attentions:
        attention.forward = _forward.__get__(attention)
    start = time.perf_counter()
    pruner = tp.pruner.BasePruner(
        module,
        example,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=RATIO,
        ignored_layers=_classifiers(module, before),
        num_heads={attention.qkv: attention.num_heads for attention in attentions},
    )
    built = time.perf_counter()
    pruner.step()
    pruned = time.perf_counter()
    for attention in attentions:
        attention.num_heads = pruner.num_heads[attention.qkv]
        attention.head_dim = attention.qkv.out_features // (3 * attention.num_heads)
    after = _outputs(module, example)
    if [t.shape for t in after] != [t.shape for t in before]:
        raise ValueError(f"outputs changed from {[list(t.shape) for t in before]} to {[list(t.shape) for t in after]}")
    left, _ = tp.utils.count_ops_and_params(module, example)
    return {
        "seconds": {"build": built - start, "prune": pruned - built},
        "parameters": _parameters(module) / parameters,
        "multiply_adds": left / macs,
    }


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _outputs(module: nn.Module, example: Tensor) -> list[Tensor]:
    with torch.no_grad():
        result = module(example)
    values = result.values() if isinstance(result, dict) else result if isinstance(result, tuple | list) else [result]
    return [value for value in values if isinstance(value, Tensor)]


def _classifiers(module: nn.Module, outputs: list[Tensor]) -> list[nn.Module]:
    """Layers as wide as an output, after which no other layer comes: a user would name them."""
    widths = {tensor.shape[1] for tensor in outputs if tensor.dim() > 1}
    layers = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return [m for m in layers[-8:] if m.weight.shape[0] in widths]


def _attentions(module: nn.Module) -> list[Any]:
    return [m for m in module.modules() if hasattr(m, "qkv") and hasattr(m, "num_heads") and hasattr(m, "head_dim")]


def _forward(self: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    """timm's attention, as Torch-Pruning's examples/timm_models/prune_timm_models.py has it."""
    batch, tokens, _width = x.shape
    qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    x = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
    projected: Tensor = self.proj(x.transpose(1, 2).reshape(batch, tokens, -1))
    return projected


if __name__ == "__main__":
    main(*sys.argv[1:])
