"""`graphmorph expand` from file to file: what is written, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphmorph.cli.main import run
from tests.cli import small_models
from tests.cli.small_models import operators

FUSED = ["Conv", "Relu"]
EXPANDED = ["Add", "Add", *["BatchNormalization"] * 3, *["Conv"] * 3, "Relu"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_models.deploy_form(tmp_path / "model.onnx")


def words(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_the_result_is_proven_and_written_beside_the_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = model.read_bytes()
    assert run(["expand", str(model)]) == 0
    assert operators(model.with_name("model.expanded.onnx")) == EXPANDED
    assert model.read_bytes() == before
    text = words(capsys)
    assert "convolutions 1 3 +200 %" in text
    assert "expand-branches exact 1 0" in text
    assert "proof equal" in text


def test_fuse_takes_it_back(model: Path, tmp_path: Path) -> None:
    expanded, fused = str(tmp_path / "expanded.onnx"), str(tmp_path / "fused.onnx")
    assert run(["expand", str(model), "-o", expanded, "-q", "--block", "mobileone", "--branches", "2"]) == 0
    assert run(["fuse", expanded, "-o", fused, "-q"]) == 0
    assert operators(Path(fused)) == FUSED
    assert run(["verify", str(model), fused, "-q"]) == 0


def test_fresh_branches_change_the_outputs_and_the_report_says_by_how_much(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "report.xml"
    assert run(["expand", str(model), "--init", "fresh", "--junit", str(junit)]) == 0
    shown = capsys.readouterr()
    text = " ".join(shown.out.split())
    assert "expand-branches approximate 1 0" in text
    assert "change of the outputs" in text
    assert "output max change relative cosine" in text
    assert "proof" not in text.replace("the proof measures by how much", "")
    assert shown.err == ""
    assert [suite.get("failures") for suite in ElementTree.parse(junit).getroot()] == ["0"]


@pytest.mark.parametrize(
    ("options", "convolutions", "norms"),
    [
        (["--no-vertical"], 2, 2),
        (["--no-horizontal", "--normalise", "sum"], 2, 1),
        (["--shifted", "--normalise", "none"], 3, 0),
        (["--asymmetric-size", "3", "--share", "0.25"], 3, 3),
        (["--block", "repvgg"], 2, 3),
        (["--kernel-size", "5", "--kernel-size", "7"], 1, 0),
        (["--layers", "co*", "--kernel-size", "3"], 3, 3),
        (["--keep", "conv"], 1, 0),
        (["--max-rewrites", "0"], 1, 0),
    ],
)
def test_options(model: Path, options: list[str], convolutions: int, norms: int) -> None:
    assert run(["expand", str(model), "-q", *options]) == 0
    found = operators(model.with_name("model.expanded.onnx"))
    assert (found.count("Conv"), found.count("BatchNormalization")) == (convolutions, norms)


def test_the_seed_is_that_of_the_branches_and_of_the_proof(model: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.onnx" for name in ("one", "two", "other")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        report = tmp_path / f"{file.stem}.json"
        assert run(["expand", str(model), "-o", str(file), "-q", "--seed", str(seed), "--json", str(report)]) == 0
        assert {case["seed"] for case in json.loads(report.read_text())["proof"]["cases"]} == {seed}
    one, two, other = (file.read_bytes() for file in files)
    assert one == two
    assert one != other


def test_json_says_what_became_what(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["expand", str(model), "--certify", "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["exit_code"], report["certificates"]) == (0, {"equal": 1})
    (rewrite,) = report["passes"][0]["rewrites"]
    assert rewrite["summary"] == "Conv -> acb block of 3 branches"
    assert "conv_horizontal_norm" in rewrite["nodes_after"]


def test_dry_run_and_in_place(model: Path, tmp_path: Path) -> None:
    assert run(["expand", str(model), "-q", "--dry-run"]) == 0
    assert operators(model) == FUSED
    assert run(["expand", str(model), "-q", "--in-place"]) == 0
    assert operators(model) == EXPANDED
    assert list(tmp_path.iterdir()) == [model]


def test_nothing_to_expand_is_said(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["expand", str(model), "--kernel-size", "7"]) == 0
    text = words(capsys)
    assert "model.onnx nothing to rewrite" in text
    assert "deploy form" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--no-horizontal", "--no-vertical"], "a block needs one of them"),
        (["--block", "repvgg", "--shifted"], "belong to block=acb"),
        (["--layers", "stem*"], "no convolution is named like stem*"),
        (["--block", "dbb"], "'dbb' is not one of"),
        (["-o", "x.onnx", "--dry-run"], "exclude each other"),
    ],
)
def test_mistakes(model: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    assert run(["expand", str(model), *options]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "internal error" not in shown
    assert list(model.parent.iterdir()) == [model]
