"""Arguments of the program's calls in the new graph: tensors that stand for old ones, and numbers computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx

from graphmorph.errors import MaterialiseError
from graphmorph.torch_door.calls import Call, call_of
from graphmorph.torch_door.emission import Emission
from graphmorph.torch_door.intact import Heir
from graphmorph.torch_door.record import TraceRecord
from graphmorph.torch_door.resized_guards import guard_of
from graphmorph.torch_door.resized_values import ResizedValues
from graphmorph.torch_door.trees import map_leaves, tensors_of
from graphmorph.torch_door.values import Number


@dataclass(frozen=True)
class Readings:
    """What a reader of old values reads now: other tensors, by the old names, and heirs of the module's own tensors."""

    renamed: Mapping[str, gs.Tensor] = field(default_factory=dict)
    heirs: Mapping[int, Heir] = field(default_factory=dict)


class Arguments:
    """Finds what the program's fx nodes are in the new graph.

    whole: nodes that were emitted, for what they give as a whole. numbers: the same of numbers. resized: what is known
    of sizes that are others than traced.
    """

    def __init__(self, emission: Emission, record: TraceRecord | None, resized: ResizedValues | None) -> None:
        self.emission = emission
        self.record = record
        self.resized = resized
        self.whole: dict[fx.Node, fx.Node] = {}
        self.numbers: dict[fx.Node, Any] = {}

    def argument(self, node: fx.Node, value: Any, readings: Readings, copies: dict[str, fx.Node]) -> Any:
        """What an argument of the old node is in the new graph."""
        if isinstance(value, Number):
            return self._number(node)
        if isinstance(value, gs.Tensor):
            return copies.get(value.name) or self._tensor(value, readings)
        tensors = tensors_of(value)
        same = all(readings.renamed.get(t.name, t).name == t.name and t.name not in copies for t in tensors)
        if node in self.whole and same and self._gives(node, tensors):
            return self.whole[node]
        return plain(map_leaves(lambda leaf: self._leaf(leaf, readings, copies), value))

    def _gives(self, node: fx.Node, tensors: list[gs.Tensor]) -> bool:
        """Whether a whole value is still what its node gave: nothing in it has been written into since."""
        assert self.record is not None
        given = self.record.values_given.get(node, ())
        return tuple(t.name for t in tensors) == tuple(given)

    def _leaf(self, leaf: Any, readings: Readings, copies: dict[str, fx.Node]) -> Any:
        if isinstance(leaf, gs.Tensor):
            return copies.get(leaf.name) or self._tensor(leaf, readings)
        return leaf.value

    def _tensor(self, tensor: gs.Tensor, readings: Readings) -> fx.Node:
        if not isinstance(tensor, gs.Constant):
            return self.current(tensor.name, readings.renamed)
        known = self.record.parameters.get(tensor.name) if self.record is not None else None
        heir = readings.heirs.get(id(known.source)) if known is not None else None
        if heir is None and known is not None and self.resized is not None:
            heir = self.resized.heir(known.source)
        return self.emission.access(tensor) if heir is None else self.emission.heir(heir)

    def current(self, name: str, renamed: Mapping[str, gs.Tensor]) -> fx.Node:
        """What a tensor of the program is now.

        Raises:
            MaterialiseError: it is gone.
        """
        if name in renamed:
            return self.emission.value(renamed[name])
        if name not in self.emission.env:
            raise MaterialiseError(f"tensor {name} is gone, but the program still reads it, or its shape")
        found = self.emission.env[name]
        if callable(found):
            found = self.emission.env[name] = found()
        return found  # type: ignore[no-any-return]

    def returned(self, node: fx.Node, renamed: Mapping[str, gs.Tensor]) -> Any:
        """What the program returns of a node; a changed width is what it was, as where channels are masked."""
        assert self.record is not None
        values = self.resized if node in self.record.numbers else None
        if values is not None and values.has_changed(node) and not values.follows_batch(node):
            return plain(self.record.numbers[node].traced.value)
        return self.argument(node, self.record.output_arguments[node], Readings(renamed), {})

    def _number(self, node: fx.Node) -> Any:
        """Computes a number again, and what it depends on."""
        if node in self.numbers:
            return self.numbers[node]
        assert self.record is not None
        site = self.record.numbers.get(node)
        if site is None:
            if node not in self.whole:
                raise MaterialiseError(f"{node.format_node()}: its number cannot be computed any more after a pass")
            return self.whole[node]
        if site.fixed:
            self.numbers[node] = plain(site.traced.value)
        elif node.op == "get_attr":
            self.numbers[node] = self.emission.attribute(str(node.target))
        else:
            self.numbers[node] = self._computed(node, call_of(self.record.root, node), {})
        return self.numbers[node]

    def _computed(self, node: fx.Node, call: Call, known: Mapping[fx.Node, fx.Node]) -> fx.Node:
        """A node that computes a number, or checks one, with a call; `known` stands for some of its arguments."""
        assert self.record is not None
        site = self.record.numbers[node]

        def argument(arg: fx.Node) -> Any:
            return known[arg] if arg in known else self.argument(arg, site.arguments[arg], Readings(), {})

        args, kwargs = fx.map_arg(call.args, argument), fx.map_arg(dict(call.kwargs), argument)
        return self.emission.graph.create_node(node.op, node.target, args, kwargs, node.name, node.type)

    def guard(self, node: fx.Node) -> None:
        """An assertion; what it says of resized axes is said of their new sizes, or not said."""
        if self.resized is None or not any(self.resized.has_changed(arg) for arg in self._numbers_of(node)):
            self._number(node)
            return
        guard = guard_of(self.resized, node)
        if guard is not None:
            call, condition, said = guard
            known = {} if condition is None or said is None else {condition: self._computed(condition, said, {})}
            self._computed(node, call, known)

    def _numbers_of(self, node: fx.Node) -> list[fx.Node]:
        """A number and all that it is computed from."""
        assert self.record is not None
        found: dict[fx.Node, None] = {}
        pending = [node]
        while pending:
            for arg in pending.pop().all_input_nodes:
                if arg in self.record.numbers and arg not in found:
                    found[arg] = None
                    pending.append(arg)
        return list(found)


def plain(value: Any) -> Any:
    """fx arguments are plain tuples, lists and dicts."""
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
