"""`graphmorph verify`: exit codes, the printed verdict, and its files."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphmorph.cli.main import run
from tests.cli import small_models


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return small_models.training_form(tmp_path / "reference.onnx")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    return small_models.training_form(tmp_path / "broken.onnx", broken=True)


def test_equal(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(reference), str(reference)]) == 0
    shown = capsys.readouterr()
    assert "proof equal" in " ".join(shown.out.split())
    assert "as deployed" in shown.out
    assert shown.err == ""


def test_different(reference: Path, broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(reference), str(broken)]) == 1
    shown = capsys.readouterr()
    assert "proof different" in " ".join(shown.out.split())
    assert "the models part at square" in shown.out
    assert shown.err.startswith("graphmorph: error: output y, as written")
    assert shown.err.count("\n") == 1


def test_a_tolerance_that_passes(reference: Path, broken: Path) -> None:
    assert run(["verify", str(reference), str(broken), "--quiet", "--atol", "10"]) == 0


def test_different_inputs_are_inconclusive(reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = small_models.training_form(tmp_path / "other.onnx", size=9)
    assert run(["verify", str(reference), str(other)]) != 0
    assert capsys.readouterr().err.count("\n") == 1


def test_json_on_stdout(reference: Path, broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(reference), str(broken), "--json", "-"]) == 1
    proof = json.loads(capsys.readouterr().out)
    assert proof["exit_code"] == 1
    assert proof["verdict"] == "different"
    assert proof["first_difference"] == "square"


def test_junit(reference: Path, broken: Path, tmp_path: Path) -> None:
    file = tmp_path / "proof.xml"
    assert run(["verify", str(reference), str(broken), "--quiet", "--junit", str(file)]) == 1
    (suite,) = ElementTree.parse(file).getroot()
    assert int(suite.get("failures", "0")) > 0


def test_float64(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(reference), str(reference), "--float64"]) == 0
    assert "against float64" in capsys.readouterr().out


def test_an_input_that_does_not_exist(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(reference), str(reference), "--shape", "z:1,2"]) == 2
    assert "z" in capsys.readouterr().err


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_file_is_named(index: int, reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(reference), str(reference)]
    files[index] = "missing.onnx"
    assert run(["verify", *files]) == 2
    line = capsys.readouterr().err
    assert "missing.onnx" in line
    assert line.count("\n") == 1
