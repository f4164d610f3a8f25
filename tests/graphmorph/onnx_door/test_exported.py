"""Models as torch exports them, with metadata, control flow and external data."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import pytest

from graphmorph.onnx_door import load, model_bytes, save, to_model

torch = pytest.importorskip("torch")


class Small(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, padding=1),
            torch.nn.BatchNorm2d(16),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 4, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Branching(torch.nn.Module):  # type: ignore[misc]
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: x - torch.ones(3, 600), (x,))


def export(module: torch.nn.Module, x: torch.Tensor, path: Path, **options: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x,), str(path), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"dynamo": False},
        {"dynamo": True, "external_data": False, "verbose": False},
        {"dynamo": True, "external_data": True, "optimize": False, "verbose": False},
    ],
    ids=["legacy", "dynamo", "dynamo-external"],
)
def test_exported_models_come_back_equal(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "model.onnx"
    export(Small(), torch.zeros(1, 3, 8, 8), path, **options)
    graph = load(path)
    save(graph, tmp_path / "out.onnx")
    assert onnx.load(tmp_path / "out.onnx") == onnx.load(path)
    small = onnx.ModelProto.FromString(model_bytes(graph))
    assert onnx.shape_inference.infer_shapes(small, strict_mode=True).graph.value_info


def test_exported_control_flow_comes_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export(Branching(), torch.zeros(3, 600), path, dynamo=True, external_data=False, verbose=False)
    assert to_model(load(path)) == onnx.load(path)
    assert any(attribute.HasField("g") for node in onnx.load(path).graph.node for attribute in node.attribute)
