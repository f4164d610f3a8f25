"""What the results are held against, and whether they meet it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.corpus import FORMS, MODELS
from benchmarks.quality import CONTROL
from benchmarks.results import Results, Row
from benchmarks.tools import OURS, UNPROVEN

PEER = "onnxslim"
#: Below this the interpreter and onnxruntime weigh more than the model.
LARGE_ENOUGH_MIB = 64


@dataclass(frozen=True)
class Check:
    """One number and its limit, met where it is not above."""

    what: str
    value: float | None
    limit: float

    @property
    def met(self) -> bool:
        return self.value is not None and self.value <= self.limit

    def to_json(self) -> Row:
        return {**asdict(self), "met": self.met}


def check(results: Results) -> list[Check]:
    """All checks that the recorded parts allow; they are recorded too."""
    checks = [*_structure(results), *_cost(results), *_quality(results), *_size(results)]
    results.put("targets", [one.to_json() for one in checks])
    return checks


def _rows(results: Results) -> Iterator[tuple[str, dict[str, Row]]]:
    """Rows by tool, for each model and form that was run."""
    for model in MODELS:
        rows = [row for row in results.data.get("runs", ()) if row["model"] == model.name]
        yield f"{model.name}, {FORMS[0]}", {row["tool"]: row for row in rows}
        for form in FORMS[1:]:
            others = results.data.get("other_forms", ())
            found = [row for row in others if (row["model"], row["form"]) == (model.name, form)]
            yield f"{model.name}, {form}", {row["tool"]: row for row in found}


def _structure(results: Results) -> Iterator[Check]:
    wanted = {model.name: model.deploy_convolutions for model in MODELS}
    for label, rows in _rows(results):
        ours = rows.get(OURS)
        if ours is None:
            continue
        yield Check(f"convolutions: {label}", ours.get("convolutions"), wanted[label.rpartition(", ")[0]])
        yield Check(f"batch normalisations: {label}", ours.get("batchnorms"), 0)
        yield Check(f"branch Adds: {label}", ours.get("branch_adds"), 0)
        yield Check(f"exit code: {label}", max(ours.get("exit_codes", [0])), 0)


def _cost(results: Results) -> Iterator[Check]:
    for label, rows in _rows(results):
        peer, ours = rows.get(PEER, {}), rows.get(OURS, {})
        if peer.get("seconds") and ours.get("seconds"):
            yield Check(f"time, proof included, to {PEER}'s: {label}", _ratio(ours, peer, "seconds"), 1.0)
            yield Check(f"memory of all processes to {PEER}'s: {label}", _ratio(ours, peer, "peak_mib"), 1.0)
        runtime = rows.get("onnxruntime", {})
        if runtime.get("largest_process_mib") and ours.get("largest_process_mib"):
            ratio = _ratio(ours, runtime, "largest_process_mib")
            yield Check(f"largest process to that of onnxruntime alone: {label}", ratio, 1.0)
        for tool in (OURS, UNPROVEN):
            row = rows.get(tool, {})
            times = row.get("largest_process_times_file")
            if times is not None and row["largest_process_mib"] / times >= LARGE_ENOUGH_MIB:
                yield Check(f"largest process to file, {tool}: {label}", times, 2.5)


def _quality(results: Results) -> Iterator[Check]:
    for row in results.data.get("latency", ()):
        if row["tool"] in (OURS, CONTROL):
            ratio = row["median_to_hand_made"]
            yield Check(f"latency to hand-made, {row['tool']}: {row['model']}", ratio, 1.03)
    for row in results.data.get("float64_error", ()):
        if row["tool"] == OURS:
            for level, ratio in row["to_original"].items():
                label = f"{row['model']}, {row['form']}, {level.replace('_', ' ')}"
                yield Check(f"largest error to the original's: {label}", ratio["max"], 3.0)


def _size(results: Results) -> Iterator[Check]:
    """Linear cost: a node of the largest chain costs no more than one and a half of one in a tenth of its length."""
    rows: dict[tuple[str, int], Any] = {
        (row["kind"], row["nodes"]): row["microseconds_per_node"]
        for row in results.data.get("scaling", ())
        if row["tool"] == UNPROVEN
    }
    for (kind, nodes), cost in rows.items():
        tenth = rows.get((kind, nodes // 10))
        if tenth and nodes >= 100_000:
            yield Check(f"time per node at {nodes} to that at a tenth, {kind}", round(cost / tenth, 2), 1.5)
    for row in results.data.get("large", ()):
        ratio = round(row["largest_process_mib"] / row["file_mib"], 2)
        yield Check(f"largest process to file, {row['tool']}, {row['file_mib']:.0f} MiB", ratio, 2.5)
        yield Check(f"exit code, {row['tool']}, {row['file_mib']:.0f} MiB", row["exit_code"], 0)
    if "start" in results.data:
        start = results.data["start"]
        torch = sum("torch" in names for key, names in start.items() if key.startswith("imported"))
        yield Check("seconds of --help", start["help_seconds"], 0.3)
        yield Check("processes that import torch", torch, 0)


def _ratio(ours: Row, peer: Row, key: str) -> float | None:
    return round(ours[key] / peer[key], 2) if ours.get(key) and peer.get(key) else None
