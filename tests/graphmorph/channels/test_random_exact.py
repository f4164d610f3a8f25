"""Random models with planted dead, constant and duplicate channels: what goes changes nothing, nothing is missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from hypothesis import event, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from benchmarks.channels_exact_planting import PLANTS, Arrays, Planted, legal, operands, plant_units
from graphmorph.channels.analysis import Analysis
from graphmorph.graph import Graph
from graphmorph.manager import PassManager, RunResult
from graphmorph.onnx_door import load, to_model
from graphmorph.passes.remove_channels import RemoveChannels
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import InputShapes, analysis_of, inputs_for, tensors_of
from tests.graphmorph.channels.random_graphs import models

TOLERANCE = 1e-3
STATIC, LARGER, MANY = {"x": (2, 4, 4, 4)}, {"x": (3, 4, 6, 8)}, {"x": (16, 4, 4, 4)}


@dataclass
class Trial:
    """A model with planted channels, and the graph that the pass leaves of it."""

    model: onnx.ModelProto
    analysis: Analysis
    arrays: Arrays
    planted: list[Planted]
    result: RunResult

    @property
    def is_free(self) -> bool:
        return any(size.dim_param for size in self.model.graph.input[0].type.tensor_type.shape.dim)


def planted_model(model: onnx.ModelProto, draw: st.DataObject, runtime: Runtime) -> Trial:
    """One unit of some groups is planted."""
    analysis = analysis_of(model, runtime, STATIC)
    arrays = {one.name: numpy_helper.to_array(one).copy() for one in model.graph.initializer}
    planted = []
    for number, group in enumerate(analysis.groups):
        kind = draw.draw(st.sampled_from((*PLANTS, None)))
        if kind is not None and group.size >= 2:
            event(kind)
            row, twin = np.array([0]), np.array([1])
            plant_units(analysis, group, arrays, kind, row, twin)
            planted.append(Planted(number, 0, kind, 1 if kind == "duplicate" else -1))
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for one in changed.graph.initializer:
        one.CopyFrom(numpy_helper.from_array(np.asarray(arrays[one.name], order="C"), one.name))
    result = PassManager([RemoveChannels()], runtime=runtime).run(load(changed))
    return Trial(changed, analysis, arrays, planted, result)


def outputs(graph: Graph, runtime: Runtime, shapes: InputShapes, seed: int = 0) -> Arrays:
    return dict(tensors_of(graph, runtime, inputs_for(graph, shapes, seed), [t.name for t in graph.outputs]))


def seen(trial: Trial, runtime: Runtime, *seeds: int) -> Sequence[Arrays]:
    """What the original's sums read, on several inputs."""
    graph = load(trial.model)
    names = [name for name in operands(trial.analysis) if name not in trial.arrays and name != "x"]
    shapes = MANY if trial.is_free else STATIC
    runs = []
    for seed in seeds:
        feeds = inputs_for(graph, shapes, seed)
        runs.append({**feeds, **(tensors_of(graph, runtime, feeds, names) if names else {})})
    return runs


def is_gone(trial: Trial, one: Planted) -> bool:
    """Whether the entries of a unit (for a duplicate: or of its twin) were sliced away; one of a group has to stay."""
    group = trial.analysis.groups[one.group]
    member = group.members[0]
    left = np.arange(member.slot.shape[member.axis])
    for edit in trial.result.journal.edits:
        if edit.made_from[:1] == (member.slot.name,):
            for part in edit.slices:
                left = left[list(part.taken)] if part.axis == member.axis else left
    stays = np.isin(member.positions, left).any(axis=1)
    return bool(stays.sum() == 1) or not stays[[row for row in (one.row, one.twin) if row >= 0]].all()


def assert_same_outputs(trial: Trial, runtime: Runtime) -> None:
    for shapes in (STATIC, LARGER) if trial.is_free else (STATIC,):
        expected = outputs(load(trial.model), runtime, shapes)
        got = outputs(load(to_model(trial.result.graph)), runtime, shapes)
        for name, array in expected.items():
            assert np.isfinite(array).all()
            error = np.abs(got[name] - array).max() / max(np.abs(array).max(), 1e-6)
            assert error < TOLERANCE, (name, onnx.printer.to_text(trial.model))


@settings(max_examples=40)
@given(model=models(most=8), draw=st.data())
def test_whatever_can_go_is_found_and_changes_no_output(
    model: onnx.ModelProto, draw: st.DataObject, runtime: Runtime
) -> None:
    trial = planted_model(model, draw, runtime)
    assert_same_outputs(trial, runtime)
    fine = legal(trial.analysis, trial.planted, trial.arrays, seen(trial, runtime, 1, 2, 3))
    for one, allowed in zip(trial.planted, fine, strict=True):
        if allowed:
            event(f"{one.plant} is legal")
            assert is_gone(trial, one), (one, trial.analysis.groups[one.group].name, onnx.printer.to_text(trial.model))
