"""`graphmorph inspect`: sizes, possible rewrites and refusals, without writing or running anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphmorph.cli.main import run
from tests.cli import small_models


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_models.training_form(tmp_path / "model.onnx")


def test_what_is_in_it_and_what_could_be_fused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "opset 17, IR version 8" in text
    assert "input x float" in text
    assert "batch x 4 x 8 x 8" in text
    assert "convolutions 2" in text
    assert "batch normalizations 2" in text
    assert "could be rewritten" in text
    assert "fuse-branches" in text
    assert list(tmp_path.iterdir()) == [model]


def test_deploy_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployed = small_models.deploy_form(tmp_path / "deployed.onnx")
    assert run(["inspect", str(deployed)]) == 0
    assert "nothing to rewrite" in capsys.readouterr().out


def test_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["batchnorms"] == 2
    assert document["inputs"] == [{"name": "x", "dtype": "float", "shape": ["batch", 4, 8, 8]}]
    assert document["rewrites"]


def test_kept_nodes_are_refused_with_a_reason(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--keep", "bn*", "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "left alone" in text
    assert "bn3 (BatchNormalization)" in text
