"""`graphmorph.expand` from a model to a file: proven where the outputs are to stay, measured where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.proving import MEANT_TO_CHANGE
from graphmorph.testing import assert_equivalent
from tests.passes.text_models import build, norm

TEXT = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    d = BatchNormalization(c, s, b, m, v)
    y = Relu(d)
}"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(build(TEXT, {"w": (4, 4, 3, 3), **norm(4)}), path)
    return path


def operators(path: Path) -> list[str]:
    return sorted(node.op_type for node in onnx.load(path).graph.node)


def test_the_function_is_preserved_proven_and_certified(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "expanded.onnx"
    result = graphmorph.expand(model, target, certify=True, proof_seed=7)
    report = result.report
    assert (result.exit_code, report.approximate, report.files) == (0, False, [str(target)])
    assert report.proof is not None
    assert report.proof.verdict == "equal"
    assert {case.seed for case in report.proof.cases} == {7}
    assert report.certificates == {"equal": 1}
    assert operators(target) == [*["Add"] * 2, *["BatchNormalization"] * 3, *["Conv"] * 3, "Relu"]
    assert report.after.macs is None or report.before.macs is None or report.after.macs > report.before.macs


@pytest.mark.parametrize("block", ["acb", "repvgg", "mobileone"])
def test_fusing_takes_it_back(model: Path, tmp_path: Path, block: str) -> None:
    expanded, fused = tmp_path / "expanded.onnx", tmp_path / "fused.onnx"
    graphmorph.expand(model, expanded, block=block)
    assert graphmorph.fuse(expanded, fused).exit_code == 0
    assert operators(fused) == ["Conv", "Relu"]
    assert_equivalent(model, fused)


def test_fresh_branches_are_measured_not_judged(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "expanded.onnx"
    result = graphmorph.expand(model, target, init="fresh")
    report = result.report
    assert (result.exit_code, report.approximate, report.files) == (0, True, [str(target)])
    assert report.rolled_back == []
    assert report.proof is not None
    assert (report.proof.verdict, report.proof.first_difference) == ("different", None)
    assert MEANT_TO_CHANGE in report.notes


def test_fresh_branches_that_cannot_be_measured_are_not_written(tmp_path: Path) -> None:
    path, target = tmp_path / "model.onnx", tmp_path / "expanded.onnx"
    onnx.save(build(TEXT, {"w": np.full((4, 4, 3, 3), np.nan), **norm(4)}), path)
    result = graphmorph.expand(path, target, init="fresh")
    assert (result.exit_code, result.report.files, target.exists()) == (2, [], False)


def test_options_reach_the_pass(model: Path) -> None:
    result = graphmorph.expand(model, vertical=False, shifted=True, normalise="none", layers=["c"], verify=False)
    assert [node.op for node in result.graph.nodes].count("Conv") == 2
    assert result.report.rewrites[0].summary == "Conv -> acb block of 2 branches"
    assert graphmorph.expand(model, keep=["c"], verify=False).report.changed is False
    assert graphmorph.expand(model, max_rewrites=0, verify=False).report.changed is False


def test_mistakes_are_named(model: Path) -> None:
    with pytest.raises(UsageError, match="give one of acb"):
        graphmorph.expand(model, block="acnet")
    with pytest.raises(UsageError, match="no convolution is named like stem"):
        graphmorph.expand(model, layers=["stem"])
