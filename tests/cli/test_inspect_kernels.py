"""`graphmorph inspect --kernels`: as text, as JSON and as a heat map."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import onnx
import pytest
from rich.console import Console

import graphmorph
from graphmorph.cli.main import run
from graphmorph.cli.render_kernels import render_kernels
from tests.cli import small_models
from tests.passes.text_models import build


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_models.training_form(tmp_path / "model.onnx")


def test_text(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--kernels", "--verbose"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    (average,) = graphmorph.inspect_kernels(model).sizes
    assert "3 x 3 kernels 1 layer" in text
    for row in average.matrix:
        assert " ".join(f"{value:.3f}" for value in row) in text
    assert f"average {average.skeleton:.3f} {average.corner:.3f}" in text
    assert f"4 x 4 x 3 x 3 {average.skeleton:.3f} {average.corner:.3f}" in text
    assert list(tmp_path.iterdir()) == [model]


def test_what_is_left_out_is_said(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--kernels", "--skip", "fuse-branches,fold-batchnorm"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "left alone 1 site" in text
    assert "its 1 x 1 kernel has one position conv1" in text
    assert "are not in the numbers: 2" in text


def test_heavier_positions_are_darker(model: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system="truecolor", width=100)
    console.print(render_kernels("m", graphmorph.inspect_kernels(model)))
    assert "48;2;8;48;107m 1.000 " in shown.getvalue()


def test_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--kernels", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == str(model)
    assert document["kernels"] == graphmorph.inspect_kernels(model).to_json()
    assert max(max(row) for row in document["kernels"]["sizes"][0]["matrix"]) == 1


@pytest.mark.parametrize(("name", "start"), [("map.png", b"\x89PNG"), ("map.svg", b"<?xml")])
def test_plot(model: Path, tmp_path: Path, name: str, start: bytes) -> None:
    assert run(["inspect", str(model), "--kernels", "--plot", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_plot_without_matplotlib(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(["inspect", str(model), "--kernels", "--plot", str(tmp_path / "map.png")]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "graphmorph: error: plots need matplotlib: pip install 'graphmorph[report]'\n"


def test_a_plot_is_one_of_kernels(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(model), "--plot", "map.png"]) == 2
    assert "--plot draws what --kernels shows: give both" in capsys.readouterr().err


def test_a_model_without_square_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.onnx"
    onnx.save(build("g (float[N,4,8,8] x) => (float[N,4,8,8] y) { y = Relu(x) }"), model)
    assert run(["inspect", str(model), "--kernels"]) == 0
    assert "no square kernels" in capsys.readouterr().out
    assert run(["inspect", str(model), "--kernels", "--plot", str(tmp_path / "map.png")]) == 2
    assert "there is no square kernel to draw" in capsys.readouterr().err
    assert not (tmp_path / "map.png").exists()
