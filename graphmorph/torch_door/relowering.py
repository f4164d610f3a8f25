"""A call lowered once more, with the tensors and numbers that it has in a resized graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx

from graphmorph.torch_door.builder import SiteBuilder, Unsupported
from graphmorph.torch_door.calls import CALL_ERRORS, Call
from graphmorph.torch_door.record import Site
from graphmorph.torch_door.resized_values import Names, ResizedValues, Sizes, UnknownValueError
from graphmorph.torch_door.rule_calls import call_rule, matched, own_tensors
from graphmorph.torch_door.tensor_facts import TensorTypes
from graphmorph.torch_door.trees import fakes_of, map_leaves, tensors_of
from graphmorph.torch_door.values import Number, derived

#: By the identity of a tensor of the module, a fake one of the size that it has now.
StandIns = Mapping[int, torch.Tensor]


@dataclass(frozen=True)
class Lowered:
    """The nodes of a call, the tensors that it gives, and their sizes in every run."""

    nodes: Sequence[gs.Node]
    results: Sequence[gs.Tensor]
    sizes: Sequence[Sequence[Sizes]]
    types: TensorTypes


def lowered_again(values: ResizedValues, site: Site, call: Call, renamed: Names, stand_ins: StandIns) -> Lowered | None:
    """What a site's rule makes of a call now; None where it cannot be called, or the rule declines."""
    try:
        return _Relowering(values, site, call, renamed, stand_ins).lowered()
    except (UnknownValueError, Unsupported, *CALL_ERRORS):
        return None


class _Relowering:
    def __init__(self, values: ResizedValues, site: Site, call: Call, renamed: Names, stand_ins: StandIns) -> None:
        self.values, self.site, self.call = values, site, call
        self.renamed, self.stand_ins = renamed, stand_ins
        self.given: list[dict[fx.Node, Any]] = []
        self.gave: list[Any] = []

    def lowered(self) -> Lowered:
        for run in self.values.runs:
            given = {node: self._argument(node, run) for node in self.call.nodes}
            args, kwargs = self.call.mapped(given.__getitem__)
            with self.values.mode:
                self.gave.append(self.call.run(args, kwargs))
            self.given.append(given)
        results = [self._results(run) for run in self.values.runs]
        types = self._types(results)
        known = {node: self._symbolic(node, types) for node in self.call.nodes}
        builder = SiteBuilder(self.site.fx_node.name, results[0], types)
        made = own_tensors(call_rule(self.call, builder, known.__getitem__), builder)
        made = matched(made, self.gave[0], builder.result)
        sizes = [[tuple(int(n) for n in fake.shape) for fake in fakes_of(result)] for result in results]
        return Lowered(builder.new, tensors_of(made), sizes, types)

    def _argument(self, node: fx.Node, run: int) -> Any:
        if node in self.values.record.numbers:
            return self.values.number(node, run)
        return map_leaves(lambda leaf: self._leaf(leaf, run), self.site.arguments[node])

    def _leaf(self, leaf: Any, run: int) -> Any:
        if isinstance(leaf, gs.Constant):
            source = self.values.record.parameters[leaf.name].source
            return self.stand_ins[id(source)] if id(source) in self.stand_ins else self.values.parameter(source)
        return self.values.tree(leaf, run, self.renamed)

    def _results(self, run: int) -> Any:
        """What the rule is to make: what the call gives, or for one that gives nothing, what it writes into."""
        if fakes_of(self.gave[run]) or not self.site.written:
            return self.gave[run]
        written = next(
            node
            for node, value in self.site.arguments.items()
            if self.site.written[0] in {tensor.name for tensor in tensors_of(value)}
        )
        return self.given[run][written]

    def _types(self, results: Sequence[Any]) -> TensorTypes:
        record, twins = self.values.record, dict[int, torch.Tensor]()
        if len(self.values.runs) > 1:
            first = [*fakes_of(results[0]), *(t for value in self.given[0].values() for t in fakes_of(value))]
            second = [*fakes_of(results[1]), *(t for value in self.given[1].values() for t in fakes_of(value))]
            twins = {id(one): other for one, other in zip(first, second, strict=True)}
        types = TensorTypes(record.batch, twins)
        types.batch_input = record.batch_input
        return types

    def _symbolic(self, node: fx.Node, types: TensorTypes) -> Any:
        """An argument as rules see it: tensors under the names that they were traced under."""
        numbers = self.values.record.numbers
        if node in numbers:
            runs = [self.values.number(node, run) for run in self.values.runs]
            return derived(Number(runs[0], runs[1] if len(runs) > 1 else None))
        fakes = iter(fakes_of(self.given[0][node]))

        def leaf(one: Any) -> Any:
            if not isinstance(one, gs.Tensor):
                return derived(one)
            fake = next(fakes)
            if isinstance(one, gs.Constant):
                return types.parameter(fake, transposed=False)
            variable = gs.Variable(one.name, dtype=one.dtype, shape=list(types.described(fake)[0]))
            types.learn(variable, fake)
            types.fresh(one.name)
            return variable

        return map_leaves(leaf, self.site.arguments[node])
