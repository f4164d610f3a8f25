"""Random models lose random channels, and are the masked original in every tensor. Wrong indices are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from hypothesis import event, given, settings
from hypothesis import strategies as st

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Slot
from graphmorph.graph import Graph
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import analysis_of, errors, random_subset, removed
from tests.graphmorph.channels.random_graphs import models
from tests.passes.text_models import Weight, build, norm

TOLERANCE = 1e-3
STATIC, LARGER = {"x": (2, 4, 4, 4)}, {"x": (3, 4, 6, 8)}


def is_free(model: onnx.ModelProto) -> bool:
    return any(size.dim_param for size in model.graph.input[0].type.tensor_type.shape.dim)


@settings(max_examples=100)
@given(model=models(), seed=st.integers(0, 2**16))
def test_every_tensor_is_that_of_the_masked_original(model: onnx.ModelProto, seed: int, runtime: Runtime) -> None:
    analysis = analysis_of(model, runtime, STATIC)
    kept = random_subset(analysis, seed)
    event("nothing goes" if kept.all() else "some go")
    found = errors(analysis, kept, runtime, *((STATIC, LARGER) if is_free(model) else (STATIC,)))
    wrong = {name: error for name, error in found.items() if not error < TOLERANCE}
    assert not wrong, onnx.printer.to_text(model)


#: Every constant here has an axis that loses channels.
JOINED = """g (float[2,4,4,4] x) => (float[2,3] y) {
    a = Conv<pads=[1,1,1,1]>(x, w1, b1)  n = BatchNormalization(a, s, b, m, v)  r = Sigmoid(n)
    d = Conv<group=8, pads=[1,1,1,1]>(r, w2)  e = Conv(x, w3)  f = Concat<axis=1>(d, e)
    h = Conv<group=2>(f, w4)  i = Sigmoid(h)  j = Flatten(i)  y = MatMul(j, w5) }"""
WEIGHTS: dict[str, Weight] = {
    "w1": (8, 4, 3, 3),
    "b1": (8,),
    **norm(8),
    "w2": (8, 1, 3, 3),
    "w3": (4, 4, 1, 1),
    "w4": (8, 6, 1, 1),
    "w5": (128, 3),
}


def rolled(analysis: Analysis, slot: Slot, axis: int) -> Analysis:
    """The analysis with the ids along one axis of one constant moved by one place."""
    axes = list(slot.axes)
    axes[axis] = np.roll(axes[axis], 1)
    wrong = replace(slot, axes=tuple(axes))
    slots = tuple(wrong if one is slot else one for one in analysis.slots)
    return replace(analysis, slots=slots, slot_of={use: one for one in slots for use in one.uses})


def test_wrong_indices_are_seen(runtime: Runtime) -> None:
    """A removal that slices one constant at other places runs, and is not the masked original."""
    model, seen = build(JOINED, WEIGHTS), set()
    for place, slot in enumerate(analysis_of(model, runtime).slots):
        for axis in [axis for axis, ids in enumerate(slot.axes) if ids is not None]:
            analysis = analysis_of(model, runtime)
            kept = without_first(analysis)
            keep = kept[analysis.slots[place].axes[axis]]
            if np.array_equal(keep, np.roll(keep, 1)):
                continue

            def edit(found: Analysis, kept: Kept, place: int = place, axis: int = axis) -> Graph:
                return removed(rolled(found, found.slots[place], axis), kept)

            assert max(errors(analysis, kept, runtime, STATIC, edit=edit).values()) > 1e-2, (slot.name, axis)
            seen.add(slot.name)
    assert seen == set(WEIGHTS)


def without_first(analysis: Analysis) -> Kept:
    """Without the first unit of every group."""
    return analysis.kept_without(np.concatenate([group.units[:1] for group in analysis.groups]))
