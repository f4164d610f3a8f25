"""Places in small models that are given as ONNX text, and what such a model gives with a layer inserted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.journal import Journal
from graphmorph.layer_insertion.edit import stage_layer
from graphmorph.layer_insertion.new_layer import NewLayer
from graphmorph.layer_insertion.place import Place
from graphmorph.onnx_door import load
from graphmorph.oracle import Oracle
from graphmorph.runtime import Runtime
from tests.passes.text_models import Weights, build
from tests.regions.check import evaluate_graph


def facts_of(runtime: Runtime, text: str, weights: Weights, *, opset: int = 17) -> Facts:
    """Of a model in float64, so that what is inserted is not rounded."""
    graph = load(build(text, weights, opset=opset, dtype="double"))
    return Facts(graph, lambda: Oracle(runtime).shapes(graph))


def change_of_outputs(
    facts: Facts, place: Place, layer: NewLayer, shape: Sequence[int], negative: bool = True
) -> float:
    """The largest change of the output y, relative to its largest number, that inserting the layer makes."""
    x = np.random.default_rng(9).standard_normal(tuple(shape))
    feeds = {"x": x if negative else np.abs(x)}
    before = evaluate_graph(facts.graph, feeds)["y"]
    editor = Editor(facts.graph, facts, Journal())
    editor.begin("insert", place.after)
    stage_layer(layer, place, "new", editor)
    editor.commit()
    editor.flush()
    after = evaluate_graph(facts.graph, feeds)["y"]
    assert after.shape == before.shape
    return float(np.abs(after - before).max() / np.abs(before).max())
