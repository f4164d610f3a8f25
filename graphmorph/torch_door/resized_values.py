"""What tensors and numbers of a traced program are in a graph where some tensors have other sizes than traced.

Seen twice, as when it was traced: on the example (run 0), and with twice its batch (run 1). Tensors are fake ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from graphmorph.graph import Graph
from graphmorph.torch_door.calls import CALL_ERRORS, call_of
from graphmorph.torch_door.element_types import torch_dtype
from graphmorph.torch_door.record import TraceRecord, shape_sources
from graphmorph.torch_door.trees import map_leaves, tensors_of
from graphmorph.torch_door.values import Number

Sizes = tuple[int, ...]
Names = Mapping[str, gs.Tensor]


class UnknownValueError(Exception):
    """Something cannot be told in the resized graph; what depends on it is not the program's own any more."""


class ResizedValues:
    """Values of one graph; `runs` says which runs are known. parameters: current sizes of the module's own tensors."""

    def __init__(self, graph: Graph, record: TraceRecord) -> None:
        self.record = record
        self.resized = graph.resized
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.runs = (0, 1) if record.doubled_sizes else (0,)
        self.parameters = _parameter_sizes(graph, record)
        sources = (values.source for values in record.parameters.values())
        self.device = next((source.device for source in sources), torch.device("cpu"))
        self._numbers: tuple[dict[fx.Node, Any], ...] = ({}, {})

    def sizes(self, name: str, run: int, now: gs.Tensor | None = None) -> Sizes:
        """The sizes of a tensor by the name it was traced under; `now` is the tensor that stands for it.

        Raises:
            UnknownValueError: they were not seen when the program was traced.
        """
        traced = (self.record.sizes, self.record.doubled_sizes)[run].get(name)
        if traced is None:
            raise UnknownValueError(f"the sizes of {name}")
        current = self.resized.get(name if now is None else now.name)
        if current is None:
            current = now.shape if now is not None and now.name != name and now.shape is not None else traced
        if len(current) != len(traced):
            raise UnknownValueError(f"the rank of {name}")
        return tuple(new if isinstance(new, int) else old for new, old in zip(current, traced, strict=True))

    def is_resized(self, name: str) -> bool:
        """Whether a tensor, or a tensor of the module by the name of its constant, has other sizes than traced."""
        values = self.record.parameters.get(name)
        if values is None:
            return name in self.resized
        current = self.parameters.get(id(values.source))
        return current is not None and current != {tuple(values.source.shape)}

    def stand_in(self, tensor: gs.Tensor, run: int, now: gs.Tensor | None = None) -> torch.Tensor:
        """A fake tensor of the current sizes."""
        if isinstance(tensor, gs.Constant):
            return self.parameter(self.record.parameters[tensor.name].source)
        return self._fake(self.sizes(tensor.name, run, now), torch_dtype(tensor.dtype), self.device)

    def parameter(self, source: torch.Tensor) -> torch.Tensor:
        """A fake tensor of the current sizes of a tensor of the module.

        Raises:
            UnknownValueError: it has become several of different sizes.
        """
        sizes = self.parameters.get(id(source), {tuple(source.shape)})
        if len(sizes) > 1:
            raise UnknownValueError("the size of a parameter that was cut in several ways")
        return self._fake(next(iter(sizes)), source.dtype, source.device)

    def _fake(self, sizes: Sizes, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        with self.mode:
            return torch.empty(sizes, dtype=dtype, device=device)

    def tree(self, value: Any, run: int, renamed: Names) -> Any:
        """A value of the traced program with fake tensors and plain numbers in it."""

        def leaf(one: Any) -> Any:
            if isinstance(one, gs.Tensor):
                return self.stand_in(one, run, renamed.get(one.name))
            return _of_run(one, run)

        return map_leaves(leaf, value)

    def number(self, node: fx.Node, run: int) -> Any:
        """A number of the program, computed again.

        Raises:
            UnknownValueError: it cannot be.
        """
        known = self._numbers[run]
        if node not in known:
            known[node] = self._computed(node, run)
        return known[node]

    def _computed(self, node: fx.Node, run: int) -> Any:
        site = self.record.numbers[node]
        if site.fixed or node.op in ("placeholder", "get_attr"):
            return _of_run(site.traced, run)

        def argument(arg: fx.Node) -> Any:
            return self.number(arg, run) if arg in self.record.numbers else self.tree(site.arguments[arg], run, {})

        call = call_of(self.record.root, node)
        args, kwargs = call.mapped(argument)
        try:
            with self.mode:
                return call.run(args, kwargs)
        except CALL_ERRORS as error:
            raise UnknownValueError(f"{node.format_node()}: {error}") from error

    def has_changed(self, node: fx.Node) -> bool:
        """Whether a number is another one than when the program was traced."""
        traced = self.record.numbers[node].traced
        try:
            return any(_differs(self.number(node, run), _of_run(traced, run)) for run in self.runs)
        except UnknownValueError:
            return True

    def follows_batch(self, node: fx.Node) -> bool:
        """Whether a number was not the same for both sizes of the batch, or was seen for one of them only."""
        traced = self.record.numbers[node].traced
        return len(self.runs) < len(self._numbers) or _differs(traced.value, traced.doubled)

    def settled(self, node: fx.Node) -> Any | None:
        """The value of a number that is computed from resized tensors of the module alone, which have one size."""
        sources = shape_sources([node], self.record.numbers)
        of_state = bool(sources) and all(isinstance(tensor, gs.Constant) for tensor in sources)
        return self.number(node, 0) if of_state and any(self.is_resized(t.name) for t in sources) else None


def _of_run(leaf: Number, run: int) -> Any:
    return leaf.value if run == 0 or leaf.doubled is None else leaf.doubled


def _differs(one: Any, other: Any) -> bool:
    return type(one) is not type(other) or bool(one != other)


def _parameter_sizes(graph: Graph, record: TraceRecord) -> dict[int, set[Sizes]]:
    """By the identity of a tensor of the module, the sizes of the constants that are read in its place."""
    found: dict[int, set[Sizes]] = {}
    present = {node.name: node for node in graph.nodes if node.name in record.site_of}
    for site in record.sites:
        for snapshot in site.nodes:
            node = present.get(snapshot.name)
            for name, tensor in zip(snapshot.inputs, node.inputs, strict=False) if node is not None else ():
                values = record.parameters.get(name)
                if values is not None and isinstance(tensor, gs.Constant):
                    shape = tuple(int(n) for n in tensor.shape)
                    found.setdefault(id(values.source), set()).add(shape[::-1] if values.transposed else shape)
    return found


def read_tensors(site_arguments: Mapping[fx.Node, Any]) -> list[gs.Tensor]:
    """The tensors that a call was given."""
    return [tensor for value in site_arguments.values() for tensor in tensors_of(value)]
