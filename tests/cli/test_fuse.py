"""`graphmorph fuse` from file to file: what is written, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from graphmorph.cli.main import run
from tests.cli import small_models
from tests.cli.small_models import operators

FUSED = ["Conv", "Relu"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_models.training_form(tmp_path / "model.onnx")


def test_the_result_is_written_beside_the_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = model.read_bytes()
    assert run(["fuse", str(model)]) == 0
    assert operators(model.with_name("model.fused.onnx")) == FUSED
    assert model.read_bytes() == before
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert "convolutions 2 1" in text
    assert "proof equal" in text
    assert "model.fused.onnx" in text
    assert shown.err == ""


def test_a_second_run_changes_nothing_and_says_so(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fused = model.with_name("once.onnx")
    assert run(["fuse", str(model), "-o", str(fused), "--quiet"]) == 0
    assert run(["fuse", str(fused), "-o", str(model.with_name("twice.onnx"))]) == 0
    assert "already in deploy form" in " ".join(capsys.readouterr().out.split())
    assert operators(model.with_name("twice.onnx")) == FUSED


def test_output_option(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.onnx"
    assert run(["fuse", str(model), "--output", str(target), "--quiet"]) == 0
    assert operators(target) == FUSED
    assert sorted(file.name for file in tmp_path.iterdir()) == ["elsewhere.onnx", "model.onnx"]


def test_a_folder_as_output(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run(["fuse", str(model), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert operators(tmp_path / "out" / "model.fused.onnx") == FUSED


def test_the_model_itself_is_no_output(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = model.read_bytes()
    assert run(["fuse", str(model), "-o", str(model)]) == 2
    assert "--in-place" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_in_place(model: Path, tmp_path: Path) -> None:
    assert run(["fuse", str(model), "--in-place", "--quiet"]) == 0
    assert operators(model) == FUSED
    assert list(tmp_path.iterdir()) == [model]


def test_dry_run_writes_nothing(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--dry-run"]) == 0
    assert list(tmp_path.iterdir()) == [model]
    text = " ".join(capsys.readouterr().out.split())
    assert "convolutions 2 1" in text
    assert "proof equal" in text
    assert "wrote" not in text


def test_check(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--check", "--quiet"]) == 3
    assert "is not in deploy form" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [model]
    assert run(["fuse", str(model), "--check", "--json", "-"]) == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3
    deployed = small_models.deploy_form(tmp_path / "deployed.onnx")
    assert run(["fuse", str(deployed), "--check", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_json_on_stdout_is_all_of_stdout(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 0
    assert report["after"]["convolutions"] == 1
    assert report["proof"]["verdict"] == "equal"
    assert report["files"] == [str(model.with_name("model.fused.onnx"))]


def test_json_and_junit_files(model: Path, tmp_path: Path) -> None:
    assert run(["fuse", str(model), "-q", "--json", str(tmp_path / "r.json"), "--junit", str(tmp_path / "r.xml")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["changed"] is True
    suites = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert [suite.get("failures") for suite in suites] == ["0", "0"]
    assert suites[1].get("name") == "proof"


def test_quiet_prints_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (
            ["--only", "fold-constants"],
            ["Add", "BatchNormalization", "BatchNormalization", "Conv", "Conv", "Relu"],
        ),
        (["--only", "fold-batchnorm"], ["Add", "Conv", "Conv", "Relu"]),
        (["--skip", "fuse-branches"], ["Add", "Conv", "Conv", "Relu"]),
        (
            ["--skip", "fuse-branches,fold-batchnorm"],
            ["Add", *["BatchNormalization"] * 2, "Conv", "Conv", "Relu"],
        ),
        (["--max-rewrites", "0"], ["Add", *["BatchNormalization"] * 2, "Conv", "Conv", "Relu"]),
    ],
)
def test_choice_of_passes(options: list[str], left: list[str], model: Path) -> None:
    assert run(["fuse", str(model), "--quiet", *options]) == 0
    assert operators(model.with_name("model.fused.onnx")) == left


def test_kept_nodes_stay(model: Path) -> None:
    assert run(["fuse", str(model), "--quiet", "--keep", "bn*"]) == 0
    assert operators(model.with_name("model.fused.onnx")).count("BatchNormalization") == 2


@pytest.mark.parametrize("option", ["--only", "--skip"])
def test_an_unknown_pass_is_named_with_those_there_are(
    option: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fuse", str(model), option, "fuse-everything"]) == 2
    line = capsys.readouterr().err
    assert "fuse-everything" in line
    assert "fuse-branches" in line


def test_a_setting_of_no_pass(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--set", "nothing.limit=1"]) == 2
    assert "no pass is called 'nothing'" in capsys.readouterr().err


def test_no_verify(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--no-verify", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["proof"] is None


def test_certify(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--certify", "--json", "-"]) == 0
    certificates = json.loads(capsys.readouterr().out)["certificates"]
    assert set(certificates) == {"equal"}
    assert certificates["equal"] >= 1


def test_shapes_samples_and_seed_reach_the_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = small_models.training_form(tmp_path / "dynamic.onnx", size="side")
    options = ["--shape", "x:2,4,10,10", "--samples", "2", "--seed", "7"]
    assert run(["fuse", str(model), "--json", "-", *options]) == 0
    cases = json.loads(capsys.readouterr().out)["proof"]["cases"]
    assert [case["shapes"]["x"] for case in cases] == [[2, 4, 10, 10]] * 2
    assert {case["seed"] for case in cases} == {7}


def test_own_data(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, x=np.random.default_rng(0).normal(size=(3, 4, 8, 8)).astype(np.float32))
    assert run(["fuse", str(model), "--inputs", str(data), "--json", "-"]) == 0
    assert all(case["source"] == "given" for case in json.loads(capsys.readouterr().out)["proof"]["cases"])


def test_an_impossible_tolerance_fails_the_proof(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "--quiet", "--atol", "0", "--rtol", "0"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("graphmorph: error: ")
    assert line.count("\n") == 1


BAD_FILES = {
    "empty": b"",
    "text": b"this is no model\n",
    "zeros": b"\0" * 64,
    "random": np.random.default_rng(0).bytes(4096),
}


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("command", ["fuse", "inspect"])
def test_a_bad_file(command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.onnx"
    file.write_bytes(BAD_FILES[kind])
    assert run([command, str(file)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("graphmorph: error: ")
    assert shown.err.count("\n") == 1
    assert "bad.onnx" in shown.err
    assert "internal error" not in shown.err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_file(keep: float, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = model.read_bytes()
    model.write_bytes(whole[: int(keep * len(whole))])
    assert run(["fuse", str(model)]) == 2
    shown = capsys.readouterr().err
    assert "internal error" not in shown
    assert shown.count("\n") == 1


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(tmp_path / "missing.onnx")]) == 2
    assert "missing.onnx" in capsys.readouterr().err


def test_a_folder_that_is_not_there(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fuse", str(model), "-o", str(model.parent / "nowhere" / "out.onnx"), "--quiet"]) == 2
    line = capsys.readouterr().err
    assert "nowhere" in line
    assert "internal error" not in line
