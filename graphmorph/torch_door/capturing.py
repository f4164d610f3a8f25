"""Capture from traced modules: the traced program is run node by node on real data, in evaluation mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

from graphmorph.activations.feeds import feed_batches
from graphmorph.activations.listening import Listeners, Listening
from graphmorph.errors import UsageError
from graphmorph.graph import Graph
from graphmorph.proof.inputs import InputSpec
from graphmorph.proof.user_data import UserData, are_arrays
from graphmorph.torch_door.element_types import array_of, tensor_of
from graphmorph.torch_door.examples import ExampleInputs, bound_inputs, fixed_arguments, unused_variadics
from graphmorph.torch_door.module_proof import evaluation, undisturbed
from graphmorph.torch_door.record import TraceRecord
from graphmorph.torch_door.trees import fakes_of


def capture_module(
    graph: Graph,
    listeners: Listeners,
    data: UserData | Iterable[ExampleInputs],
    *,
    batch: int = 8,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Run the module that `graph` was traced from, and fold tensors into accumulators; returns the number of batches.

    The module runs in evaluation mode, without gradients; its modes, buffers and attributes are what they were
    afterwards. What is captured are the tensors of the traced program, whatever passes did to the graph since.

    Args:
        listeners: accumulators by the name of a tensor of the traced graph, or by several.
        data: an iterable of example inputs (a tensor, a tuple of arguments, or a dict of them, as `trace` takes them),
            read as it goes: a DataLoader, whose labels are left out where forward has one argument; or arrays by the
            name of an argument, or files of them, as for `graphmorph.verify`.
        batch: how many samples of arrays or files run at once.

    Raises:
        UsageError: an unknown tensor, data that do not fit, or activations that the accumulators refuse.
    """
    record = graph.traced
    if record is None:
        raise UsageError("capture_module needs the graph of a traced module; capture takes files and other graphs")
    listening = Listening(listeners)
    _require_known(record, listening.names)
    root, done = record.root, 0
    with undisturbed(root), evaluation(root), torch.no_grad():
        run = _ListenedRun(record, listening)
        for inputs in _inputs(record, data, batch):
            listening.begin()
            run.on(inputs)
            done += 1
            if progress:
                progress("capture", done, done)
    if not done:
        raise UsageError("there is no sample in the data")
    return done


class _ListenedRun(fx.Interpreter):
    """Runs the traced program and tells of every tensor as soon as it is there."""

    def __init__(self, record: TraceRecord, listening: Listening) -> None:
        super().__init__(record.root, graph=record.fx_graph)
        self._record, self._listening = record, listening
        self._rebinds = {site.fx_node: site.rebinds for site in record.sites if site.rebinds}
        self._written = {old for pairs in self._rebinds.values() for _, old in pairs}
        self._by_name: dict[str, torch.Tensor] = {}
        self._inputs: Mapping[str, Any] = {}

    def on(self, inputs: Mapping[str, Any]) -> None:
        """One run; inputs are arguments of forward by name."""
        self._inputs = inputs
        self.run(enable_io_processing=False)
        self._by_name.clear()

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        names = self._record.values_given.get(n, ())
        for name, tensor in zip(names, fakes_of(value), strict=False):
            self._hear(name, tensor)
        for fresh, old in self._rebinds.get(n, ()):
            if fresh not in names and old in self._by_name:
                self._hear(fresh, self._by_name[old])
        return value

    def _hear(self, name: str, tensor: torch.Tensor) -> None:
        if name in self._written:  # its memory will hold the next version
            self._by_name[name] = tensor
        if name in self._listening.names:
            self._listening.hear(name, array_of(tensor))

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self._inputs[str(target)]

    def fetch_attr(self, target: str) -> Any:
        constants = self._record.constants
        return constants[target] if target in constants else super().fetch_attr(target)


def _inputs(record: TraceRecord, data: UserData | Iterable[ExampleInputs], batch: int) -> Iterator[dict[str, Any]]:
    """Arguments of forward by name, for every batch, where the module is."""
    place = next((tensor.device for tensor in (*record.root.parameters(), *record.root.buffers())), None)

    def placed(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            leaf = tensor_of(leaf)
        return leaf.to(place) if isinstance(leaf, torch.Tensor) else leaf

    stored = feed_batches(data, argument_specs(record), batch) if are_arrays(data) else None
    given = cast("Iterable[Any]", data) if stored is None else stored
    alone = len(inspect.signature(record.root.forward).parameters) == 1
    for one in given:
        fed = one[:1] if alone and isinstance(one, list | tuple) else one
        bound = bound_inputs(record.root, pytree.tree_map(placed, fed))
        yield {**bound, **fixed_arguments(record.root, bound), **unused_variadics(record.root)}


def argument_specs(record: TraceRecord) -> list[InputSpec]:
    """The arguments that are tensors, as files of arrays have to fit them; the first size is free."""
    specs = []
    for node in record.placeholders:
        names = record.values_given.get(node, ())
        tensor = record.placeholder_values.get(node)
        if len(names) == 1 and tensor is not None and tensor.dtype is not None:
            sizes = tuple(tensor.shape)
            specs.append(InputSpec(str(node.target), np.dtype(tensor.dtype).name, (None, *sizes[1:]) if sizes else ()))
    return specs


def _require_known(record: TraceRecord, names: Iterable[str]) -> None:
    given = {name for tensors in record.values_given.values() for name in tensors}
    given |= {fresh for site in record.sites for fresh, _ in site.rebinds}
    for name in sorted(set(names) - given):
        site = next((s for s in record.sites for n in s.nodes if name in n.outputs), None)
        if site is None:
            raise UsageError(f"capture: the traced module has no tensor {name}")
        gives = ", ".join(record.values_given[site.fx_node]) or "nothing"
        raise UsageError(
            f"capture: tensor {name} exists only inside {site.fx_node.op} {site.fx_node.target}: capture what it "
            f"reads or gives ({gives})"
        )
