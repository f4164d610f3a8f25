"""Plans are written, read, and refuse what they do not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphmorph.channels.analysis import Analysis
from graphmorph.errors import UsageError
from graphmorph.pruning.plan import RemovalPlan, plan_of, units_of
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.analysed_text import analysed
from tests.graphmorph.pruning.small_models import RESIDUAL, RESIDUAL_WEIGHTS


@pytest.fixture
def analysis(runtime: Runtime) -> Analysis:
    return analysed(runtime, RESIDUAL, RESIDUAL_WEIGHTS)


@pytest.fixture
def plan(analysis: Analysis) -> RemovalPlan:
    first, second = analysis.groups
    return plan_of(analysis, np.concatenate([first.units[[1, 4]], second.units[[0]]]), "model")


def test_a_plan_says_by_name_what_goes(plan: RemovalPlan) -> None:
    anchors = {(a.constant, a.role): a.removed for group in plan.groups for a in group.anchors}
    assert anchors[("w0", "output")] == (1, 4)
    assert anchors[("w1", "input")] == (1, 4)
    assert anchors[("w1", "output")] == (0,)
    assert anchors[("b1", "offset")] == (0,)


def test_it_finds_the_same_units_again(plan: RemovalPlan, analysis: Analysis, tmp_path: Path) -> None:
    plan.save(tmp_path / "plan.json")
    again = RemovalPlan.read(tmp_path / "plan.json")
    assert again == plan
    first, second = analysis.groups
    assert set(units_of(analysis, again).tolist()) == {*first.units[[1, 4]].tolist(), second.units[0]}


def test_one_anchor_of_a_group_is_enough(plan: RemovalPlan, analysis: Analysis) -> None:
    group = plan.groups[0]
    for anchor in group.anchors:
        alone = replace(plan, groups=(replace(group, anchors=(anchor,)),))
        assert set(units_of(analysis, alone).tolist()) == set(analysis.groups[0].units[[1, 4]].tolist())


def test_other_names_are_found_by_the_layer(plan: RemovalPlan, analysis: Analysis) -> None:
    groups = tuple(
        replace(g, anchors=tuple(replace(a, constant="onnx::Conv_12") for a in g.anchors)) for g in plan.groups
    )
    assert set(units_of(analysis, replace(plan, groups=groups))) == set(units_of(analysis, plan))


def test_what_must_stay_is_refused(plan: RemovalPlan, analysis: Analysis) -> None:
    anchor = replace(plan.groups[0].anchors[0], constant="w3", axis=0, size=5, removed=(2,))
    wrong = replace(plan, groups=(replace(plan.groups[0], anchors=(anchor,)),))
    with pytest.raises(UsageError, match=r"which must stay: .*promises"):
        units_of(analysis, wrong)


def test_a_group_of_another_model_is_refused(plan: RemovalPlan, analysis: Analysis) -> None:
    anchor = replace(plan.groups[0].anchors[0], constant="other", layer="other")
    wrong = replace(plan, groups=(replace(plan.groups[0], anchors=(anchor,)),))
    with pytest.raises(UsageError, match=r"nothing of group a of the plan \(other\) is found"):
        units_of(analysis, wrong)


def test_places_with_which_more_would_go_are_refused(runtime: Runtime) -> None:
    """A grouped convolution ties channels 0 and 3 of what it reads."""
    text = "g (float[N,3,8,8] x) => (float[N,2,8,8] y) { a = Conv(x, w) b = Conv<group=2>(a, u) y = Conv(b, v) }"
    weights = {"w": (6, 3, 1, 1), "u": (4, 3, 1, 1), "v": (2, 4, 1, 1)}
    analysis = analysed(runtime, text, weights)
    plan = plan_of(analysis, analysis.groups[0].units[:1], "model")
    anchor = replace(plan.groups[0].anchors[0], removed=(0,))
    wrong = replace(plan, groups=(replace(plan.groups[0], anchors=(anchor,)),))
    with pytest.raises(UsageError, match="more would go"):
        units_of(analysis, wrong)


@pytest.mark.parametrize("place", [0.5, "1", True, None])
def test_places_are_integers(plan: RemovalPlan, place: object) -> None:
    data = json.loads(json.dumps(plan.to_json()))
    data["groups"][0]["anchors"][0]["removed"] = [place]
    with pytest.raises(UsageError, match="is no integer"):
        RemovalPlan.read(data)


def test_what_is_neither_a_file_nor_a_plan_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the plan is a list, not"):
        RemovalPlan.read([1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "broken", ["[" * 100_000, "[]", "{}", '{"format": "graphmorph removal plan", "version": 2, "groups": []}', "no"]
)
def test_files_that_are_no_plans_are_refused(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(broken)
    with pytest.raises(UsageError, match="plan"):
        RemovalPlan.read(path)


def test_places_outside_of_the_axis_are_refused(plan: RemovalPlan) -> None:
    data = json.loads(json.dumps(plan.to_json()))
    data["groups"][0]["anchors"][0]["removed"] = [99]
    with pytest.raises(UsageError, match="outside"):
        RemovalPlan.read(data)
