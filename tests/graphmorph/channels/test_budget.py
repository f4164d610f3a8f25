"""How much of a group may go: floors, rounding, globs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphmorph.channels.budget import Budget, Candidate, allowance, candidate
from graphmorph.channels.criteria import Criterion, score
from graphmorph.errors import UsageError
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.analysed_text import analysed


def group(size: int, width: int = 1, *nodes: str) -> Candidate:
    return Candidate("g", np.arange(size), np.zeros(size), width, frozenset(nodes))


@pytest.mark.parametrize(
    ("size", "width", "wanted", "options", "kept", "limit"),
    [
        (16, 1, 8, {}, 8, None),
        (16, 1, 0, {}, 16, None),
        (16, 1, 5, {}, 16, "11 channels rounded up to 16 (round_to 8)"),
        (20, 1, 9, {}, 16, "11 channels rounded up to 16 (round_to 8)"),
        (20, 1, 3, {}, 20, "17 channels rounded up to 20 (round_to 8)"),
        (6, 1, 3, {}, 6, "3 channels rounded up to 6 (round_to 8)"),
        (12, 4, 7, {}, 6, "20 channels rounded up to 24 (round_to 8)"),
        (3, 64, 2, {}, 1, None),
        (16, 1, 16, {"round_to": 1}, 1, "floor of 1"),
        (16, 1, 16, {"round_to": 1, "floor": 3}, 3, "floor of 3"),
        (2, 1, 2, {"round_to": 1, "floor": 3}, 2, "floor of 2"),
        (10, 1, 9, {"round_to": 1, "floor_fraction": 0.25}, 3, "floor of 3"),
        (16, 1, 16, {"keep": ("stem*",)}, 16, "kept by 'stem*'"),
        (16, 1, 8, {"keep": ("Stem*",)}, 8, None),
    ],
)
def test_what_stays(size: int, width: int, wanted: int, options: dict[str, Any], kept: int, limit: str | None) -> None:
    found = allowance(group(size, width, "stem/conv", "act"), wanted, Budget(ratio=0.5, **options))
    assert (found.wanted, found.kept, found.limit) == (wanted, kept, limit)


@given(st.integers(1, 70), st.integers(1, 12), st.integers(1, 16), st.integers(1, 9), st.floats(0, 1))
def test_floors_and_rounding_hold(size: int, width: int, round_to: int, least: int, fraction: float) -> None:
    budget = Budget(ratio=0.5, round_to=round_to, floor=least, floor_fraction=fraction)
    kept = [allowance(group(size, width), wanted, budget).kept for wanted in range(size + 1)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == size
    for wanted, count in enumerate(kept):
        assert count >= size - wanted
        assert count >= min(size, least)
        assert count >= fraction * size
        assert count == size or count * width % round_to == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either a ratio, or a target"),
        ({"ratio": 0.5, "target_macs": 0.5}, "give either a ratio, or a target"),
        ({"ratio": 1.5}, "ratio 1.5: must be between 0 and 1"),
        ({"target_params": -0.1}, "target_params -0.1: must be between 0 and 1"),
        ({"ratio": 0.5, "round_to": 0}, "round_to 0: must be at least 1"),
        ({"ratio": 0.5, "floor": 0}, "floor 0: must be at least 1"),
        ({"ratio": 0.5, "floor": 2.5}, "floor 2.5: a whole number"),
        ({"ratio": 0.5, "round_to": float("nan")}, "round_to nan: a whole number"),
        ({"ratio": 0.5, "round_to": None}, "round_to None: a whole number"),
        ({"ratio": "0.5"}, "ratio '0.5': a number"),
        ({"ratio": 0.5, "scope": "model"}, "scope 'model' is none of layer, global"),
    ],
)
def test_wrong_budgets(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Budget(**options)


def test_a_scored_group_as_a_candidate(runtime: Runtime) -> None:
    text = """g (float[1,3,4,4] x) => (float[1,5,4,4] y) {
        a = Conv(x, w1)
        b = Relu(a)
        c = Conv<group=2>(b, w2)
        y = Conv(c, w3)
    }"""
    analysis = analysed(runtime, text, {"w1": (8, 3, 1, 1), "w2": (6, 4, 1, 1), "w3": (5, 6, 1, 1)})
    analysis.facts.producer["a"].name = "first"
    scores = score(analysis, Criterion())[0]
    made = candidate(scores, analysis.facts)
    assert (made.name, made.size, made.width) == (scores.group.name, 4, 2)
    assert {"a", "c", "first"} <= made.nodes
    assert "y" not in made.nodes
