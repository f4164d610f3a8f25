"""torch's exporters as they are called here: quiet, flat, and with their reasons in one line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from graphmorph.errors import GraphmorphError
from graphmorph.torch_door.exporters import EXPORTERS, SCOPES, ExportedFile, Exporter, ExportSettings, export_file
from graphmorph.torch_door.flat_module import interface_of
from graphmorph.torch_door.free_axes import free_axes
from tests.graphmorph.torch_door.exportable import Deciding, Unknown, stack

X = torch.randn(1, 3, 6, 6)


def layers() -> nn.Sequential:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return stack(inner, nn.ReLU(), example=torch.randn(4, 3, 6, 6))


def exported(
    module: nn.Module, folder: Path, inputs: Mapping[str, Any], *, dynamic_batch: bool = False, **settings: Any
) -> ExportedFile:
    module.eval()
    interface = interface_of(module, inputs)
    free = free_axes(interface, dynamic_batch=dynamic_batch, dynamic_shapes=None)
    return export_file(module, interface, free, folder / "model.onnx", ExportSettings(**settings))


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_the_exporters_say_nothing(exporter: Exporter, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exported(layers(), tmp_path, {"input": X}, exporter=exporter)
    with pytest.raises(GraphmorphError):
        exported(Unknown(), tmp_path, {"x": torch.randn(2, 3, 3)}, exporter=exporter)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("optimise", [True, False])
def test_normalisations_are_kept_on_demand(exporter: Exporter, optimise: bool, tmp_path: Path) -> None:
    file = exported(layers(), tmp_path, {"input": X}, exporter=exporter, optimise=optimise)
    operators = {node.op_type: node.name for node in onnx.load(file.path).graph.node}
    assert ("BatchNormalization" in operators) is not optimise
    if not optimise:
        assert file.scopes[operators["BatchNormalization"]] == "0.1"
        assert file.scopes[operators["Conv"]] == "0.0"


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_weights_keep_their_names_and_a_batch_of_one_is_free(exporter: Exporter, tmp_path: Path) -> None:
    file = exported(layers(), tmp_path, {"input": X}, exporter=exporter, optimise=False, dynamic_batch=True)
    graph = onnx.load(file.path).graph
    assert {"0.0.weight", "0.1.running_mean"} <= {weights.name for weights in graph.initializer}
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("lean", [True, False])
def test_source_code_stays_at_home(lean: bool, tmp_path: Path) -> None:
    file = exported(layers(), tmp_path, {"input": X}, lean=lean)
    assert (b"stack_trace" in file.path.read_bytes()) is not lean
    assert (b"FlatModule" in file.path.read_bytes()) is not lean
    assert SCOPES.encode() in file.path.read_bytes()


def test_opset(tmp_path: Path) -> None:
    file = exported(layers(), tmp_path, {"input": X}, exporter="legacy", opset=15)
    assert onnx.load(file.path).opset_import[0].version == 15


def test_decisions_are_noticed(tmp_path: Path) -> None:
    file = exported(Deciding(), tmp_path, {"x": torch.ones(2, 2)}, exporter="legacy")
    (line,) = file.frozen
    assert line.startswith("exportable.py:")
    assert exported(layers(), tmp_path, {"input": X}, exporter="legacy").frozen == ()


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        (Deciding(), {}, r"dynamo exporter cannot export Deciding: at exportable.py:\d+ in forward: `return x \+ 1 if"),
        (Unknown(), {}, r"DispatchError: No ONNX function found .*\. Nothing was written; exporter='legacy' traces"),
        (Unknown(), {"exporter": "legacy"}, r"linalg_eigvals.*; exporter='dynamo' knows more operators"),
        (nn.ReLU(), {"exporter": "legacy", "opset": 99}, r"Unsupported onnx_opset_version: 99.*another opset than 99"),
    ],
)
def test_reasons_and_advice(module: nn.Module, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    name = "input" if isinstance(module, nn.ReLU) else "x"
    with pytest.raises(GraphmorphError, match=message) as caught:
        exported(module, tmp_path, {name: torch.randn(2, 3, 3)}, **settings)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
