"""Run a rewrite over many random regions and all near misses: `python -m tests.regions.fuzz module:function
0 700`.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field

from tests.regions.check import MismatchError, RewriteFunction, check_near_miss, check_region
from tests.regions.choices import Seeded
from tests.regions.generator import random_region
from tests.regions.near_misses import conditions, near_miss

MISMATCH_STATUS = 1


@dataclass
class Tally:
    """What a run saw: regions, how many the rewrite changed, nodes that it left, and what the regions
    contained.
    """

    regions: int = 0
    changed: int = 0
    compared: int = 0
    nodes_before: int = 0
    nodes_after: int = 0
    worst: float = 0.0
    near_misses: int = 0
    features: Counter[str] = field(default_factory=Counter)


def fuzz(rewrite: RewriteFunction, first: int, last: int, *, near_misses: bool = True) -> Tally:
    """Check all near misses, then the regions of seeds first to last - 1.

    Raises MismatchError, with the seed, at the first wrong one.
    """
    tally = Tally()
    for condition in conditions() if near_misses else ():
        check_near_miss(near_miss(condition, Seeded(first)), rewrite, first)
        tally.near_misses += 1
    for seed in range(first, last):
        region = random_region(seed)
        try:
            outcome = check_region(region, rewrite, seed)
        except MismatchError as error:
            raise MismatchError(f"region of seed {seed}: {error}") from error
        tally.regions += 1
        tally.changed += outcome.changed
        tally.compared += outcome.compared
        tally.nodes_before += len(outcome.nodes_before)
        tally.nodes_after += len(outcome.nodes_after)
        if "float64" in region.features:
            tally.worst = max(tally.worst, outcome.worst)
        tally.features.update(region.features)
    return tally


def load_rewrite(name: str) -> RewriteFunction:
    """The function that "module:function" names."""
    module, function = name.split(":")
    found: RewriteFunction = getattr(importlib.import_module(module), function)
    return found


def main(arguments: list[str]) -> int:
    name, first, last = arguments
    try:
        tally = fuzz(load_rewrite(name), int(first), int(last))
    except MismatchError as error:
        sys.stdout.write(f"{error}\n")
        return MISMATCH_STATUS
    sys.stdout.write(f"{json.dumps(vars(tally))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
