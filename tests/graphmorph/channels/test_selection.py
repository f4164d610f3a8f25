"""Which units go: laws of ratios and targets."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.budget import Budget, Candidate, candidate
from graphmorph.channels.costs import Cost, Costs
from graphmorph.channels.criteria import Criterion, score
from graphmorph.channels.selection import Selection, select
from graphmorph.errors import RefusedError, UsageError
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.analysed_text import analysed

SCOPES = st.sampled_from(["layer", "global"])
Scope = Literal["layer", "global"]


@st.composite
def models(draw: st.DrawFn) -> list[Candidate]:
    """Groups with few distinct scores, so that many are equal; labels in no order."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    labels = np.split(rng.permutation(sum(sizes)) + 5, np.cumsum(sizes)[:-1])
    return [
        Candidate(
            f"g{i}", units, rng.integers(0, 6, size=units.size) / 2.0, int(rng.integers(1, 4)), frozenset((f"n{i}",))
        )
        for i, units in enumerate(labels)
    ]


def left(model: list[Candidate]) -> Any:
    """A cost that falls with every unit, and not by equal amounts."""
    weight = {int(unit): 1 + 3 * i for i, group in enumerate(model) for unit in group.units}
    whole = sum(weight.values())

    def cost(units: np.ndarray) -> Cost:
        gone = sum(weight[int(unit)] for unit in units)
        return Cost(7 + whole - gone, (1 + whole - gone) ** 2)

    return cost


def _chosen(selection: Selection) -> set[int]:
    return set(selection.units.tolist())


@given(models(), st.floats(0, 1), st.floats(0, 1), SCOPES, st.sampled_from([1, 4, 8]))
def test_a_larger_ratio_removes_more(model: list[Candidate], one: float, other: float, scope: Scope, to: int) -> None:
    small, large = (select(model, Budget(ratio=r, scope=scope, round_to=to)) for r in sorted((one, other)))
    assert _chosen(small) <= _chosen(large)


@given(models(), st.floats(0, 1), SCOPES, st.integers(1, 8), st.integers(1, 5))
def test_limits_hold_in_every_group(model: list[Candidate], ratio: float, scope: Scope, to: int, least: int) -> None:
    found = select(model, Budget(ratio=ratio, scope=scope, round_to=to, floor=least, keep=("n0",)))
    assert [group.name for group in found.groups] == [group.name for group in model]
    for group, one in zip(model, found.groups, strict=True):
        assert one.kept >= min(least, group.size)
        assert one.kept == group.size or one.kept * group.width % to == 0
        assert group.size - one.kept <= one.wanted or one.limit is None
    assert found.groups[0].gone.size == 0
    expected = [unit for group, one in zip(model, found.groups, strict=True) for unit in group.units[one.gone]]
    assert found.units.tolist() == sorted(expected)


@given(models(), st.floats(0, 1), SCOPES)
def test_the_least_important_go_first(model: list[Candidate], ratio: float, scope: Scope) -> None:
    found = select(model, Budget(ratio=ratio, scope=scope, round_to=1))
    for group, one in zip(model, found.groups, strict=True):
        stays = np.setdiff1d(np.arange(group.size), one.gone)
        if one.gone.size:
            assert group.scores[one.gone].max() <= group.scores[stays].min()
        tied = [i for i in one.gone if group.scores[i] == group.scores[one.gone].max()]
        alike = np.flatnonzero(group.scores == group.scores[one.gone].max(initial=-1)).tolist()
        assert tied == alike[: len(tied)]


@given(models(), SCOPES, st.floats(0, 1), st.sampled_from([1, 8]), st.booleans())
def test_targets_are_met_with_as_little_as_possible(
    model: list[Candidate], scope: Scope, target: float, to: int, both: bool
) -> None:
    cost = left(model)
    whole = cost(np.zeros(0, np.int64))
    budget = Budget(target_macs=target, target_params=target if both else None, scope=scope, round_to=to)

    def meets(units: np.ndarray) -> bool:
        now = cost(units)
        return now.multiply_adds <= target * whole.multiply_adds and (
            not both or now.parameters <= target * whole.parameters
        )

    floors = select(model, Budget(ratio=1.0, scope=scope, round_to=to))
    if not meets(floors.units):
        with pytest.raises(UsageError, match="cannot reach target_"):
            select(model, budget, cost)
        return
    found = select(model, budget, cost)
    assert meets(found.units)
    if found.ratio > 0:
        less = select(model, Budget(ratio=found.ratio - 1e-6, scope=scope, round_to=to))
        assert not meets(less.units)


