"""The law that most tests here state: tracing and materialising without a pass in between changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from graphmorph.torch_door import materialise, trace
from graphmorph.torch_door.morphed_module import MorphedModule


def round_trip(module: nn.Module, *inputs: Any, **options: Any) -> MorphedModule:
    """The materialised trace; tracing and materialising leave the module as it was."""
    with unchanged(module):
        return materialise(trace(module, inputs, **options))


def check_identity(module: nn.Module, *inputs: Any, train: bool = True, **options: Any) -> MorphedModule:
    """Check the law in evaluation and in training mode, for deepcopies too; returns the module made in eval mode."""
    if train:
        module.train()
        check_training_step(module, *inputs, **options)
    module.eval()
    again = round_trip(module, *inputs, **options)
    assert_same_state(module, again)
    copied = copy.deepcopy(again)
    assert not tensors_of(module) & tensors_of(copied)
    assert_same_results(copy.deepcopy(module), copied, *inputs)
    assert_same_results(copy.deepcopy(module), again, *inputs)
    return again


def check_training_step(module: nn.Module, *inputs: Any, **options: Any) -> None:
    """One forward and backward with the same seed: the same outputs, gradients and buffers, bit for bit."""
    reference = copy.deepcopy(module)
    again = round_trip(module, *inputs, **options)
    assert_same_state(module, again)
    assert_same_results(reference, again, *inputs)
    expected = {name: p.grad for name, p in reference.named_parameters()}
    for name, parameter in again.named_parameters():
        same(expected[name], parameter.grad)
        parameter.grad = None


def assert_same_state(module: nn.Module, again: nn.Module) -> None:
    """The same state_dict keys in the same order, the very same tensors, the same modes."""
    assert list(again.state_dict()) == list(module.state_dict())
    for kind in ("named_parameters", "named_buffers"):
        old, new = (list(getattr(m, kind)(remove_duplicate=False)) for m in (module, again))
        new = [pair for pair in new if not pair[0].startswith("_tensor_constant")]  # what forward made of no input
        assert [name for name, _ in old] == [name for name, _ in new]
        assert all(a is b for (_, a), (_, b) in zip(old, new, strict=True))
    paths = {path: m.training for path, m in again.named_modules()}
    assert paths == {path: m.training for path, m in module.named_modules()}
    assert all(type(flag) is bool for flag in paths.values())


def assert_same_results(module: nn.Module, again: nn.Module, *inputs: Any, seed: int = 0) -> None:
    """Bitwise the same outputs, what they write into their inputs, and gradients where something trains."""
    expected, got = (run(m, inputs, seed) for m in (module, again))
    assert_same_tree(expected, got)
    buffers = dict(again.named_buffers())
    for name, buffer in module.named_buffers():
        same(buffer, buffers[name])


def run(module: nn.Module, inputs: tuple[Any, ...], seed: int) -> Any:
    """Outputs and the inputs afterwards; gradients are left on the parameters of a module that trains."""
    given = pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, inputs)
    torch.manual_seed(seed)
    output = module(*given)
    losses = [t.double().square().sum() for t in pytree.tree_leaves(output) if _trains(t)]
    if losses and module.training:
        torch.stack(losses).sum().backward()
    return pytree.tree_map(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, (output, given))


def _trains(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.requires_grad


def assert_same_tree(expected: Any, got: Any) -> None:
    ours, theirs = pytree.tree_flatten(expected), pytree.tree_flatten(got)
    assert ours[1] == theirs[1]
    for one, other in zip(ours[0], theirs[0], strict=True):
        same(one, other)


def same(one: Any, other: Any) -> None:
    """Bitwise equality of tensors; NaN equals NaN."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
    else:
        assert one == other


def tensors_of(module: nn.Module) -> set[int]:
    return {id(t) for t in (*module.parameters(), *module.buffers())}


@contextmanager
def unchanged(module: nn.Module) -> Iterator[None]:
    """What is inside must not change a module in any way, nor the random numbers that follow."""
    before, generator = _state(module), torch.get_rng_state()
    values = {path: tensor.detach().clone() for path, tensor in _tensors(module)}
    yield
    assert torch.equal(torch.get_rng_state(), generator)
    assert _state(module) == before
    for path, tensor in _tensors(module):
        same(values[path], tensor.detach())


def _state(module: nn.Module) -> list[Any]:
    """Everything in the modules' __dict__, by identity; hooks and children by their keys too."""
    found: list[Any] = []
    for path, one in module.named_modules(remove_duplicate=False):
        for name, value in one.__dict__.items():
            inside = [(key, id(item)) for key, item in value.items()] if isinstance(value, dict) else None
            found.append((path, name, id(value), inside, type(value), one.training))
    return [*found, *((path, tensor._version) for path, tensor in _tensors(module))]


def _tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]
