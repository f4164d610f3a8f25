"""Each exporter form writes a file that onnxruntime runs, normalised or not, static or dynamic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from graphmorph.models.blocks import SMALL_BLOCKS, Specimen
from graphmorph.models.export import FORMS, Form, export_onnx

NORMALISED: dict[Form, int] = {
    "dynamo": 1,  # the normalised identity has no convolution to go into
    "dynamo-unoptimized": 3,
    "dynamo-training": 3,
    "legacy": 1,
    "legacy-training": 3,
}


def run(path: Path, x: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    output: np.ndarray = session.run(["y"], {"x": x.numpy()})[0]
    return output


def assert_runs_like(module: nn.Module, path: Path, x: torch.Tensor) -> None:
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(run(path, x), expected, rtol=1e-4, atol=1e-4 * float(np.abs(expected).max()))


@pytest.fixture
def specimen() -> Specimen:
    return SMALL_BLOCKS["repvgg"]()


@pytest.mark.parametrize("form", FORMS)
def test_form(form: Form, specimen: Specimen, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = export_onnx(specimen.module, tmp_path / "block.onnx", specimen.example, form)

    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("BatchNormalization") == NORMALISED[form]
    assert operators.count("Conv") == 2
    assert_runs_like(specimen.module, path, specimen.example)
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", FORMS)
def test_dynamic_axes(form: Form, specimen: Specimen, tmp_path: Path) -> None:
    path = export_onnx(
        specimen.module,
        tmp_path / "block.onnx",
        specimen.example,
        form,
        dynamic_batch=True,
        dynamic_spatial=True,
    )

    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 8, "height", "width"]
    for shape in ((1, 8, 9, 7), (5, 8, 16, 20)):
        assert_runs_like(specimen.module, path, torch.randn(shape))


@pytest.mark.parametrize("form", FORMS)
def test_export_leaves_no_training_mode(form: Form, specimen: Specimen, tmp_path: Path) -> None:
    specimen.module.train()
    path = export_onnx(specimen.module, tmp_path / "block.onnx", specimen.example, form)

    for node in onnx.load(path).graph.node:
        if node.op_type == "BatchNormalization":
            modes = [attribute.i for attribute in node.attribute if attribute.name == "training_mode"]
            assert modes in ([], [0])
            assert len(node.output) == 1
    assert not specimen.module.training


@pytest.mark.parametrize("name", ["acb_k5_p0_s2_g1", "acb_shifted", "dbb_depthwise", "lora_sequence"])
def test_blocks_with_slices_pads_and_scatters_run(name: str, tmp_path: Path) -> None:
    block = SMALL_BLOCKS[name]()
    path = export_onnx(block.module, tmp_path / "block.onnx", block.example, "legacy-training")
    assert_runs_like(block.module, path, block.example)


def test_unknown_form(specimen: Specimen, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown exporter form 'paddle': choose one of dynamo, "):
        export_onnx(specimen.module, tmp_path / "x.onnx", specimen.example, "paddle")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
