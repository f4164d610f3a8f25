"""Random models lose random channels, and are the masked original in every tensor. Wrong indices are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.elements import Axes
from graphmorph.graph import Graph
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import analysis_of, errors, random_subset, removed
from tests.graphmorph.channels.random_graphs import models

TOLERANCE = 1e-4
STATIC, LARGER = {"x": (2, 4, 4, 4)}, {"x": (3, 4, 6, 8)}


def is_free(model: onnx.ModelProto) -> bool:
    return any(size.dim_param for size in model.graph.input[0].type.tensor_type.shape.dim)


@settings(max_examples=60)
@given(model=models(), seed=st.integers(0, 2**16))
def test_every_tensor_is_that_of_the_masked_original(model: onnx.ModelProto, seed: int, runtime: Runtime) -> None:
    analysis = analysis_of(model, runtime)
    kept = random_subset(analysis, seed)
    event(f"{len(analysis.groups)} groups")
    found = errors(analysis, kept, runtime, *((STATIC, LARGER) if is_free(model) else (STATIC,)))
    wrong = {name: error for name, error in found.items() if not error < TOLERANCE}
    assert not wrong, onnx.printer.to_text(model)