@pytest.mark.parametrize("size", range(1, 20))
def test_half_is_half(size: int) -> None:
    model = [Candidate("g", np.arange(size), np.arange(size) / 3.0)]
    assert select(model, Budget(ratio=0.5, round_to=1)).units.tolist() == list(range(size // 2))


def test_a_ratio_of_decimals_is_not_cut_short() -> None:
    model = [Candidate("g", np.arange(100), np.zeros(100))]
    assert select(model, Budget(ratio=0.29, round_to=1)).units.size == 29


def test_global_takes_the_least_of_all() -> None:
    model = [
        Candidate("weak", np.array([1, 2, 3, 4]), np.array([0.1, 0.3, 0.2, 0.4])),
        Candidate("strong", np.array([5, 6, 7, 8]), np.array([0.35, 1.0, 2.0, 3.0])),
    ]
    found = select(model, Budget(ratio=0.5, scope="global", round_to=1))
    assert found.units.tolist() == [1, 2, 3, 5]
    assert [group.limit for group in found.groups] == [None, None]
    more = select(model, Budget(ratio=0.625, scope="global", round_to=1))
    assert more.units.tolist() == [1, 2, 3, 5]
    assert more.groups[0].limit == "floor of 1"


def test_a_group_that_is_left_alone_does_not_count() -> None:
    model = [
        Candidate("kept", np.arange(4), np.zeros(4), nodes=frozenset(("stem",))),
        Candidate("free", np.arange(4, 8), np.ones(4)),
    ]
    found = select(model, Budget(ratio=0.5, scope="global", round_to=1, keep=("stem",)))
    assert found.units.tolist() == [4, 5]
    assert found.groups[0].limit == "kept by 'stem'"


def test_a_target_out_of_reach_names_the_floors() -> None:
    model = [Candidate("a", np.arange(8), np.zeros(8)), Candidate("b", np.arange(8, 12), np.zeros(4))]
    with pytest.raises(UsageError) as error:
        select(model, Budget(target_params=0.1, round_to=4), lambda units: Cost(12 - units.size, 1))
    assert str(error.value) == (
        "cannot reach target_params 0.1 (0.667 is left) with every group at its floor (1 channels rounded up to 4 "
        "(round_to 4)): lower round_to or the floor, or keep less"
    )


def test_nothing_to_remove() -> None:
    assert select([], Budget(ratio=0.5)).units.size == 0
    with pytest.raises(UsageError, match="there are no groups"):
        select([], Budget(target_macs=0.5), lambda units: Cost(1, 1))


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(RefusedError, match="a score of group g is not a number"):
        select([Candidate("g", np.arange(2), np.array([np.nan, 1.0]))], Budget(ratio=0.5))


def test_a_target_on_a_model(runtime: Runtime) -> None:
    text = """g (float[1,3,8,8] x) => (float[1,4,8,8] y) {
        a = Conv<pads=[1,1,1,1]>(x, w1)
        b = Relu(a)
        c = Conv<pads=[1,1,1,1]>(b, w2)
        d = Relu(c)
        y = Conv(d, w3)
    }"""
    analysis = analysed(runtime, text, {"w1": (32, 3, 3, 3), "w2": (32, 32, 3, 3), "w3": (4, 32, 1, 1)})
    costs = Costs(analysis)
    model = [candidate(scores, analysis.facts) for scores in score(analysis, Criterion())]
    found = select(model, Budget(target_macs=0.4, scope="global"), costs.without)
    whole, less = costs.of(analysis.all_kept()), costs.without(found.units)
    assert less.multiply_adds <= 0.4 * whole.multiply_adds
    assert all(group.kept % 8 == 0 for group in found.groups)
