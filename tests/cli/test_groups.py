"""`graphmorph groups`: of files and of torch modules, as text and as JSON, sorted and filtered."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import graphmorph
from graphmorph.cli.main import run
from tests.cli import channel_models

FACTORY = """
from torch import nn

def build(width=6):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return channel_models.classifier(tmp_path / "model.onnx")


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(["groups", *arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_text(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["groups", str(model)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"{model} 4,154 parameters, 152 k multiply-adds" in lines
    # A unit of a: 3 x 3 x 3 weights, a bias and 24 x 3 x 3 readers; of c: 16 x 3 x 3 weights and 10 readers.
    assert "a 16 1 3 244 (5.87 %) 9,504 (6.24 %)" in lines
    assert "c 24 1 2 154 (3.71 %) 5,194 (3.41 %)" in lines
    assert "1 output y its shape is part of what the model promises y (10)" in lines
    assert list(tmp_path.iterdir()) == [model]


def test_json_is_that_of_the_engine(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, str(model), "--sort", "graph")
    assert found == json.loads(json.dumps(graphmorph.channel_groups(model).to_json()))
    first, _ = found["groups"]
    assert [(member["constant"], member["axis"]) for member in first["members"]] == [("w1", 0), ("b1", 0), ("w2", 1)]


@pytest.mark.parametrize(
    ("sort", "names"),
    [("parameters", ["a", "c"]), ("multiply-adds", ["a", "c"]), ("units", ["c", "a"]), ("graph", ["a", "c"])],
)
def test_sorting(sort: str, names: list[str], model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [group["name"] for group in listed(capsys, str(model), "--sort", sort)["groups"]] == names


@pytest.mark.parametrize(
    ("glob", "names", "walls"), [("a", ["a"], []), ("w2", ["a", "c"], []), ("y", ["c"], ["y"]), ("b*", ["a"], [])]
)
def test_filtering(
    glob: str, names: list[str], walls: list[str], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = listed(capsys, str(model), "--match", glob)
    assert [group["name"] for group in found["groups"]] == names
    assert [wall["node"] for wall in found["walls"]] == walls


def test_a_filter_that_nothing_passes(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["groups", str(model), "--match", "head*"]) == 2
    assert "--match head*: no group and no wall" in capsys.readouterr().err


def test_verbose_lists_members_choices_and_walls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = channel_models.grouped(tmp_path / "model.onnx")
    assert run(["groups", str(model)]) == 0
    assert "choices 1 site" in " ".join(capsys.readouterr().out.split())
    assert run(["groups", str(model), "--verbose"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Conv b: a grouped convolution; the same channels of every group" in text
    assert "w1 axis 0, first unit at 0, 4, 8, 12; read by a" in text
    assert "a 4 units of 4 channels" in text
    assert "Conv y (2): output y: its shape is part of what the model promises" in text


def test_a_model_of_walls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["groups", str(channel_models.walled(tmp_path / "model.onnx"))]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "no groups every layer must keep its channels" in text
    assert "must stay whole 1 layer" in text


def test_a_torch_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "nets.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = listed(capsys, "nets:build", "--factory-arg", "width=5", "--input", "1x3x8x8", "--sort", "graph")
    assert [(group["name"], group["units"]) for group in found["groups"]] == [("0", 5), ("2", 4)]
    assert found["model"] == "Sequential"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.onnx", "--input", "1x3x8x8"], "--input: for torch modules"),
        (["nets:build", "--shape", "x:1,3,8,8"], "--shape: for ONNX files"),
        (["nowhere.onnx"], "nowhere.onnx: cannot be read: No such file"),
        (["no_such_package:build"], "there is no Python module no_such_package"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["groups", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_a_file_named_like_a_factory_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    channel_models.walled(Path("model:onnx"))
    assert listed(capsys, "model:onnx")["groups"] == []
