"""Shapes without arithmetic: a traced program is run on fake tensors, which have shape, type and storage only.

It is run twice, on the example and on one with twice the batch. A size that doubles follows the batch, one that stays
is fixed; where the second run fails, all sizes are those of the example. Writes in place are seen from the version
counters, aliases from the storages.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.stateless import _reparametrize_module
from torch.utils import _pytree as pytree

from graphmorph.torch_door.calls import call_of
from graphmorph.torch_door.hooks import muted_hooks
from graphmorph.torch_door.training_flags import TrainingFlag

_CALL, _GETATTR = nn.Module.__call__, nn.Module.__getattr__


@dataclass(frozen=True)
class Execution:
    """What a node gave: its value, and which of the tensors it was given it wrote into."""

    value: Any
    written: tuple[fx.Node, ...]


class FakeRun:
    """One run of a program, node by node; `inputs` gives the placeholders' values by name.

    real: run on copies of the real tensors instead, for programs whose shapes depend on values (nonzero ...).
    like: another run of the same module, whose parameters can be shared.
    """

    def __init__(
        self, root: nn.Module, inputs: Mapping[str, Any], *, real: bool = False, like: FakeRun | None = None
    ) -> None:
        self.root = root
        self.inputs = inputs
        self.done: dict[fx.Node, Execution] = {}
        self.real = real
        self._constants: dict[str, Any] = {}
        self._mode: FakeTensorMode | None
        self._state: dict[str, Any]
        if like is not None:
            self._mode, self._state = like._mode, like._state
            return
        self._mode = None if real else FakeTensorMode(allow_non_fake_inputs=True)
        named = [*root.named_parameters(), *root.named_buffers()]
        self._state = {name: self._stand_in(tensor) for name, tensor in named}

    def know(self, constants: Mapping[str, torch.Tensor]) -> None:
        """Tell of tensors that get_attr nodes name and the module does not have."""
        self._constants |= {name: self._stand_in(tensor) for name, tensor in constants.items()}

    def _stand_in(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if self._mode is None:
            return value.detach().clone()
        return self._mode.from_tensor(value.detach(), static_shapes=True)

    def run(self, graph: fx.Graph) -> None:
        """Run every node that has not been run yet."""
        with self._running():
            for node in graph.nodes:
                if node not in self.done and node.op != "output":
                    self._execute(node)

    def value_of(self, node: fx.Node) -> Any:
        """The value of a node, running what it needs."""
        if node in self.done:
            return self.done[node].value
        with self._running():
            for one in node.graph.nodes:
                if one not in self.done and one.op != "output":
                    self._execute(one)
                if one is node:
                    break
        return self.done[node].value

    @contextmanager
    def _running(self) -> Iterator[None]:
        with (
            unheard(),
            self._mode or nullcontext(),
            _reparametrize_module(self.root, self._state),
            muted_hooks(self.root),
            _plain_modules(),
        ):
            yield

    def _execute(self, node: fx.Node) -> None:
        versions = {arg: _versions(self.done[arg].value) for arg in node.all_input_nodes}
        value = self._value(node)
        written = tuple(arg for arg, before in versions.items() if _versions(self.done[arg].value) != before)
        self.done[node] = Execution(value, written)

    def _value(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return pytree.tree_map(self._stand_in, self.inputs[str(node.target)])
        if node.op == "get_attr":
            return self._attribute(str(node.target))
        call = call_of(self.root, node)
        return call.run(*call.mapped(lambda n: self.done[n].value))

    def _attribute(self, target: str) -> Any:
        if target in self._constants:
            return self._constants[target]
        value: Any = self.root
        for name in target.split("."):
            value = getattr(value, name)
        if isinstance(value, torch.Tensor) and target not in self._state:
            return self._constants.setdefault(target, self._stand_in(value))
        return int(value) != 0 if isinstance(value, TrainingFlag) else value


def _versions(value: Any) -> list[int]:
    if isinstance(value, torch.Tensor):
        return [value._version]
    return [leaf._version for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


@contextmanager
def unheard() -> Iterator[None]:
    """Runs that are nobody's business: no warnings, no gradients, no random numbers used up."""
    with (
        warnings.catch_warnings(),
        _without_fast_path(),
        _silenced(logging.getLogger("torch._subclasses.fake_tensor")),
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
    ):
        warnings.simplefilter("ignore")  # whoever runs the module itself hears them
        yield


@contextmanager
def _silenced(logger: logging.Logger) -> Iterator[None]:
    """A run that fails is tried in another way; its log would only alarm."""
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """Attention's fused kernels have no fake twins, and give other tensors."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


@contextmanager
def _plain_modules() -> Iterator[None]:
    """Undo, for a run in the midst of tracing, what torch.fx patches: modules are to be called, not traced."""
    patched = nn.Module.__call__, nn.Module.__getattr__
    nn.Module.__call__, nn.Module.__getattr__ = _CALL, _GETATTR  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__call__, nn.Module.__getattr__ = patched  # type: ignore[method-assign]


def storage_of(value: Any) -> set[int]:
    """Identities of the memory behind a value's tensors: two tensors that share one are aliases."""
    return {leaf.untyped_storage()._cdata for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)}
