"""Every architecture comes back from tracing as it was, bit for bit, and its graph computes in ONNX what torch computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from graphmorph.models.randomise import randomise
from graphmorph.models.small_catalogue import SMALL_ARCHITECTURES
from tests.graphmorph.torch_door.identity_law import check_identity
from tests.graphmorph.torch_door.lowering_check import check_lowering

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*branches on self.training:graphmorph.errors.TraceWarning"),
    pytest.mark.parametrize("name", SMALL_ARCHITECTURES),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this narrow run faster on one thread than on several, most of all beside other processes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    architecture = SMALL_ARCHITECTURES[name]
    x = architecture.example_inputs()
    module = randomise(architecture.build(), 1, x)
    with torch.no_grad():
        assert float(module(x).std()) > 0
    return module, x


def test_identity_in_training_and_evaluation(name: str) -> None:
    check_identity(*built(name))


def test_lowering(name: str) -> None:
    graph = check_lowering(*built(name))
    assert {tensor.shape[0] for tensor in (*graph.inputs, *graph.outputs)} == {"batch"}
