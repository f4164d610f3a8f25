"""Elements of small models are removed, and the result is held against the model in which they are masked by hand.

A model multiplies what may go by a constant `k` of ones, where it is read next. In the original, `k` is set to zero at
the places that go; in what is pruned it is sliced like any other constant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from graphmorph.channels.analysis import Analysis, Kept, analyse
from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.removal import remove
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.onnx_door import load, to_model
from graphmorph.oracle import Oracle, Shapes
from graphmorph.runtime import Runtime


@dataclass
class Removed:
    """A model, the same with its mask set, and what is left of it."""

    before: onnx.ModelProto
    masked: onnx.ModelProto
    graph: Graph
    journal: Journal

    @property
    def after(self) -> onnx.ModelProto:
        return to_model(self.graph)

    def integers(self, name: str) -> list[int]:
        """A constant of the new model."""
        values: list[int] = constants_of(self.after)[name].reshape(-1).tolist()
        return values

    def node(self, output: str) -> Any:
        return next(node for node in self.graph.nodes if node.outputs[0].name == output)

    def read_by(self, output: str, index: int) -> list[int]:
        """The integers that a node reads."""
        return self.integers(self.node(output).inputs[index].name)


def analysis_of(model: onnx.ModelProto, runtime: Runtime) -> Analysis:
    graph = load(model)
    facts = Facts(graph, Shapes(Oracle(runtime), graph))
    return analyse(facts, probe_sizes(graph, facts, runtime))


def kept_without(analysis: Analysis, constant: str, places: Sequence[int], axis: int = 0) -> Kept:
    """What stays when some places along an axis of a constant go, with all that goes with them."""
    ids = next(slot.axes[axis] for slot in analysis.slots if slot.name == constant)
    assert ids is not None
    units = np.unique(analysis.components.label[ids[list(places)]])
    assert not analysis.components.walled[units].any()
    kept = analysis.kept_without(units)
    assert np.flatnonzero(~kept[ids]).tolist() == sorted(places)
    return kept


def removed(model: onnx.ModelProto, runtime: Runtime, places: Sequence[int], *, axis: int = 0) -> Removed:
    """Remove some places along an axis of `k`."""
    analysis = analysis_of(model, runtime)
    graph = analysis.facts.graph
    editor = Editor(graph, analysis.facts, Journal())
    editor.begin("remove", graph.outputs[0].name)
    remove(analysis, kept_without(analysis, "k", places, axis), editor)
    editor.commit()
    editor.flush()
    masked = onnx.ModelProto()
    masked.CopyFrom(model)
    tensor = next(t for t in masked.graph.initializer if t.name == "k")
    values = numpy_helper.to_array(tensor).copy()
    np.moveaxis(values, axis, 0)[list(places)] = 0
    tensor.CopyFrom(numpy_helper.from_array(values, "k"))
    return Removed(model, masked, graph, editor.journal)


def assert_equals_masked(result: Removed, *shapes: Mapping[str, Sequence[int]]) -> None:
    """Valid by every check, of the sizes that inference finds, its constants those of the journal, and equal."""
    after = result.after
    onnx.checker.check_model(after, full_check=True)
    onnx.shape_inference.infer_shapes(after, check_type=True, strict_mode=True, data_prop=True)
    assert_journal(result)
    for feeds in shapes:
        inputs = _inputs(result.masked, feeds)
        expected, found = (_run(model, inputs) for model in (result.masked, after))
        for one, other in zip(expected, found, strict=True):
            assert np.ptp(one) > 0.1
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


def assert_journal(result: Removed) -> None:
    """Applied in order to the old constants, its slices give the new ones."""
    constants = constants_of(result.before)
    new = constants_of(result.after)
    for edit in result.journal.edits:
        if edit.slices:
            values = constants[edit.made_from[0]]
            for one in edit.slices:
                values = values.take(one.taken, one.axis)
            constants[edit.name] = values
    for name, values in new.items():
        if values.dtype.kind == "f":
            np.testing.assert_array_equal(values, constants[name])


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _inputs(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    made = {}
    for value in model.graph.input:
        if value.name in shapes:
            floats = value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
            shape = tuple(shapes[value.name])
            made[value.name] = rng.standard_normal(shape).astype(np.float32) if floats else rng.integers(0, 3, shape)
    return made


def _run(model: onnx.ModelProto, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, dict(inputs))]
