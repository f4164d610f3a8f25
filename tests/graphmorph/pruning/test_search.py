"""The largest ratio within an error."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphmorph.pruning.search import STEP, largest_ratio


def quiet(what: str, done: int, total: int) -> None:
    """No progress."""


@given(st.integers(0, 63))
def test_it_is_the_last_step_that_is_allowed(last: int) -> None:
    tried: list[float] = []

    def error_at(ratio: float) -> float:
        tried.append(ratio)
        return 0.0 if ratio <= last * STEP else 1.0

    assert largest_ratio(error_at, 0.5, quiet) == last * STEP
    assert len(tried) == 6


def test_not_a_number_is_not_allowed() -> None:
    assert largest_ratio(lambda ratio: float("nan"), 0.5, quiet) == 0.0
