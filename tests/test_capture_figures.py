"""What docs/experiments.md says of capturing is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "capture.json").read_text(encoding="utf-8"))


def test_the_costs_of_capturing() -> None:
    docs = " ".join((ROOT / "docs" / "experiments.md").read_text(encoding="utf-8").split())
    rows = next(value for value in RESULTS.values() if isinstance(value, list) and "processor_overhead" in value[0])
    dense = [row["processor_overhead"] for row in rows if row["wanted"] is not None]
    patches = [row["processor_overhead"] for row in rows if row["wanted"] is None]
    assert f"take {100 * min(dense):.0f} to {100 * max(dense):.0f} % of the bare loop's processor time on top" in docs
    assert f"{patches[0]:.1f} times it for 8 of 64 positions and {patches[1]:.0f} times for all" in docs
