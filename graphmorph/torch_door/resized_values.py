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
from graphmorph.torch_door.intact import Heir
from graphmorph.torch_door.record import TraceRecord
from graphmorph.torch_door.trees import map_leaves
from graphmorph.torch_door.values import Number

Sizes = tuple[int, ...]
Names = Mapping[str, gs.Tensor]


class UnknownValueError(Exception):
    """Something cannot be told in the resized graph; what depends on it is not the program's own any more."""


class ResizedValues:
    """Values of one graph; `runs` says which runs are known."""

    def __init__(self, graph: Graph, record: TraceRecord) -> None:
        self.record = record
        self.resized = graph.resized
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.runs = (0, 1) if record.doubled_sizes else (0,)
        self._heirs = _heirs(graph, record)
        sources = (values.source for values in record.parameters.values())
        self.device = next((source.device for source in sources), torch.device("cpu"))
        self._numbers: tuple[dict[fx.Node, Any], ...] = ({}, {})
        self._learnt: tuple[dict[str, Sizes], ...] = ({}, {})

    def sizes(self, name: str, run: int, now: gs.Tensor | None = None) -> Sizes:
        """The sizes of a tensor by the name it was traced under; `now` is the tensor that stands for it.

        Raises:
            UnknownValueError: they are not known.
        """
        found = self.known_sizes(name, run, now)
        sizes = tuple(size for size in found if size is not None)
        if len(sizes) < len(found):
            raise UnknownValueError(f"the sizes of {name}")
        return sizes

    def known_sizes(self, name: str, run: int, now: gs.Tensor | None = None) -> tuple[int | None, ...]:
        """The same with None for what nobody knows before `learn`: a product of the batch and of what is resized.

        Raises:
            UnknownValueError: the tensor was not seen when the program was traced.
        """
        current = name if now is None else now.name
        if current in self._learnt[run]:
            return self._learnt[run][current]
        traced = (self.record.sizes, self.record.doubled_sizes)[run].get(name)
        if traced is None:
            raise UnknownValueError(f"the sizes of {name}")
        replaced = now is not None and now.name != name and now.shape is not None
        shape = self.resized.get(current, now.shape if now is not None and replaced else traced)
        if len(shape) != len(traced):
            raise UnknownValueError(f"the rank of {name}")
        open_ends = current in self.resized
        pairs = zip(shape, traced, strict=True)
        return tuple(new if isinstance(new, int) else None if new is None and open_ends else old for new, old in pairs)

    def learn(self, name: str, run: int, sizes: Sizes) -> None:
        """Remember the sizes that a call of the program gives a tensor."""
        self._learnt[run][name] = sizes

    def is_open(self, name: str) -> bool:
        """Whether a tensor has sizes that only the call that gives it tells."""
        return name in self.resized and name not in self._learnt[0] and None in self.known_sizes(name, 0)

    def heir(self, source: torch.Tensor) -> Heir | None:
        """What everybody reads in the place of a tensor of the module; None where that is itself, or not one thing."""
        found = self._heirs.get(id(source), [])
        return found[0] if len(found) == 1 and not found[0].is_the_same else None

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
        sizes = {heir.sizes for heir in self._heirs.get(id(source), ())} or {tuple(source.shape)}
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


def _of_run(leaf: Number, run: int) -> Any:
    return leaf.value if run == 0 or leaf.doubled is None else leaf.doubled


def _differs(one: Any, other: Any) -> bool:
    return type(one) is not type(other) or bool(one != other)


def _heirs(graph: Graph, record: TraceRecord) -> dict[int, list[Heir]]:
    """By the identity of a tensor of the module, the different constants that are read in its place."""
    found: dict[int, list[Heir]] = {}
    present = {node.name: node for node in graph.nodes if node.name in record.site_of}
    for snapshot in (one for site in record.sites for one in site.nodes):
        node = present.get(snapshot.name)
        for name, tensor in zip(snapshot.inputs, node.inputs, strict=False) if node is not None else ():
            known = record.parameters.get(name)
            if known is not None and isinstance(tensor, gs.Constant):
                heirs = found.setdefault(id(known.source), [])
                if all(other.constant is not tensor for other in heirs):
                    heirs.append(Heir(tensor, known.source, known.transposed))
    return found
