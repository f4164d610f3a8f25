"""The most that can go within an allowed error."""

from __future__ import annotations

from collections.abc import Callable

#: Ratios are tried to this step.
STEP = 1 / 64

Progress = Callable[[str, int, int], None]


def largest_ratio(error_at: Callable[[float], float], allowed: float, progress: Progress) -> float:
    """The largest ratio, in steps of 1/64, whose error is allowed, by bisection; 0 where none is.

    The error is taken to grow with the ratio, as it does but for accidents: what is returned was measured.
    """
    good, bad = 0, round(1 / STEP)
    total = bad.bit_length() - 1
    for done in range(total):
        middle = (good + bad) // 2
        progress("searching", done, total)
        if error_at(middle * STEP) <= allowed:
            good = middle
        else:
            bad = middle
    progress("searching", total, total)
    return good * STEP
