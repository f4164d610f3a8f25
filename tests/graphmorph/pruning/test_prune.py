"""`graphmorph.prune` on files: what goes, the proof, what is measured, what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import graphmorph
from graphmorph.channels.criteria.criterion import CriterionName
from graphmorph.errors import UsageError
from graphmorph.pruning.job import PruneResult
from tests.graphmorph.pruning.small_models import images, residual_file
from tests.passes.text_models import Weights, build


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    return {one.name: tuple(one.dims) for one in onnx.load(path).graph.initializer}


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> tuple[PruneResult, Path]:
    folder = tmp_path_factory.mktemp("halved")
    output = folder / "half.onnx"
    return graphmorph.prune(residual_file(folder), output, ratio=0.5, round_to=1), output


def test_half_of_every_group_goes_from_all_that_it_touches(halved: tuple[PruneResult, Path]) -> None:
    result, output = halved
    assert result.ok
    assert shapes(output) == {
        "w0": (8, 3, 3, 3),
        "b0": (8,),
        "w1": (12, 8, 3, 3),
        "b1": (12,),
        "w2": (8, 12, 1, 1),
        "b2": (8,),
        "w3": (5, 8),
        "b3": (5,),
    }
    assert [(g.name, g.units, g.removed) for g in result.report.groups] == [("a", 16, 8), ("c", 24, 12)]


def test_the_least_important_go(halved: tuple[PruneResult, Path]) -> None:
    """By the l2 norm of the filters of both layers that make the residual, each by its own mean."""
    result, output = halved
    arrays = {
        one.name: numpy_helper.to_array(one) for one in onnx.load(output.with_name("residual.onnx")).graph.initializer
    }
    norms = [np.sqrt((arrays[name].reshape(16, -1).astype(np.float64) ** 2).sum(axis=1)) for name in ("w0", "w2")]
    weakest = np.argsort(np.mean(norms, axis=0))[:8]
    assert result.plan.groups[0].anchors[0].removed == tuple(sorted(weakest.tolist()))


def test_the_report_says_what_is_left_and_how_far_it_is(halved: tuple[PruneResult, Path]) -> None:
    report = halved[0].report
    assert report.removal is not None
    assert report.removal.verdict == "equal"
    assert report.change is not None
    assert 0.01 < report.change.relative_error < 10
    assert report.latency is not None
    assert report.cost_after.parameters == report.after.parameters
    assert 0.2 < report.macs_left < 0.4
    assert [wall.node for wall in report.walls] == ["y"]
    json.dumps(report.to_json())


@pytest.mark.parametrize("criterion", get_args(CriterionName))
def test_every_criterion_is_proven(criterion: CriterionName, tmp_path: Path) -> None:
    needs = criterion in ("mean-activation", "apoz", "reconstruction")
    result = graphmorph.prune(
        residual_file(tmp_path),
        ratio=0.5,
        criterion=criterion,
        calibration={"x": images()} if needs else None,
        latency=False,
    )
    assert result.ok
    assert [g.removed for g in result.report.groups] == [8, 8]  # 12 are rounded up to 16


def test_activations_are_needed_by_those_that_look_at_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="criterion apoz needs activations"):
        graphmorph.prune(residual_file(tmp_path), ratio=0.5, criterion="apoz")


def test_targets_are_met(tmp_path: Path) -> None:
    path = residual_file(tmp_path)
    macs = graphmorph.prune(path, target_macs=0.4, round_to=1, latency=False).report
    parameters = graphmorph.prune(path, target_params=0.4, scope="global", round_to=1, latency=False).report
    assert 0.3 < macs.macs_left <= 0.4
    assert 0.3 < parameters.parameters_left <= 0.4


def test_the_largest_ratio_within_an_error(tmp_path: Path) -> None:
    path = residual_file(tmp_path)
    small = graphmorph.prune(path, max_error=0.2, round_to=1, latency=False)
    large = graphmorph.prune(path, max_error=0.9, round_to=1, latency=False)
    for result, limit in ((small, 0.2), (large, 0.9)):
        assert result.report.change is not None
        assert result.report.change.relative_error <= limit
    assert small.report.parameters_left > large.report.parameters_left
    assert any("largest ratio" in note for note in large.report.notes)


def test_nothing_within_no_error(tmp_path: Path) -> None:
    result = graphmorph.prune(residual_file(tmp_path), max_error=0.0, round_to=1, latency=False)
    assert result.report.parameters_left == 1.0
    assert result.report.change is not None
    assert result.report.change.relative_error == 0.0


def test_a_plan_does_it_again(halved: tuple[PruneResult, Path], tmp_path: Path) -> None:
    result, output = halved
    plan = tmp_path / "plan.json"
    result.plan.save(plan)
    again = graphmorph.prune(residual_file(tmp_path), tmp_path / "again.onnx", plan=plan, latency=False)
    assert again.ok
    assert (tmp_path / "again.onnx").read_bytes() == output.read_bytes()


def test_kept_nodes_keep_their_channels(tmp_path: Path) -> None:
    """The node stays as it is: both what it reads and what it makes."""
    path = residual_file(tmp_path)
    both = graphmorph.prune(path, ratio=0.5, round_to=1, keep=["c"], latency=False).report
    head = graphmorph.prune(path, ratio=0.5, round_to=1, keep=["y"], latency=False).report
    assert [(g.name, g.removed) for g in both.groups] == [("a", 0), ("c", 0)]
    assert [(g.name, g.removed) for g in head.groups] == [("a", 0), ("c", 12)]
    assert both.groups[1].limit == "kept by 'c'"


def test_labels_give_accuracies(tmp_path: Path) -> None:
    x = images()
    labels = np.arange(len(x)) % 5
    report = graphmorph.prune(residual_file(tmp_path), ratio=0.25, inputs={"x": x}, labels=labels).report
    assert report.change is not None
    assert report.change.accuracy is not None
    assert report.change.accuracy.samples == len(x)


def test_repair_brings_the_outputs_nearer(tmp_path: Path) -> None:
    path, data = residual_file(tmp_path), {"x": images(256)}
    options = {"ratio": 0.5, "round_to": 1, "inputs": {"x": images(64, seed=9)}, "latency": False}
    plain = graphmorph.prune(path, **options).report
    repaired = graphmorph.prune(path, calibration=data, repair=True, **options).report
    assert plain.change is not None
    assert repaired.change is not None
    assert repaired.change.relative_error < 0.8 * plain.change.relative_error
    assert {one.node for one in repaired.repairs} == {"c", "e", "y"}
    assert all(one.r_squared_after > one.r_squared_before for one in repaired.repairs)
    assert repaired.removal is not None
    assert repaired.removal.verdict == "equal"  # of the removal itself


def test_sizes_stay_free(halved: tuple[PruneResult, Path]) -> None:
    model = onnx.load(halved[1])
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    proof = halved[0].report.removal
    assert proof is not None
    assert len({case.shapes["x"] for case in proof.cases}) == 2


def test_a_model_without_channels_says_why(tmp_path: Path) -> None:
    path = tmp_path / "wall.onnx"
    onnx.save(build("g (float[N,3,4,4] x) => (float[N,4,4,4] y) { y = Conv(x, w) }", {"w": (4, 3, 1, 1)}), path)
    result = graphmorph.prune(path, ratio=0.5, latency=False)
    assert result.report.parameters_left == 1.0
    assert result.exit_code == 2
    assert "its shape is part of what the model promises" in str(result.report.nothing)


def test_operators_without_a_rule_are_named(tmp_path: Path) -> None:
    path = tmp_path / "integers.onnx"
    weights: Weights = {"w": np.ones((4, 6), np.uint8), "v": np.ones((6, 3), np.uint8)}
    text = """g (uint8[N,4] x) => (int32[N,3] y) {
        a = MatMulInteger(x, w)  b = Cast<to=1>(a)  c, s, z = DynamicQuantizeLinear(b)  y = MatMulInteger(c, v)
    }"""
    onnx.save(build(text, weights), path)
    nothing = graphmorph.prune(path, ratio=0.5, latency=False).report.nothing
    assert "MatMulInteger a: this operator has no channel rule" in str(nothing)


def test_weights_that_may_be_overridden_stay_and_say_so(tmp_path: Path) -> None:
    model = build(
        "g (float[N,4] x) => (float[N,3] y) { a = MatMul(x, w)  y = MatMul(a, v) }", {"w": (4, 6), "v": (6, 3)}
    )
    model.graph.input.append(onnx.helper.make_tensor_value_info("v", onnx.TensorProto.FLOAT, [6, 3]))
    path = tmp_path / "overridable.onnx"
    onnx.save(model, path)
    nothing = graphmorph.prune(path, ratio=0.5, latency=False).report.nothing
    assert "v is an input with a default value: freeze initializers" in str(nothing)
    assert graphmorph.prune(path, ratio=0.5, round_to=1, latency=False, freeze_initializers=True).ok


def test_costs_are_those_of_the_file_that_is_written(tmp_path: Path) -> None:
    """Weight standardisation: the weights are folded before anything is counted, not only in what is left."""
    text = """g (float[N,3,4,4] x) => (float[N,4,4,4] y) {
        mean = ReduceMean<axes=[1,2,3]>(w)  centred = Sub(w, mean)  scaled = Mul(centred, gain)
        a = Conv(x, scaled)  b = Relu(a)  y = Conv(b, v)
    }"""
    path, output = tmp_path / "standardised.onnx", tmp_path / "half.onnx"
    onnx.save(build(text, {"w": (8, 3, 1, 1), "gain": (8, 1, 1, 1), "v": (4, 8, 1, 1)}), path)
    report = graphmorph.prune(path, output, ratio=0.5, round_to=1, latency=False).report
    assert (report.cost_before.parameters, report.cost_before.multiply_adds) == (24 + 32, 16 * (24 + 32))
    assert report.cost_after.parameters == sum(np.prod(size) for size in shapes(output).values()) == 12 + 16
    assert (report.after.parameters, report.after.macs) == (report.cost_after.parameters, 16 * (12 + 16))
    assert report.parameters_left == report.macs_left == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say how much is to go"),
        ({"plan": "p.json"}, "No such file"),
        ({"ratio": 0.5, "plan": {"format": "other", "version": 1, "groups": []}}, "version 1 of 'other'"),
        ({"ratio": 0.5, "keep": ["nobody"]}, "no node has such a name"),
        ({"ratio": 0.5, "target_macs": 0.5}, "exclude each other"),
        ({"ratio": 1.5}, "between 0 and 1"),
        ({"ratio": 0.5, "keep": "nobody*"}, r"keep nobody\*: no node"),
        ({"ratio": 0.5, "criterion": "random", "criterion_seed": -1}, "seed -1"),
        ({"ratio": 0.5, "seed": -1}, "seed -1"),
        ({"ratio": 0.5, "inputs": {"x": np.zeros((1, 3, 8, 8))}, "labels": ["cat"]}, "labels are numbers of classes"),
        ({"ratio": 0.5, "shapes": {"x": (1, 2, 3)}}, "3 sizes given"),
        ({"ratio": 0.5, "inputs": np.zeros((1, 3, 8, 8))}, "arrays by the names of the inputs"),
        ({"ratio": 0.5, "criterion": "largest"}, "is none of"),
        ({"ratio": 0.5, "repair": True}, "give calibration data"),
        ({"max_error": float("nan")}, "finite number"),
        ({"target_macs": 0.0001}, "cannot reach"),
        ({"ratio": 0.5, "example_inputs": 1}, "for torch modules"),
    ],
)
def test_contradictions_are_refused(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        graphmorph.prune(residual_file(tmp_path), **options)  # type: ignore[arg-type]


def test_a_model_that_runs_on_none_of_the_inputs_tried(tmp_path: Path) -> None:
    """In one line, which says what to give."""
    text = """g (float[N,4] x, int64[2] sizes) => (float[A,B] y) { a, b = Split(x, sizes)  y = MatMul(a, b) }"""
    path = tmp_path / "model.onnx"
    onnx.save(build(text, {}), path)
    with pytest.raises(UsageError, match=r"runs at none of the sizes tried.*--inputs"):
        graphmorph.prune(path, ratio=0.5)


def test_the_input_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = residual_file(tmp_path)
    before = path.read_bytes()
    graphmorph.prune(path, ratio=0.5, latency=False)
    assert path.read_bytes() == before
    graphmorph.prune(path, ratio=0.5, round_to=1, latency=False, in_place=True)
    assert shapes(path)["w0"] == (8, 3, 3, 3)
