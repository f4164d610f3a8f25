"""A pipeline on an ONNX model: what the functions make one after the other, proven, or nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.errors import ModelFileError, UsageError
from graphmorph.onnx_door import load, save, to_model
from tests.graphmorph.steps.pipeline_models import TEXT, TWO_STEPS, WEIGHTS, Steps, classifier, operators
from tests.graphmorph.steps.wrong_steps import LargeBias
from tests.graphmorph.wrong_passes import WrongFold, install
from tests.passes.text_models import build, norm

SUM = """g (float[N,4,8,8] x) => (float[N,4,8,8] y) {
    c = Conv(x, w) p = BatchNormalization(c, s, b, m, v)
    d = Conv(x, w) q = BatchNormalization(d, s, b, m, v)
    y = Add(p, q)
}"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return classifier(tmp_path / "model.onnx")


def one_by_one(model: Path, folder: Path) -> Path:
    """Fused, then pruned, by the functions."""
    folder.mkdir()
    fused, target = folder / "fused.onnx", folder / "out.onnx"
    assert graphmorph.fuse(model, fused).ok
    assert graphmorph.prune(fused, target, ratio=0.5, latency=False).ok
    return target


def test_two_steps_give_what_the_functions_give_one_after_the_other(model: Path, tmp_path: Path) -> None:
    before, target = model.read_bytes(), tmp_path / "out.onnx"
    result = graphmorph.run_pipeline(model, TWO_STEPS, target)
    assert target.read_bytes() == one_by_one(model, tmp_path / "other").read_bytes()
    assert model.read_bytes() == before
    report = result.report
    assert (result.exit_code, report.files) == (0, [str(target)])
    assert [step.verdict for step in report.steps] == ["equal", "equal to the mask"]
    assert [step.rewrites for step in report.steps] == [1, 1]
    assert [(step.before.nodes, step.after.nodes) for step in report.steps] == [(8, 7), (7, 7)]
    assert (report.before, report.after) == (report.steps[0].before, report.steps[1].after)
    assert report.after.parameters < report.before.parameters / 2
    assert report.steps[0].after.parameters == report.steps[1].before.parameters
    assert not report.exact
    assert report.whole is not None
    assert (report.whole.verdict, report.whole.reference) == ("different", "model.onnx")
    assert report.change is not None
    assert report.change.max_abs > 0


def test_weights_beside_the_model_stay_beside_it(model: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.onnx"
    save(load(model), outside, external_data=True)
    target = tmp_path / "out.onnx"
    result = graphmorph.run_pipeline(outside, TWO_STEPS, target)
    other = one_by_one(outside, tmp_path / "other")
    assert sorted(result.report.files) == [str(target), str(tmp_path / "out.onnx.data")]
    assert target.read_bytes() == other.read_bytes()
    assert (tmp_path / "out.onnx.data").read_bytes() == other.with_name("out.onnx.data").read_bytes()


def test_weights_of_the_original_are_not_written_over(model: Path, tmp_path: Path) -> None:
    first = tmp_path / "out.onnx"
    save(load(model), first, external_data=True)
    renamed = first.rename(tmp_path / "renamed.onnx")
    before = (tmp_path / "out.onnx.data").read_bytes()
    with pytest.raises(ModelFileError, match=r"out\.onnx\.data: is the data of .*renamed\.onnx"):
        graphmorph.run_pipeline(renamed, TWO_STEPS, first)
    assert (tmp_path / "out.onnx.data").read_bytes() == before


def test_exact_steps_make_an_exact_whole(model: Path, tmp_path: Path) -> None:
    steps: Steps = [{"run": "widen", "fraction": 0.5}, {"run": "remove-channels"}]
    report = graphmorph.run_pipeline(model, steps, tmp_path / "out.onnx", samples=2).report
    assert report.exact
    assert [step.verdict for step in report.steps] == ["equal", "equal"]
    assert report.whole is not None
    assert report.whole.verdict == "equal"
    assert report.after.parameters == report.before.parameters < report.steps[0].after.parameters  # the copies went


def test_one_step_that_is_proven_is_the_whole(model: Path) -> None:
    report = graphmorph.run_pipeline(model, [{"run": "fuse"}]).report
    assert report.whole is report.steps[0].proof is not None


def test_a_graph_and_a_message_go_through_and_what_comes_back_can_be_used(model: Path, tmp_path: Path) -> None:
    target, unproven = tmp_path / "out.onnx", {"verify": False, "step": TWO_STEPS}
    graphmorph.run_pipeline(model, unproven, target)
    models: list[Any] = [load(model), onnx.load(model)]
    for one in models:
        result = graphmorph.run_pipeline(one, unproven)
        assert (result.report.model, result.report.files) == ("model", [])
        assert to_model(result.graph) == onnx.load(target)


def test_in_place(model: Path) -> None:
    assert graphmorph.run_pipeline(model, [{"run": "fold-batchnorm"}], in_place=True).report.files == [str(model)]
    assert operators(model).count("BatchNormalization") == 0


def test_without_proofs(model: Path, tmp_path: Path) -> None:
    result = graphmorph.run_pipeline(model, {"verify": False, "step": TWO_STEPS}, tmp_path / "out.onnx")
    assert result.ok
    assert [step.verdict for step in result.report.steps] == ["unproven", "unproven"]
    assert (result.report.whole, result.report.change) == (None, None)
    assert (tmp_path / "out.onnx").exists()


def test_labels_give_the_accuracy_of_the_whole_and_progress_says_which_step_it_is(model: Path) -> None:
    said: list[str] = []
    rng = np.random.default_rng(0)
    data = {"inputs": {"x": rng.standard_normal((8, 3, 8, 8)).astype(np.float32)}, "labels": np.zeros(8, np.int64)}
    result = graphmorph.run_pipeline(
        model, {**data, "step": TWO_STEPS}, progress=lambda stage, done, total: said.append(stage)
    )
    assert result.report.whole is not None
    assert set(result.report.whole.accuracy or {}) == {"before", "after"}
    assert {stage.partition(":")[0] for stage in said} == {"step 1 of 2, fuse", "step 2 of 2, prune", "the whole"}


@pytest.mark.parametrize(("max_error", "verdict", "exit_code"), [(1e9, "measured", 0), (1e-9, "different", 1)])
def test_a_layer_is_inserted(max_error: float, verdict: str, exit_code: int, model: Path) -> None:
    data = {"x": np.random.default_rng(0).standard_normal((8, 3, 8, 8)).astype(np.float32)}
    asked = {"after": "r", "channels": 8, "calibration": data, "max_error": max_error, "latency": False}
    result = graphmorph.run_pipeline(model, [{"run": "insert", **asked}, {"run": "fold-constants"}])
    assert (result.report.steps[0].verdict, result.exit_code) == (verdict, exit_code)
    assert len(result.report.steps) == 2 - exit_code
    assert not result.report.exact
    assert result.report.to_json()["steps"][0]["asked"]["calibration"] == {"x": "ndarray"}


def test_a_step_whose_proof_fails_ends_it_and_nothing_is_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, WrongFold, wrong=("n",))
    steps: Steps = [{"run": "fold-constants"}, {"run": "fold-batchnorm"}, *TWO_STEPS]
    result = graphmorph.run_pipeline(model, steps, tmp_path / "out.onnx")
    assert result.exit_code == 1
    assert [step.verdict for step in result.report.steps] == ["equal", "rolled back"]
    assert result.report.whole is None
    assert result.last.exit_code == 1
    assert list(tmp_path.iterdir()) == [model]


