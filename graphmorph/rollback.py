"""Finds the rewrites that a failed proof is due to, so that only they are taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from graphmorph.manager import RunResult, SiteKey
from graphmorph.proof import Proof
from graphmorph.report import RewriteReport

Attempt = Callable[[Iterable[SiteKey], int | None], tuple[RunResult, Proof]]

#: More guilty rewrites than this mean that something else is wrong.
MOST_GUILTY = 5


@dataclass(frozen=True)
class Guilty:
    """Sites whose rewrites were taken back, and the run without them, which the proof accepts."""

    guilty: tuple[SiteKey, ...]
    result: RunResult
    proof: Proof


def find_guilty(applied: Sequence[SiteKey], first_difference: str | None, attempt: Attempt) -> Guilty | None:
    """Search by halves for the first rewrite with which the proof fails, take it back, and repeat.

    `attempt(without, limit)` repeats the run without some sites, up to `limit` rewrites, and proves it. The rewrite of
    the first tensor that differs is tried first. None where no set of rewrites explains the failure.
    """
    guilty: list[SiteKey] = []
    suspects = [key for key in applied if key[1] == first_difference]
    while len(guilty) < MOST_GUILTY:
        suspect = suspects.pop() if suspects else _first_failing(guilty, attempt)
        if suspect is None:
            return None
        result, proof = attempt([*guilty, suspect], None)
        if proof.verdict == "equal":
            return Guilty((*guilty, suspect), result, proof)
        if suspects or suspect[1] == first_difference:
            first_difference = None
            suspects = []
            continue
        guilty.append(suspect)
    return None


def taken_back(found: Guilty, result: RunResult) -> tuple[RewriteReport, ...]:
    """The rewrites of a whole run that were found guilty."""
    made = {(r.pass_name, r.root): r for one in result.passes for r in one.rewrites}
    return tuple(made[key] for key in found.guilty if key in made)


def _first_failing(without: list[SiteKey], attempt: Attempt) -> SiteKey | None:
    """The last rewrite of the shortest prefix that fails; None where even no rewrite at all does."""
    whole, _ = attempt(without, None)
    low, high = 0, len(whole.applied)
    if attempt(without, 0)[1].verdict != "equal":
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if attempt(without, middle)[1].verdict == "equal":
            low = middle
        else:
            high = middle
    return whole.applied[high - 1] if high else None
