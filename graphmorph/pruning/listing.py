"""`graphmorph.channel_groups`: which channels of a model live and die together, and what each of them costs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from graphmorph import registry
from graphmorph.channels.analysis import Analysis, analyse
from graphmorph.channels.costs import Cost, Costs
from graphmorph.channels.groups import Group, Member
from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.walls import Wall, walls
from graphmorph.errors import UsageError
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.manager import PassManager
from graphmorph.module_pipeline import is_module
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle, Shapes, TracedShapes
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto


@dataclass(frozen=True)
class MemberListing:
    """An axis of a constant. indices: for each unit, the entries that go with it. readers: nodes that read it."""

    constant: str
    axis: int
    indices: list[list[int]]
    readers: list[str]


@dataclass(frozen=True)
class GroupListing:
    """`units` that are alike; each has `width` channels of the layer `name`. parameters, multiply_adds: what removing
    one unit saves."""

    name: str
    units: int
    width: int
    parameters: int
    multiply_adds: int
    members: list[MemberListing]


@dataclass(frozen=True)
class ChoiceListing:
    """An axis that is a product of factors: which of them can shrink. forced: there was no other."""

    node: str
    op: str
    condition: str
    shrinks: str
    forced: bool


@dataclass(frozen=True)
class ChannelGroups:
    """All groups of a model, the layers that must stay whole, and the choices that were made."""

    model: str
    parameters: int
    multiply_adds: int
    groups: list[GroupListing]
    walls: list[Wall]
    choices: list[ChoiceListing]
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        plain = {name: [asdict(one) for one in getattr(self, name)] for name in ("groups", "choices")}
        return {
            "model": self.model,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            **plain,
            "walls": [wall.to_json() for wall in self.walls],
            "notes": self.notes,
        }


def channel_groups(
    model: Model | nn.Module,
    example_inputs: ExampleInputs | None = None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    freeze_initializers: bool = False,
) -> ChannelGroups:
    """What lives and dies together in a model, as the passes on channels see it: constants of a file are folded first.

    model: a file, a Graph, a ModelProto, or a torch module with its example inputs; it is not changed. shapes: sizes of
    inputs, by name, where free ones have to be guessed and the guesses do not fit.

    Raises:
        ModelFileError: the model cannot be read.
        UsageError: options that do not fit the model.
        TraceError: a torch module that cannot be traced.
    """
    with Runtime() as runtime:
        if is_module(model):
            graph, name = _traced(model, example_inputs), type(model).__name__
            facts = Facts(graph, TracedShapes(graph), oracle=Oracle(runtime))
            notes: list[str] = []
        else:
            if example_inputs is not None:
                raise UsageError("example_inputs are for torch modules; sizes of a file's inputs are given as shapes")
            file = cast("Model", model)
            graph = file.copy() if isinstance(file, Graph) else load(file, freeze_initializers=freeze_initializers)
            notes = PassManager([registry.create("fold-constants")], runtime=runtime).run(graph).notes
            oracle = Oracle(runtime)
            facts = Facts(graph, Shapes(oracle, graph), oracle=oracle)
            name = str(model) if isinstance(model, str | os.PathLike) else "model"
        analysis = analyse(facts, probe_sizes(graph, facts, runtime, shapes))
        return listing(analysis, name, notes)


def _traced(model: Any, example_inputs: ExampleInputs | None) -> Graph:
    from graphmorph.torch_door import trace
    from graphmorph.torch_door.guessed_inputs import guessed_inputs

    return trace(model, guessed_inputs(model) if example_inputs is None else example_inputs, through_wrapped=True)


def listing(analysis: Analysis, name: str, notes: Sequence[str] = ()) -> ChannelGroups:
    """An analysis as plain data."""
    costs = Costs(analysis)
    whole = costs.of(analysis.all_kept())
    choices = [
        ChoiceListing(
            choice.reason.node,
            choice.reason.op,
            choice.reason.text,
            choice.chosen.factor if choice.chosen is not None else "nothing",
            choice.forced,
        )
        for choice in analysis.choices
    ]
    return ChannelGroups(
        name,
        whole.parameters,
        whole.multiply_adds,
        [_group(analysis, group, costs.saving(group)) for group in analysis.groups],
        walls(analysis),
        choices,
        list(notes),
    )


def _group(analysis: Analysis, group: Group, saving: Cost) -> GroupListing:
    width = int(group.members[0].positions.shape[1])
    members = [_member(analysis, member) for member in group.members]
    return GroupListing(group.name, group.size, width, saving.parameters, saving.multiply_adds, members)


def _member(analysis: Analysis, member: Member) -> MemberListing:
    readers = [str(analysis.facts.producer[use.node].name or use.node) for use in member.slot.uses]
    return MemberListing(member.slot.name, member.axis, member.positions.tolist(), readers)
