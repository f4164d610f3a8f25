"""The main job, from a model to a proven file: exit codes, files, fallbacks, and a second run that finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.errors import ModelFileError, ModelRunError, UsageError
from graphmorph.onnx_door import load, to_model
from graphmorph.testing import assert_equivalent
from tests.graphmorph.wrong_passes import FOUR, STAGES, WEIGHTS, WrongFold, install
from tests.passes.text_models import build

TEXT = """g (float[N,4,H,W] x) => (float[N,4,H,W] y) {
    c = Conv<pads=[1,1,1,1]>(x, w)
    d = BatchNormalization(c, s, b, m, v)
    y = Relu(d)
}"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(build(TEXT, WEIGHTS), path)
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def test_a_model_is_fused_proven_and_written(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    result = graphmorph.fuse(model, target, certify=True)
    report = result.report
    assert (result.exit_code, result.ok) == (0, True)
    assert report.proof is not None
    assert report.proof.verdict == "equal"
    assert len({case.shapes["x"] for case in report.proof.cases}) >= 2
    assert report.files == [str(target)]
    assert (report.changed, report.deploy_form) == (True, False)
    assert report.certificates == {"equal": 1}
    assert operators(target) == ["Conv", "Relu"]
    assert (report.before.batchnorms, report.after.batchnorms) == (1, 0)
    assert_equivalent(model, target)


def test_a_second_run_changes_nothing_and_says_so(model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    graphmorph.fuse(model, first)
    result = graphmorph.fuse(first, second)
    assert result.exit_code == 0
    assert (result.report.changed, result.report.deploy_form) == (False, True)
    assert result.report.before == result.report.after
    assert onnx.load(first) == onnx.load(second)


def test_without_an_output_nothing_is_written(model: Path, tmp_path: Path) -> None:
    result = graphmorph.fuse(model)
    assert result.exit_code == 0
    assert result.report.files == []
    assert [node.op for node in result.graph.nodes] == ["Conv", "Relu"]
    assert list(tmp_path.iterdir()) == [model]


def test_in_place(model: Path, tmp_path: Path) -> None:
    result = graphmorph.fuse(model, in_place=True)
    assert result.exit_code == 0
    assert result.report.files == [str(model)]
    assert operators(model) == ["Conv", "Relu"]
    assert list(tmp_path.iterdir()) == [model]


@pytest.mark.parametrize("source", [load, onnx.ModelProto.FromString, bytes])
def test_models_that_come_as_objects_are_not_changed(model: Path, source: Callable[[Any], Any]) -> None:
    given = source(model if source is load else model.read_bytes())
    if source is bytes:
        with pytest.raises((ModelFileError, TypeError, OSError, ValueError)):
            graphmorph.fuse(str(given)[:20])
        return
    result = graphmorph.fuse(given)
    assert result.exit_code == 0
    assert [node.op for node in result.graph.nodes] == ["Conv", "Relu"]
    unchanged = to_model(given) if source is load else given
    assert unchanged == to_model(load(model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_place": True, "output": "other.onnx"}, "--in-place and --output exclude each other"),
        ({"only": ["fold-bn"]}, "no pass named fold-bn"),
        ({"skip": ["fold-bn"]}, "no pass named fold-bn"),
        ({"pass_options": {"fold-batchnorm": {"strength": 2}}}, "pass fold-batchnorm has no option strength"),
        ({"samples": 0}, "--samples 0"),
    ],
)
def test_options_that_make_no_sense(model: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        graphmorph.fuse(model, **options)


def test_in_place_needs_a_file(model: Path) -> None:
    with pytest.raises(UsageError, match="--in-place needs a model that is a file"):
        graphmorph.fuse(load(model), in_place=True)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nowhere\.onnx"):
        graphmorph.fuse(tmp_path / "nowhere.onnx", tmp_path / "out.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dtype", "opset"), [("bfloat16", 17), ("bfloat16", 22), ("double", 17)])
def test_types_that_onnxruntime_cannot_run_are_certified_instead(tmp_path: Path, dtype: str, opset: int) -> None:
    target = tmp_path / "out.onnx"
    result = graphmorph.fuse(build(TEXT, WEIGHTS, dtype=dtype, opset=opset), target)
    assert result.exit_code == 0
    assert result.report.proof is not None
    assert (result.report.proof.verdict, result.report.proof.unsupported) == ("inconclusive", True)
    assert result.report.certificates == {"equal": 1}
    assert result.report.notes[-1].endswith("; the 1 rewritten regions were certified instead")
    assert result.report.files == [str(target)]
    assert operators(target) == ["Conv", "Relu"]


def test_half_precision_is_proven_by_running(tmp_path: Path) -> None:
    result = graphmorph.fuse(build(TEXT, WEIGHTS, dtype="float16"), tmp_path / "out.onnx")
    assert result.exit_code == 0
    assert result.report.proof is not None
    assert result.report.proof.verdict == "equal"


def test_a_custom_operator_leaves_certificates_as_the_proof(tmp_path: Path) -> None:
    text = TEXT.replace("y = Relu(d)", "r = Relu(d) y = ex.Foo(r)")
    result = graphmorph.fuse(build(text, WEIGHTS, domains=["ex"]), tmp_path / "out.onnx")
    assert result.exit_code == 0
    assert result.report.certificates == {"equal": 1}
    assert operators(tmp_path / "out.onnx") == ["Conv", "Relu", "Foo"]


def test_a_wrong_rewrite_that_cannot_be_run_is_caught_by_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, WrongFold, wrong=("d",))
    result = graphmorph.fuse(build(TEXT, WEIGHTS, dtype="double"), tmp_path / "out.onnx")
    assert result.exit_code != 0
    assert result.report.certificates == {"different": 1}
    assert result.report.files == []
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_compared_is_not_written(tmp_path: Path) -> None:
    """The reference gives nothing but NaN: neither equal nor different."""
    text = "g (float[N,4,H,W] x) => (float[N,4,H,W] y) { c = Conv(x, w) d = Mul(c, k) n = Sub(d, d) y = Div(n, n) }"
    model = build(text, {"w": (4, 4, 1, 1), "k": (4, 1, 1)})
    result = graphmorph.fuse(model, tmp_path / "out.onnx")
    assert result.exit_code == 2
    assert result.report.proof is not None
    assert result.report.proof.verdict == "inconclusive"
    assert result.report.files == []
    assert list(tmp_path.iterdir()) == []


def test_unproven_on_request(model: Path, tmp_path: Path) -> None:
    result = graphmorph.fuse(model, tmp_path / "out.onnx", verify=False)
    assert result.exit_code == 0
    assert result.report.proof is None
    assert operators(tmp_path / "out.onnx") == ["Conv", "Relu"]


def test_unproven_on_request_still_has_to_load(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, WrongFold, apply=_with_a_foreign_attribute)
    with pytest.raises((ModelFileError, ModelRunError)):
        graphmorph.fuse(model, tmp_path / "out.onnx", verify=False)
    assert list(tmp_path.iterdir()) == [model]


def _with_a_foreign_attribute(self: Any, site: Any, editor: Any) -> None:
    site.data.apply(editor)
    editor.edit.new[-1].attrs["nonsense"] = 3


def test_the_users_inputs_and_shapes_are_used(model: Path) -> None:
    inputs = {"x": np.random.default_rng(0).standard_normal((3, 4, 6, 5)).astype(np.float32)}
    result = graphmorph.fuse(model, inputs=inputs)
    assert result.exit_code == 0
    assert result.report.proof is not None
    assert {case.shapes["x"][1:] for case in result.report.proof.cases} == {(4, 6, 5)}
    result = graphmorph.fuse(model, shapes={"x": (2, 4, 7, 3)}, samples=2)
    assert result.report.proof is not None
    assert [case.shapes["x"] for case in result.report.proof.cases] == [(2, 4, 7, 3)] * 2


def test_keep_only_and_most(model: Path) -> None:
    kept = graphmorph.fuse(FOUR, keep=["n1", "n2"], verify=False)
    assert {refusal.node for refusal in kept.report.refusals} == {"n1", "n2"}
    assert sum(node.op == "BatchNormalization" for node in kept.graph.nodes) == 2
    cleaned = graphmorph.fuse(FOUR, only=["fold-constants"], verify=False)
    assert cleaned.report.deploy_form
    assert cleaned.report.changed
    first = graphmorph.fuse(FOUR, max_rewrites=1, verify=False)
    assert sum(len(one.rewrites) for one in first.report.passes if not one.cleanup) == 1
    assert len(first.report.refusals) == len(STAGES) - 1


def test_overridable_initializers_on_request(tmp_path: Path) -> None:
    text = TEXT.replace("(float[N,4,H,W] x)", "(float[N,4,H,W] x, float[4] s)")
    model, target = build(text, WEIGHTS), tmp_path / "out.onnx"
    left = graphmorph.fuse(model, target)
    assert left.exit_code == 0
    assert not left.report.changed
    assert "--freeze-initializers" in left.report.refusals[0].reason
    assert onnx.load(target) == model
    frozen = graphmorph.fuse(model, target, freeze_initializers=True)
    assert frozen.exit_code == 0
    assert operators(target) == ["Conv", "Relu"]
    assert [value.name for value in onnx.load(target).graph.input] == ["x"]