def test_nothing_to_remove_ends_it(tmp_path: Path) -> None:
    walled = tmp_path / "walled.onnx"
    onnx.save(build("g (float[N,3,8,8] x) => (float[N,4,6,6] y) { y = Conv(x, w) }", {"w": (4, 3, 3, 3)}), walled)
    result = graphmorph.run_pipeline(walled, TWO_STEPS, tmp_path / "out.onnx")
    assert (result.exit_code, len(result.report.steps)) == (2, 2)
    assert list(tmp_path.iterdir()) == [walled]


def test_what_a_step_raises_says_which_it_was(model: Path, tmp_path: Path) -> None:
    steps: Steps = [{"run": "fuse"}, {"run": "prune", "ratio": 5}]
    with pytest.raises(UsageError, match=r"^step 2 \(prune\): ratio 5"):
        graphmorph.run_pipeline(model, steps, tmp_path / "out.onnx")
    assert list(tmp_path.iterdir()) == [model]


def test_small_errors_of_the_steps_add_up_and_the_whole_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, LargeBias)
    path = tmp_path / "sum.onnx"
    onnx.save(build(SUM, {"w": (4, 4, 1, 1), **norm(4)}), path)
    steps: Steps = [{"run": "fold-batchnorm", "keep": ["p"]}, {"run": "fold-batchnorm"}]
    result = graphmorph.run_pipeline(path, steps, tmp_path / "out.onnx", atol=0.015)
    assert [step.verdict for step in result.report.steps] == ["equal", "equal"]
    assert [step.rewrites for step in result.report.steps] == [1, 1]
    assert result.report.whole is not None
    assert (result.exit_code, result.report.whole.verdict) == (1, "different")
    assert list(tmp_path.iterdir()) == [path]


def test_types_that_onnxruntime_cannot_run_are_certified_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "bfloat16.onnx"
    onnx.save(build(TEXT, WEIGHTS, dtype="bfloat16"), path)
    result = graphmorph.run_pipeline(path, [{"run": "fold-batchnorm"}, {"run": "fuse"}], tmp_path / "out.onnx")
    assert result.exit_code == 0
    assert [step.verdict for step in result.report.steps] == ["certified", "certified"]
    assert result.report.notes[-1].endswith("; the steps were certified instead, one by one")


def test_example_inputs_are_for_modules(model: Path) -> None:
    loose: Any = graphmorph.run_pipeline
    with pytest.raises(UsageError, match="example_inputs and leaf_modules are for torch modules"):
        loose(model, TWO_STEPS, example_inputs=3)
