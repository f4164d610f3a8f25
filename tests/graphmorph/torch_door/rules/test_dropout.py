"""Dropout of channels and of samples: nothing in evaluation, and no ONNX in training."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
from torch import nn

from graphmorph.torch_door import materialise, trace
from tests.graphmorph.torch_door.lowering_check import check_lowering, opaque_reasons
from tests.graphmorph.torch_door.programs import images, program


def test_dropout_of_channels_is_nothing_in_evaluation() -> None:
    graph = check_lowering(program(lambda m, x: m.drop(x) * 2, drop=nn.Dropout2d(0.5)), images())
    assert [node.op for node in graph.nodes] == ["Identity", "Mul"]


needs_torchvision = pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="needs torchvision")


def deep(p: float = 0.5) -> Any:
    from torchvision.ops import StochasticDepth

    return program(lambda m, x: m.drop(m.conv(x)) + x, conv=nn.Conv2d(4, 4, 1), drop=StochasticDepth(p, "row"))


@needs_torchvision
def test_stochastic_depth_is_nothing_in_evaluation_and_stays_what_it_is_for_training() -> None:
    module = deep(1.0)
    graph = check_lowering(module, images())
    assert [node.op for node in graph.nodes] == ["Conv", "Identity", "Add"]
    again = materialise(graph).train()
    assert torch.equal(again(images()), images())


@needs_torchvision
def test_stochastic_depth_is_opaque_in_training() -> None:
    assert opaque_reasons(trace(deep().train(), images())) == ["dropout of whole samples in training"]
    assert opaque_reasons(trace(deep(0.0).train(), images())) == []
