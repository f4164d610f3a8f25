"""Which weights a rate takes, by every measure."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.training.magnitude_pruning.smallest import Measure, Scope, kept_at

WEIGHTS = {"a": torch.tensor([[0.1, -0.2], [0.3, -0.4]]), "b": torch.tensor([[5.0, -1.0]])}
ALL = {path: torch.ones_like(weight, dtype=torch.bool) for path, weight in WEIGHTS.items()}


def left(rate: float, measure: Measure, scope: Scope) -> list[float]:
    kept = kept_at(WEIGHTS, ALL, rate, measure, scope)
    return [round(abs(value), 6) for path in WEIGHTS for value in WEIGHTS[path][kept[path]].tolist()]


def test_by_share() -> None:
    assert left(0.5, "share", "global") == [0.4, 5.0, 1.0]
    assert left(0.5, "share", "layer") == [0.3, 0.4, 5.0]
    assert left(0.2, "share", "global") == [0.2, 0.3, 0.4, 5.0, 1.0]
    assert len(left(0.05, "share", "global")) == 6
    assert left(2.0, "share", "global") == []


def test_by_magnitude_the_rate_is_a_threshold() -> None:
    for scope in ("layer", "global"):
        assert left(0.3, "magnitude", scope) == [0.3, 0.4, 5.0, 1.0]


def test_by_deviations_of_what_is_left() -> None:
    deviation = float(np.std([0.1, -0.2, 0.3, -0.4]))
    assert left(0.29 / deviation, "deviations", "layer")[:2] == [0.3, 0.4]
    everything = float(np.std([0.1, -0.2, 0.3, -0.4, 5.0, -1.0]))
    assert left(0.5 / everything, "deviations", "global") == [5.0, 1.0]


@given(
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=30),
    st.integers(0, 2**30 - 1),
    st.floats(0, 1.5),
    st.sampled_from(["share", "magnitude", "deviations"]),
    st.sampled_from(["layer", "global"]),
)
def test_the_smallest_of_what_was_left_go(
    values: list[float], bits: int, rate: float, measure: Measure, scope: Scope
) -> None:
    weight = torch.tensor(values)[None]
    before = torch.tensor([bool(bits >> index & 1) for index in range(len(values))])[None]
    after = kept_at({"w": weight}, {"w": before}, rate, measure, scope)["w"]
    gone = before & ~after
    assert not (after & ~before).any()
    if gone.any() and after.any():
        assert weight.abs()[gone].max() <= weight.abs()[after].min()
    if measure == "share":
        assert int(gone.sum()) == min(round(rate * int(before.sum())), int(before.sum()))
