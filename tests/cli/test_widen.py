"""`graphmorph widen` and `graphmorph merge` from file to file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from graphmorph.cli.main import run
from tests.passes.test_insert_channels import PLAIN, PLAIN_WEIGHTS
from tests.passes.text_models import build


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(build(PLAIN, PLAIN_WEIGHTS), path)
    return path


def sizes(path: Path) -> dict[str, tuple[int, ...]]:
    return {one.name: tuple(one.dims) for one in onnx.load(path).graph.initializer}


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_a_wider_model_is_proven_and_written(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["widen", str(model), "--fraction", "0.5"]) == 0
    text = words(capsys)
    assert "insert-channels exact 1 0" in text
    assert "proof equal" in text
    assert sizes(model.with_name("model.wider.onnx"))["w"] == (6, 3, 3, 3)


def test_units_and_weights_are_chosen(model: Path, tmp_path: Path) -> None:
    output, report = tmp_path / "out.onnx", tmp_path / "report.json"
    options = ["--unit", "a=0", "--correlation", "inverse", "--outgoing", "copy", "-o", str(output), "-q"]
    assert run(["widen", str(model), *options, "--json", str(report)]) == 0
    assert sizes(output)["w"] == (5, 3, 3, 3)
    assert json.loads(report.read_text())["proof"]["verdict"] == "different"


def test_a_unit_of_another_form_is_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["widen", str(model), "--unit", "a"]) == 2
    assert "GROUP=I" in capsys.readouterr().err


def test_what_was_widened_is_merged(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wider, merged, data = tmp_path / "wider.onnx", tmp_path / "merged.onnx", tmp_path / "data.npz"
    assert run(["widen", str(model), "--count", "1", "-o", str(wider), "-q"]) == 0
    np.savez(data, x=np.random.default_rng(0).standard_normal((16, 3, 8, 8)).astype(np.float32))
    options = ["--calibration", str(data), "--threshold", "0.9999", "-o", str(merged)]
    assert run(["merge", str(wider), *options]) == 0
    assert "merge-channels approximate 1 0" in words(capsys)
    assert sizes(merged)["w"] == sizes(model)["w"]
    assert run(["verify", str(model), str(merged), "-q"]) == 0


def test_merging_needs_data(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["merge", str(model)]) == 2
    assert "--calibration" in capsys.readouterr().err
