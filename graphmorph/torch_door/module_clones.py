"""Copies of modules with other parameters, buffers and settings; hooks, modes and everything else stay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def cloned(module: Module, tensors: Mapping[str, torch.Tensor | None], settings: Mapping[str, Any]) -> Module:
    """The same class with the same settings, but for some tensors and attributes (of submodules by their paths)."""
    twin = copy.copy(module)
    for name in ("_parameters", "_buffers", "_modules"):
        twin.__dict__[name] = dict(module.__dict__[name])
    twin.__dict__["_non_persistent_buffers_set"] = set(module._non_persistent_buffers_set)
    below = {path.partition(".")[0] for path in (*tensors, *settings) if "." in path}
    for child in below:
        inner = twin._modules[child]
        assert inner is not None
        twin._modules[child] = cloned(inner, _below(child, tensors), _below(child, settings))
    for name, tensor in tensors.items():
        if "." not in name:
            of_parameters = isinstance(tensor, nn.Parameter) or name in twin._parameters
            (twin._parameters if of_parameters else twin._buffers)[name] = tensor  # type: ignore[assignment]
    for name, setting in settings.items():
        if "." not in name:
            setattr(twin, name, setting)
    if hasattr(twin, "_reversed_padding_repeated_twice") and not isinstance(twin.padding, str):
        padding: Any = twin.padding
        twin.__dict__["_reversed_padding_repeated_twice"] = [n for n in reversed(padding) for _ in range(2)]
    return twin


def _below(child: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {path[len(child) + 1 :]: value for path, value in values.items() if path.startswith(f"{child}.")}
