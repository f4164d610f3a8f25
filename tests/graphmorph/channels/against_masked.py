"""A removal against its oracle: kept elements of every tensor are those of the masked original."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis, Kept, analyse
from graphmorph.channels.elements import Axes
from graphmorph.channels.masking import masked
from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.removal import check, remove
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.onnx_door import load, model_bytes
from graphmorph.oracle import Oracle, Shapes
from graphmorph.proof.inputs import Case, InputSpec
from graphmorph.runtime import Runtime

Arrays = dict[str, NDArray[np.generic]]
InputShapes = Mapping[str, Sequence[int]]


def analysis_of(model: onnx.ModelProto | Graph, runtime: Runtime, shapes: InputShapes | None = None) -> Analysis:
    """Sizes from a probing run, as for a user's model."""
    graph = model if isinstance(model, Graph) else load(model)
    facts = Facts(graph, Shapes(Oracle(runtime), graph))
    return analyse(facts, probe_sizes(graph, facts, runtime, shapes))


def random_subset(analysis: Analysis, seed: int, most: float = 0.8) -> Kept:
    """Some units of every group go, as far as every axis keeps an element."""
    random = np.random.default_rng(seed)
    kept = analysis.all_kept()
    for group in analysis.groups:
        count = min(int(random.uniform(0, most) * group.size + 0.5), group.size - 1)
        fewer = kept & analysis.kept_without(random.choice(group.units, count, replace=False))
        kept = kept if check(analysis, fewer) else fewer
    return kept


def removed(analysis: Analysis, kept: Kept) -> Graph:
    """The analysed graph, edited."""
    graph: Graph = analysis.facts.graph
    editor = Editor(graph, analysis.facts, Journal())
    editor.begin("test", graph.outputs[0].name)
    remove(analysis, kept, editor)
    editor.commit()
    editor.flush()
    return graph


def tensors_of(graph: Graph, runtime: Runtime, feeds: Mapping[str, np.ndarray], names: Sequence[str]) -> Arrays:
    """The values of some tensors."""
    session = runtime.open_session(
        model_bytes(graph, weights_as_inputs_above=None), optimized=False, outputs=names, threads=1
    )
    try:
        return runtime.run(session, feeds)
    finally:
        runtime.close(session)


def inputs_for(graph: Graph, shapes: InputShapes, seed: int = 0) -> dict[str, np.ndarray]:
    """Gaussian inputs, or what suits their type."""
    specs = tuple(InputSpec(t.name, np.dtype(t.dtype).name, tuple(t.shape)) for t in graph.inputs)
    return dict(Case({n: tuple(s) for n, s in shapes.items()}, "seeded", 0, seed, "normal", specs).feeds())


def shared_tensors(one: Graph, other: Graph) -> list[str]:
    """What nodes of both graphs make."""
    there = {t.name for node in other.nodes for t in node.outputs if t.name}
    return [t.name for node in one.nodes for t in node.outputs if t.name in there]


def kept_slice(values: NDArray[np.generic], axes: Axes, kept: Kept) -> NDArray[np.generic] | None:
    """None where an axis with elements has another size than in the run that was analysed."""
    for place, ids in enumerate(axes):
        if ids is not None:
            if ids.size != values.shape[place]:
                return None
            values = values.compress(kept[ids], axis=place)
    return values


def errors(
    analysis: Analysis,
    kept: Kept,
    runtime: Runtime,
    *shapes: InputShapes,
    edit: Callable[[Analysis, Kept], Graph] = removed,
) -> dict[str, float]:
    """By tensor, the largest error of the smaller model at some input shapes, relative to the largest kept value.

    The analysed graph is edited by this.
    """
    oracle = masked(analysis, kept)
    smaller = edit(analysis, kept)
    names = shared_tensors(smaller, oracle)
    found: dict[str, float] = dict.fromkeys(names, 0.0)
    for sizes in shapes:
        feeds = inputs_for(smaller, sizes)
        expected, got = (tensors_of(graph, runtime, feeds, names) for graph in (oracle, smaller))
        for name in names:
            wanted = kept_slice(expected[name], analysis.axes[name], kept)
            if wanted is not None and wanted.dtype.kind not in "iu":  # shapes, which follow by themselves
                found[name] = max(found[name], _error(wanted, got[name]))
    return found


def _error(wanted: NDArray[np.generic], got: NDArray[np.generic]) -> float:
    if wanted.shape != got.shape:
        return float("inf")
    first, second = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    if not np.isfinite(first).all() or not np.isfinite(second).all():
        return 0.0 if np.array_equal(first, second, equal_nan=True) else float("inf")
    return float(np.abs(first - second).max(initial=0) / max(np.abs(first).max(initial=0), 1e-12))
