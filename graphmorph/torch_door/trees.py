"""Trees of values: what fx nodes stand for are tuples and dicts of tensors and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch.utils import _pytree as pytree

from graphmorph.torch_door.values import is_leaf


def tensors_of(value: Any) -> list[gs.Tensor]:
    """The graph's tensors in a tree of values."""
    if isinstance(value, gs.Tensor):
        return [value]
    return [leaf for leaf in pytree.tree_leaves(value, is_leaf=is_leaf) if isinstance(leaf, gs.Tensor)]


def fakes_of(value: Any) -> list[torch.Tensor]:
    """torch's tensors in a tree of them."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """The same tree with every tensor and number replaced."""
    return pytree.tree_map(function, value, is_leaf=is_leaf)
