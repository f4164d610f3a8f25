"""`python -m benchmarks.channels_accuracy`: the example model's accuracy after pruning, by criterion and with repair.

The digits that ship with it: half of them to calibrate on, the other half to test; no training. Writes
benchmarks/results/channels_accuracy.json and prints the table of docs/channels.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.progress import track

import graphmorph
from benchmarks.results import Results
from graphmorph.channels.criteria.criterion import CriterionName
from graphmorph.models.example import model_path

RESULTS = Path(__file__).resolve().parent / "results" / "channels_accuracy.json"
RATIOS = (0.25, 0.5, 0.75)


def main() -> None:
    """Every criterion at every ratio, with and without repair."""
    digits = np.load(model_path().with_name("digits.npz"))
    half = len(digits["labels"]) // 2
    calibration, test = {"x": digits["x"][:half]}, {"x": digits["x"][half:]}
    labels = digits["labels"][half:]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        fused = Path(folder, "fused.onnx")
        graphmorph.fuse(model_path(), fused)
        trials = [(c, ratio, repair) for c in get_args(CriterionName) for ratio in RATIOS for repair in (False, True)]
        for criterion, ratio, repair in track(trials, description="accuracy"):
            report = graphmorph.prune(
                fused,
                ratio=ratio,
                criterion=criterion,
                calibration=calibration,
                repair=repair,
                inputs=test,
                labels=labels,
                latency=False,
            ).report
            assert report.change is not None
            assert report.change.accuracy is not None
            rows.append(
                {
                    "criterion": criterion,
                    "ratio": ratio,
                    "repair": repair,
                    "parameters_left": report.parameters_left,
                    "before": report.change.accuracy.before,
                    "after": report.change.accuracy.after,
                    "relative_error": report.change.relative_error,
                }
            )
    results = Results(RESULTS)
    results.put("images", {"calibration": half, "test": len(labels)})
    results.put("rows", rows)
    results.save()
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Accuracies as Markdown: a row a criterion, without and with repair at every ratio."""
    heads = [f"{ratio:.0%}{' repaired' if repair else ''}" for ratio in RATIOS for repair in (False, True)]
    lines = ["| criterion | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for criterion in dict.fromkeys(row["criterion"] for row in rows):
        cells = [f"{100 * row['after']:.1f} %" for row in rows if row["criterion"] == criterion]
        lines.append(f"| `{criterion}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
