"""`graphmorph export` from a factory to a file: what is written, what is printed, and the exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import pytest
import torch

from graphmorph.cli.main import run
from graphmorph.torch_door import exporters
from tests.graphmorph.torch_door.exportable import off_by_a_little
from tests.graphmorph.wrong_passes import WrongFold, install

FACTORIES = """
import torch
from torch import nn

def build(width=4, activation="ReLU"):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), getattr(nn, activation)())

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 4)

    def forward(self, ids, scale):
        return {"rows": self.embedding(ids) * scale}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module of factories in it."""
    (tmp_path / "factories.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "factories", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def exported(*arguments: str) -> int:
    return run(["export", *arguments, "-o", "out.onnx", "--exporter", "legacy"])


def test_a_factory_becomes_a_deployed_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--factory-arg", "width=6", "--factory-arg", "activation=Tanh", "--input", "1x3x8x8")
    assert exported("factories:build", *arguments, "--dynamic-batch", "-v") == 0
    graph = onnx.load(folder / "out.onnx").graph
    assert [node.op_type for node in graph.node] == ["Conv", "Tanh"]
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert "Sequential torch's legacy exporter, opset" in text
    assert "input input float batch x 3 x 8 x 8" in text
    assert "output output float batch x 6 x 6 x 6" in text
    assert "batch normalizations 1 0" in text
    assert "fusing fold-batchnorm 1" in text
    assert "original and fused module: equal; original module and file: equal" in text
    assert "training mode: a copy in evaluation mode was exported" in text
    assert "wrote out.onnx" in text
    assert shown.err == ""


def test_inputs_by_name_names_axes_and_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = ("--input", "scale=1", "--input", "ids=2x5:int64", "--dynamic", "ids:1=length")
    assert exported("factories:Words", *inputs, "--output-name", "y", "--json", "-", "--opset", "16") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["exit_code"], report["opset"]) == (0, 16)
    assert [port["name"] for port in report["inputs"]] == ["ids", "scale"]
    assert report["inputs"][0]["shape"] == [2, "length"]
    assert report["outputs"][0]["name"] == "y"
    assert report["proof"]["verdict"] == "equal"
    assert report["files"] == ["out.onnx"]


def test_weights(folder: Path) -> None:
    words = torch.nn.Embedding(8, 4).state_dict(prefix="embedding.")
    torch.save({"state_dict": words}, "words.pt")
    assert exported("factories:Words", "--input", "2x5:int64", "--input", "1", "--weights", "words.pt", "-q") == 0
    (weights,) = (w for w in onnx.load(folder / "out.onnx").graph.initializer if list(w.dims) == [8, 4])
    assert weights.raw_data == words["embedding.weight"].numpy().tobytes()


def test_without_sizes_the_usual_ones_are_tried_and_layers_can_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert exported("factories:build", "--no-fuse", "--no-verify") == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "2 x 3 x 224 x 224" in text
    assert "fusing not fused in torch" in text
    assert "batch normalizations 1 1" in text
    assert "proving not asked for" in text


def test_a_difference_writes_nothing_and_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporters, "_export_legacy", off_by_a_little(exporters._export_legacy))
    assert exported("factories:build", "--input", "1x3x8x8", "--json", "report.json") == 1
    assert sorted(file.name for file in folder.iterdir()) == ["factories.py", "report.json"]
    report = json.loads((folder / "report.json").read_text())
    assert (report["exit_code"], report["failed_step"], report["files"]) == (1, "exporter", [])
    shown = capsys.readouterr()
    assert "proof different" in " ".join(shown.out.split())
    assert shown.err.startswith("graphmorph: error: the file that torch exported computes something else")
    assert shown.err.count("\n") == 1


def test_a_wrong_rewrite_is_rolled_back_and_ends_with_1(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, WrongFold, wrong=("1",))
    assert exported("factories:build", "--input", "1x3x8x8", "--no-cleanup", "--keep", "none") == 1
    assert "BatchNormalization" in [node.op_type for node in onnx.load(folder / "out.onnx").graph.node]
    shown = capsys.readouterr()
    assert "rolled back" in shown.out
    assert shown.err == (
        "graphmorph: error: the proof failed until 1 rewrite had been rolled back: fold-batchnorm at 1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("factories:build", "--input", "3y4"), "is not of the form [NAME=]1x3x224x224[:int64]"),
        (("factories:build", "--input", "3x4:int128"), "element types are float32"),
        (("factories:build", "--input", "x=3", "--input", "x=3"), "two inputs for 'x'"),
        (("factories:build", "--input", "y=1x3x8x8"), "--input does not fit Sequential.forward"),
        (("factories:build", "--dynamic", "x=0"), "is not of the form NAME:AXIS=SYMBOL"),
        (("factories:build", "--dynamic", "x:0=n"), "there is no input x; there are input"),
        (("factories:build", "--factory-arg", "4"), "is not of the form KEY=VALUE"),
        (("factories:Words",), "Words.forward takes 2 tensors"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: tuple[str, ...], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(*arguments) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert sorted(file.name for file in folder.iterdir()) == ["factories.py"]


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--help"]) == 0
    text = capsys.readouterr().out
    for option in (
        "--factory-arg",
        "--weights",
        "--input",
        "--dynamic-batch",
        "--exporter",
        "--no-fuse",
        "--leaf-module",
    ):
        assert option in text
