"""`export` from a module to a file: what is written, what it is proven against, and how it fails."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import graphmorph
from graphmorph import export_job
from graphmorph.errors import GraphmorphError, RollbackWarning, UsageError, VerificationError
from graphmorph.export_report import ExportError
from graphmorph.models.blocks import SMALL_BLOCKS
from graphmorph.models.example.train import build
from graphmorph.models.randomise import randomise
from graphmorph.torch_door import exporters
from tests.graphmorph.torch_door.exportable import (
    Deciding,
    FixedBatch,
    Rolling,
    Several,
    Unknown,
    Untraceable,
    off_by_a_little,
    stack,
)
from tests.graphmorph.wrong_passes import WrongCleanUp, WrongFold, install

IMAGES = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def ran(path: Path, *tensors: Tensor) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feeds = {port.name: tensor.numpy() for port, tensor in zip(session.get_inputs(), tensors, strict=True)}
    outputs: list[np.ndarray] = session.run(None, feeds)
    return outputs


def assert_runs_like(module: nn.Module, path: Path, *tensors: Tensor) -> None:
    with torch.no_grad():
        expected = module.eval()(*tensors).numpy()
    np.testing.assert_allclose(ran(path, *tensors)[0], expected, rtol=1e-4, atol=1e-4 * float(np.abs(expected).max()))


def conv_norm(example: Tensor = IMAGES) -> nn.Sequential:
    return stack(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), example=example)


@pytest.mark.parametrize("exporter", exporters.EXPORTERS)
def test_a_training_model_becomes_a_deployed_file(exporter: Any, path: Path) -> None:
    module = randomise(build(width=4), 0, torch.randn(8, 1, 8, 8)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    result = graphmorph.export(module, path, torch.randn(1, 1, 8, 8), dynamic_batch=True, exporter=exporter)
    assert result.ok
    assert result.exit_code == 0
    assert result.path == path
    report = result.report
    assert operators(path).count("Conv") == 4
    assert "BatchNormalization" not in operators(path)
    assert (report.before.convolutions, report.after.convolutions) == (12, 4)
    assert report.proof is not None
    assert report.proof.verdict == "equal"
    assert {case.shapes["input"][0] for case in report.proof.cases} == {1, 2}
    assert all(case.as_deployed for case in report.proof.cases)
    assert report.fusion is not None
    assert report.fusion.proof is not None
    assert report.fusion.proof.verdict == "equal"
    assert report.inputs[0].shape == ("batch", 1, 8, 8)
    assert report.files == [str(path)]
    assert report.notes == ["the module was in training mode: a copy in evaluation mode was exported"]
    assert all(one.training for one in module.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert_runs_like(module, path, torch.randn(7, 1, 8, 8))
    assert list(path.parent.iterdir()) == [path]


def test_a_block_of_16_bit_floats(path: Path) -> None:
    block = SMALL_BLOCKS["repvgg"]()
    report = graphmorph.export(block.module.half(), path, block.example.half(), exporter="legacy").report
    assert operators(path) == ["Conv", "Relu"]
    assert report.outputs[0].dtype == "float16"
    assert report.proof is not None
    assert report.proof.verdict == "equal"


@pytest.mark.parametrize("exporter", exporters.EXPORTERS)
def test_nested_inputs_and_outputs(exporter: Any, path: Path) -> None:
    module, example = Several().eval(), Several.example()
    report = graphmorph.export(module, path, example, dynamic_batch=True, exporter=exporter).report
    assert [port.name for port in report.inputs] == ["x", "pair_rows", "pair_ids"]
    assert [port.dtype for port in report.inputs] == ["float", "float", "int64"]
    assert [port.name for port in report.outputs] == ["maps", "both_0", "both_1", "x_output"]
    assert report.notes == ["1 returned value(s) that are no tensors are left out of the file: [3]"]
    rows, ids = torch.randn(5, 5), torch.tensor([0, 1, 2, 3, 4])
    expected = module(torch.ones(5, 3, 6, 6), {"rows": rows, "ids": ids}, 0.5)
    got = ran(path, torch.ones(5, 3, 6, 6), rows, ids)
    assert np.allclose(got[0], expected["maps"].detach(), atol=1e-5)
    assert np.allclose(got[2], expected["both"][1].detach(), atol=1e-5)


def test_names_and_free_axes(path: Path) -> None:
    report = graphmorph.export(
        conv_norm(),
        path,
        {"input": IMAGES},
        dynamic_shapes={"input": {0: "n", -1: "width"}},
        input_names=["image"],
        output_names=["features"],
        opset=17,
        exporter="legacy",
    ).report
    assert report.opset == 17
    assert (report.inputs[0].name, report.inputs[0].shape) == ("image", ("n", 3, 6, "width"))
    assert report.outputs[0].name == "features"
    assert report.proof is not None
    assert [case.shapes["image"] for case in report.proof.cases] == [
        (2, 3, 6, 6),
        (2, 3, 6, 6),
        (3, 3, 6, 6),
        (2, 3, 6, 7),
        (3, 3, 6, 7),
        (1, 3, 6, 6),
    ]


def test_usual_sizes_are_tried(path: Path) -> None:
    report = graphmorph.export(nn.Linear(5, 2).eval(), path, exporter="legacy").report
    assert report.inputs[0].shape == (2, 5)


def test_what_cannot_be_traced_is_fused_in_the_file(path: Path) -> None:
    module = randomise(Untraceable(), 0, IMAGES)
    report = graphmorph.export(module, path, IMAGES, dynamic_batch=True, exporter="legacy", keep=["none"]).report
    assert report.fusion is None
    assert operators(path) == ["Conv"]
    assert report.exported.batchnorms == 1
    assert report.notes[0].startswith(
        "not fused in torch, but in the file: Untraceable cannot be traced: at exportable.py"
    )
    assert "exportable.py" in report.notes[1]
    assert "values for constants" in report.notes[1]


class Nested(nn.Module):
    """Blocks in a container: conv and norm of each have paths of three parts."""

    def __init__(self) -> None:
        super().__init__()
        channels = [(3, 4), (4, 4)]
        self.blocks = nn.Sequential(*(nn.Sequential(nn.Conv2d(*n, 1), nn.BatchNorm2d(n[1])) for n in channels))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.blocks(x)
        return result


@pytest.mark.parametrize("exporter", exporters.EXPORTERS)
def test_nested_layers_can_be_kept(exporter: Any, path: Path) -> None:
    module = randomise(Nested(), 0, IMAGES)
    graphmorph.export(module, path, IMAGES, exporter=exporter, keep=["blocks.0.*"])
    assert operators(path) == ["Conv", "BatchNormalization", "Conv"]


def test_layers_can_be_kept(path: Path) -> None:
    module = stack(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), example=IMAGES)
    graphmorph.export(module, path, IMAGES, exporter="legacy", keep=["1"])
    assert operators(path) == ["Conv", "BatchNormalization", "Conv"]
    graphmorph.export(module, path, IMAGES, exporter="legacy", fuse=False)
    assert operators(path) == ["Conv", "BatchNormalization", "Conv", "BatchNormalization"]


def test_the_file_as_exported(path: Path) -> None:
    report = graphmorph.export(conv_norm(), path, IMAGES, exporter="legacy", cleanup=False, fuse=False).report
    assert report.passes == []
    assert "BatchNormalization" in operators(path)


def test_weights_beside(path: Path) -> None:
    report = graphmorph.export(nn.Linear(64, 64).eval(), path, exporter="legacy", external_data=True).report
    assert sorted(Path(file).name for file in report.files) == ["model.onnx", "model.onnx.data"]


def test_the_report_is_plain_json(path: Path) -> None:
    report = graphmorph.export(conv_norm(), path, IMAGES, exporter="legacy").report
    document = json.loads(json.dumps(report.to_json()))
    assert document["proof"]["verdict"] == "equal"
    assert document["fusion"]["proof"]["verdict"] == "equal"
    assert list(document["seconds"]) == ["fusing", "exporting", "cleaning up", "proving"]


def test_progress_names_the_steps(path: Path) -> None:
    seen: list[str] = []
    graphmorph.export(
        conv_norm(), path, IMAGES, exporter="legacy", progress=lambda what, done, total: seen.append(what)
    )
    assert [what for what in dict.fromkeys(seen) if what in export_job.STEPS] == list(export_job.STEPS)


def test_operators_that_onnxruntime_has_not(path: Path) -> None:
    module, example = conv_norm().double(), IMAGES.double()
    with pytest.raises(GraphmorphError, match=r"could not be proven: onnxruntime does not load .* verify=False"):
        graphmorph.export(module, path, example, exporter="legacy")
    assert list(path.parent.iterdir()) == []
    report = graphmorph.export(module, path, example, exporter="legacy", verify=False).report
    assert report.proof is None
    assert "checked by onnx.checker only" in report.notes[-1]
    assert operators(path) == ["Conv", "Relu"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exporter": "paddle"}, "choose one of dynamo, legacy"),
        ({"samples": 0}, "at least 1"),
        ({"path": "."}, "is a folder"),
        ({"path": "nowhere/model.onnx"}, "there is no folder"),
        ({"input_names": ["a", "b"]}, "2 given for 1"),
        ({"input_names": ["x"], "output_names": ["x"]}, "'x' is empty or there already"),
        ({"dynamic_shapes": {"y": {0: "batch"}}}, "there is no input y; there are input"),
        ({"dynamic_shapes": {"input": {4: "batch"}}}, "there is no axis 4"),
        ({"example_inputs": (IMAGES, IMAGES)}, "do not fit Sequential.forward"),
        ({"example_inputs": torch.randn(2, 5, 6, 6)}, "does not run on the example inputs"),
        ({"module": nn.ReLU}, "type is no torch module"),
    ],
)
def test_usage_errors(change: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = {"module": conv_norm(), "path": "model.onnx", "example_inputs": IMAGES, "exporter": "legacy", **change}
    with pytest.raises(UsageError, match=message):
        graphmorph.export(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_compiled_module_cannot_be_exported(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, as of the exporter for it
        scripted = torch.jit.trace(nn.ReLU(), IMAGES)
    with pytest.raises(UsageError, match="is no torch module written in Python"):
        graphmorph.export(scripted, path, IMAGES)


def test_the_exporters_reason(path: Path) -> None:
    with pytest.raises(
        GraphmorphError, match=r"legacy exporter cannot export Unknown: .*linalg_eigvals.*Nothing was wri"
    ):
        graphmorph.export(Unknown(), path, torch.randn(2, 3, 3), exporter="legacy")
    assert list(path.parent.iterdir()) == []


def test_an_opset_that_the_exporter_does_not_reach(path: Path) -> None:
    with pytest.raises(GraphmorphError, match="wrote opset 18 instead of 13"):
        graphmorph.export(conv_norm(), path, IMAGES, opset=13)
    assert list(path.parent.iterdir()) == []


def test_a_decision_that_tracing_froze_is_caught(path: Path) -> None:
    with pytest.raises(VerificationError, match="the file that torch exported computes something else"):
        graphmorph.export(Deciding(), path, torch.ones(2, 4), exporter="legacy")
    assert list(path.parent.iterdir()) == []


def test_a_random_module_is_not_judged(path: Path) -> None:
    with pytest.raises(GraphmorphError, match="random in evaluation mode too") as caught:
        graphmorph.export(Rolling(), path, torch.ones(2, 4), exporter="legacy", fuse=False)
    assert caught.value.exit_code == 2
    assert list(path.parent.iterdir()) == []


def test_a_batch_that_is_not_free(path: Path) -> None:
    with pytest.raises(GraphmorphError, match="batch was to be free, but the module itself runs at no other size"):
        graphmorph.export(FixedBatch(), path, torch.ones(2, 4), dynamic_batch=True, exporter="legacy")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("module", [conv_norm(), Untraceable().eval()])
def test_a_wrong_exporter_is_caught(module: nn.Module, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("as it was")
    monkeypatch.setattr(exporters, "_export_legacy", off_by_a_little(exporters._export_legacy))
    with pytest.raises(ExportError, match=r"computes something else than the module: output output") as caught:
        graphmorph.export(module, path, IMAGES, exporter="legacy")
    assert caught.value.exit_code == 1
    assert caught.value.report.failed_step == "exporter"
    assert caught.value.report.proof is not None
    assert caught.value.report.proof.verdict == "different"
    assert path.read_text() == "as it was"
    assert list(path.parent.iterdir()) == [path]


def test_a_wrong_clean_up_is_caught(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, WrongCleanUp)
    module = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 36)), nn.Softmax(1)).eval()
    module.register_forward_hook(lambda module, inputs, output: output * torch.ones(()).add(torch.ones(())))
    with pytest.raises(ExportError, match=r"after clean-up: .*cleanup=False") as caught:
        graphmorph.export(module, path, IMAGES, exporter="legacy", fuse=False)
    assert caught.value.report.failed_step == "clean-up"
    assert list(path.parent.iterdir()) == []


def test_a_wrong_fusion_is_caught(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = export_job.rewrite_module

    def wrong(*arguments: Any) -> Any:
        fused = right(*arguments)
        with torch.no_grad():
            next(fused.parameters())[0] *= 1.001
        return fused

    monkeypatch.setattr(export_job, "rewrite_module", wrong)
    with pytest.raises(ExportError, match=r"fused in torch computes something else: .*fuse=False") as caught:
        graphmorph.export(conv_norm(), path, IMAGES, exporter="legacy")
    assert caught.value.report.failed_step == "torch fusion"
    assert list(path.parent.iterdir()) == []


def test_a_rewrite_that_was_rolled_back_is_a_failure_status(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = conv_norm()
    root = graphmorph.fuse(module, IMAGES).report.rewrites[0].root
    install(monkeypatch, WrongFold, wrong=(root,))
    with pytest.warns(RollbackWarning, match=root):
        result = graphmorph.export(module, path, IMAGES, exporter="legacy", keep=["none"], cleanup=False)
    assert result.exit_code == 1
    assert not result.ok
    assert "BatchNormalization" in operators(path)
    assert_runs_like(module, path, IMAGES)
