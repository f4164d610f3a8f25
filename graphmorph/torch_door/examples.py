"""Example inputs in every form that users give them, and their twins with twice the batch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from graphmorph.errors import TraceError, UsageError

ExampleInputs = torch.Tensor | Sequence[Any] | Mapping[str, Any]


def bound_inputs(module: nn.Module, example_inputs: ExampleInputs) -> dict[str, Any]:
    """Arguments of forward by name: one tensor, a sequence of positional arguments, or a mapping of keywords.

    Raises:
        UsageError: they do not fit the signature of forward.
        TraceError: forward takes *args or **kwargs and was given some.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(example_inputs, torch.Tensor):
        args = (example_inputs,)
    elif isinstance(example_inputs, Mapping):
        kwargs = dict(example_inputs)
    else:
        args = tuple(example_inputs)
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UsageError(f"example_inputs do not fit {type(module).__name__}.forward{signature}: {error}") from error
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) and bound.arguments.get(name):
            raise TraceError(f"{type(module).__name__}.forward takes *{name}: give it a forward with named arguments")
    return {name: value for name, value in bound.arguments.items() if not _is_variadic(signature, name)}


def _is_variadic(signature: inspect.Signature, name: str) -> bool:
    kind = signature.parameters[name].kind
    return kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def fixed_arguments(module: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that are not given take their defaults, and arguments without tensors their values."""
    fixed: dict[str, Any] = {}
    for name, parameter in inspect.signature(module.forward).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name not in inputs:
            fixed[name] = parameter.default
        elif not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(inputs[name])):
            fixed[name] = inputs[name]
    return fixed


def unused_variadics(module: nn.Module) -> dict[str, Any]:
    """*args and **kwargs of forward, which get nothing, by the names of their placeholders."""
    kinds: dict[Any, tuple[str, Any]] = {
        inspect.Parameter.VAR_POSITIONAL: ("*", ()),
        inspect.Parameter.VAR_KEYWORD: ("**", {}),
    }
    parameters = inspect.signature(module.forward).parameters.values()
    return {kinds[p.kind][0] + p.name: kinds[p.kind][1] for p in parameters if p.kind in kinds}


def batch_of(inputs: Mapping[str, Any]) -> int | None:
    """The size of the first dimension of the first tensor, or None where no tensor has one."""
    for leaf in pytree.tree_leaves(dict(inputs)):
        if isinstance(leaf, torch.Tensor) and leaf.dim() > 0:
            return int(leaf.shape[0])
    return None


def with_twice_the_batch(inputs: Mapping[str, Any], batch: int) -> dict[str, Any]:
    """The same inputs, every tensor whose first dimension is the batch twice as long."""

    def doubled(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor) and leaf.dim() > 0 and leaf.shape[0] == batch:
            return torch.cat([leaf, leaf])
        return leaf

    return {name: pytree.tree_map(doubled, value) for name, value in inputs.items()}
