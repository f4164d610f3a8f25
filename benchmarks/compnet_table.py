"""What the trials of CompNet's experiments come to, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.acnet_summary import spread
from benchmarks.compnet_variants import VARIANTS

#: What LeNet5 is to reach (section 3.2).
TARGET = 0.9915
HEADS = ("", "channels", "R²", "at insertion, %", "best, %", "best less control, points", "parameters", "s an epoch")

Row = Mapping[str, Any]


def epochs_to_reach(row: Row, target: float = TARGET) -> int | None:
    """Epochs of training until a target is met; 0 where the network has it at once, None where it never has."""
    reached = [row["accuracy_at_insertion"], *row["accuracies"]]
    return next((epoch for epoch, share in enumerate(reached) if share >= target), None)


def markdown(run: Mapping[str, Any], target: float | None = None) -> str:
    """A table for each experiment of a run; with a column for a target, if there is one."""
    trials: Sequence[Row] = run["trials"]
    tables = []
    for name in dict.fromkeys(row["experiment"] for row in trials):
        rows = [row for row in trials if row["experiment"] == name]
        tables.append(f"{caption(name, run['settings'], rows)}\n\n{_table(rows, target)}")
    return "\n\n".join(tables)


def caption(name: str, settings: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """What was done, in a sentence."""
    after = settings["after"]
    width = "" if settings["width"] is None else f", {settings['width']} channels at first"
    parents = {row["seed"]: row["accuracy_parent"] for row in rows}
    seeds = f"{len(parents)} seed{'s' * (len(parents) > 1)}"
    return (
        f"{name}{width}, {seeds}; parents {percent(list(parents.values()))} %; trained on "
        f"for {after['epochs']} epoch{'s' * (after['epochs'] > 1)} with {_rates(after)}:"
    )


def percent(shares: Sequence[float]) -> str:
    """Mean and standard deviation of shares."""
    found = spread([100 * share for share in shares])
    mean, deviation = found["mean"], found["std"]
    assert mean is not None
    # Adding 0 makes 0 of -0.
    return f"{round(mean, 2) + 0.0:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "")


def _rates(schedule: Mapping[str, Any]) -> str:
    rate = f"{schedule['rate']:g}"
    return f"a rate of {rate}" if schedule["rates"] == "constant" else f"one cycle of rates up to {rate}"


def _table(rows: Sequence[Row], target: float | None) -> str:
    heads = [*HEADS, *([f"epochs to {100 * target:g} %"] if target is not None else [])]
    control = {row["seed"]: row["best"] for row in rows if row["variant"] == "control"}
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        cells = [VARIANTS[variant].title, *_cells(own, control)]
        if target is not None:
            reached = (epochs_to_reach(row, target) for row in own)
            cells.append(", ".join("–" if epoch is None else str(epoch) for epoch in reached))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(rows: Sequence[Row], control: Mapping[int, float]) -> list[str]:
    gains = [row["best"] - control[row["seed"]] for row in rows if row["seed"] in control]
    own = rows[0]["variant"] == "control"
    explained = [row["explained"] for row in rows if row["explained"] is not None]
    epochs = sum(len(row["accuracies"]) for row in rows)
    return [
        _range([row["channels"] for row in rows if row["channels"] is not None]),
        f"{spread(explained)['mean']:.3f}" if explained else "",
        percent([row["accuracy_at_insertion"] for row in rows]),
        percent([row["best"] for row in rows]),
        percent(gains) if gains and not own else "",
        _range([row["parameters"] for row in rows]),
        f"{sum(row['seconds_to_train'] for row in rows) / epochs:.0f}",
    ]


def _range(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
