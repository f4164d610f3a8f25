"""A widened model against the original: every tensor is that of the original, with copies where units were copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.analysis import Analysis
from graphmorph.channels.copies import WithCopies
from graphmorph.channels.elements import Axes
from graphmorph.channels.groups import Group
from graphmorph.channels.insertion import GroupInsertion, Insertion, insert, obstacles
from graphmorph.channels.outgoing import Outgoing
from graphmorph.editor import Editor
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import InputShapes, inputs_for, shared_tensors, tensors_of


def copied(analysis: Analysis, masters: dict[Group, Sequence[int]]) -> Insertion:
    """Net2WiderNet, of those groups whose readers allow it."""
    groups = [GroupInsertion(group, np.array(units, np.int64)) for group, units in masters.items()]
    while True:
        insertion = Insertion(analysis, groups)
        refused = obstacles(insertion, Outgoing(analysis))
        if not refused:
            return insertion
        groups = [one for one in groups if one.group.name not in refused]


def random_copies(analysis: Analysis, seed: int) -> Insertion:
    """Some units of every group, some of them more than once; or now and then all units once."""
    random = np.random.default_rng(seed)
    if random.random() < 0.3:
        return copied(analysis, {group: range(group.size) for group in analysis.groups})
    masters = {g: random.integers(0, g.size, random.integers(1, g.size + 1)).tolist() for g in analysis.groups}
    return copied(analysis, masters)


def widened(insertion: Insertion) -> tuple[Graph, Journal]:
    """The analysed graph, edited."""
    graph, journal = insertion.analysis.facts.graph, Journal()
    editor = Editor(graph, insertion.analysis.facts, journal)
    editor.begin("test", graph.outputs[0].name)
    insert(insertion, editor)
    editor.commit()
    editor.flush()
    return graph, journal


def errors(insertion: Insertion, runtime: Runtime, *shapes: InputShapes) -> dict[str, float]:
    """By tensor, the largest error, relative to the largest value. The analysed graph is edited by this."""
    analysis = insertion.analysis
    original = analysis.facts.graph.copy()
    wider, _ = widened(insertion)
    arrangement = WithCopies(analysis, insertion.copies)
    names = shared_tensors(wider, original)
    found: dict[str, float] = dict.fromkeys(names, 0.0)
    for sizes in shapes:
        feeds = inputs_for(wider, sizes)
        expected, got = (tensors_of(graph, runtime, feeds, names) for graph in (original, wider))
        for name in names:
            wanted = _with_copies(expected[name], analysis.axes[name], arrangement)
            if wanted is not None and wanted.dtype.kind == "f":
                found[name] = max(found[name], _error(wanted, got[name]))
    return found


def _with_copies(values: NDArray[np.generic], axes: Axes, arrangement: WithCopies) -> NDArray[np.generic] | None:
    """None where an axis with elements has another size than in the run that was analysed."""
    for place, ids in enumerate(axes):
        places = arrangement.of(ids)
        if ids is not None and ids.size != values.shape[place]:
            return None
        if places is not None:
            values = values.take(places, place)
    return values


def _error(wanted: NDArray[np.generic], got: NDArray[np.generic]) -> float:
    if wanted.shape != got.shape:
        return float("inf")
    first, second = np.asarray(wanted, np.float64), np.asarray(got, np.float64)
    return float(np.abs(first - second).max(initial=0) / max(np.abs(first).max(initial=0), 1e-12))
