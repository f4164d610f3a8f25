"""Every architecture comes back from tracing as it was, bit for bit, and its graph says in ONNX what torch computes."""

from __future__ import annotations

import pytest
import torch

from graphmorph.models.randomise import randomise
from graphmorph.models.small_catalogue import SMALL_ARCHITECTURES
from tests.graphmorph.fused import one_thread  # noqa: F401
from tests.graphmorph.torch_door.identity_law import check_training_step
from tests.graphmorph.torch_door.lowering_check import check_lowering

#: The random branches of this one cancel out: its outputs move by 1e-4 where the last bit of its inputs does.
NOISY = {"mobileone_s0": 5e-4}

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*branches on self.training:graphmorph.errors.TraceWarning"),
    pytest.mark.parametrize("name", SMALL_ARCHITECTURES),
]


def test_training_step(name: str) -> None:
    architecture = SMALL_ARCHITECTURES[name]
    torch.manual_seed(0)
    check_training_step(architecture.build().train(), architecture.example_inputs())


def test_evaluation_and_lowering(name: str) -> None:
    architecture = SMALL_ARCHITECTURES[name]
    x = architecture.example_inputs()
    module = randomise(architecture.build(), 1, x)
    graph = check_lowering(module, x, tolerance=NOISY.get(name, 2e-5))
    assert {tensor.shape[0] for tensor in (*graph.inputs, *graph.outputs)} == {"batch"}
