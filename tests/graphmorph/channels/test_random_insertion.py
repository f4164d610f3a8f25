"""Random models gain random copies, and every tensor is that of the original with its copies."""

from __future__ import annotations

import onnx
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from graphmorph.errors import RefusedError
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import analysis_of
from tests.graphmorph.channels.random_graphs import models
from tests.graphmorph.channels.test_random_removal import LARGER, STATIC, TOLERANCE, is_free
from tests.graphmorph.channels.widened import errors, random_copies


@settings(max_examples=100)
@given(model=models(), seed=st.integers(0, 2**16))
def test_every_tensor_is_that_of_the_original(model: onnx.ModelProto, seed: int, runtime: Runtime) -> None:
    insertion = random_copies(analysis_of(model, runtime, STATIC), seed)
    assume(insertion.groups)
    try:
        found = errors(insertion, runtime, *((STATIC, LARGER) if is_free(model) else (STATIC,)))
    except RefusedError as refused:
        event(f"refused: {str(refused).partition(':')[2]}")
        return
    event("widened")
    wrong = {name: error for name, error in found.items() if not error < TOLERANCE}
    assert not wrong, onnx.printer.to_text(model)
