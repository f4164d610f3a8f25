"""The auxiliary layer's experiments in the small: folds, both kinds of trials, tables and the curve."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.auxiliary_curves import draw_curves
from benchmarks.auxiliary_data import FOLDS, fold_of
from benchmarks.auxiliary_layer import settings_as_data
from benchmarks.auxiliary_runs import missing, put, run_of
from benchmarks.auxiliary_table import failed, fewest, ladder_table, markdown
from benchmarks.auxiliary_training import Schedule, accuracy, network, optimizer_of, train, train_base
from benchmarks.auxiliary_trial import Trial, run_trial
from benchmarks.auxiliary_variants import (
    LADDER,
    TARGET_WEIGHTS,
    Layer,
    OwnVariant,
    PaperVariant,
    Setting,
    own_variants,
    paper_variants,
)
from benchmarks.results import Results

#: Images of 10 classes that a network knows at once: a bright row each.
COUNT = 300
LABELS = np.arange(COUNT, dtype=np.uint8) % 10
PIXELS = np.random.default_rng(0).integers(0, 60, (COUNT, 28, 28), dtype=np.uint8)
PIXELS[np.arange(COUNT), 2 * LABELS + 4] = 250

OWN = Setting("own", Schedule(8, 1, 5e-3, batch=50, annealed=True), "share", "global")
PAPER = Setting("paper", Schedule(30, 1, 3e-3, batch=20, stop_at=0.9646), "magnitude", "global")


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    for name, part in (("train", slice(0, 250)), ("t10k", slice(250, None))):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS[part])))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[part])))
    return folder


def test_folds_are_parts_of_one_order(source: Path) -> None:
    folds = [fold_of(source, number) for number in range(FOLDS)]
    assert [len(fold.held_out.labels) for fold in folds] == [25] * FOLDS
    assert all(len(fold.training.labels) == 225 for fold in folds)
    held = torch.cat([fold.held_out.labels for fold in folds])
    assert held.bincount().tolist() == np.bincount(LABELS[:250]).tolist()
    assert folds[0].training.images.shape == (225, 100)
    assert folds[0].training.images.mean().item() == pytest.approx(0, abs=1e-5)
    assert folds[0].training.images.std().item() == pytest.approx(1, abs=1e-5)
    assert len(fold_of(source, 0, 100).training.labels) == 90


def test_training_stops_at_the_base_accuracy(source: Path) -> None:
    fold = fold_of(source, 0)
    module = network(PAPER.schedule, 0)
    epochs = train_base(module, optimizer_of(module, PAPER.schedule), fold, PAPER.schedule)
    assert 1 < epochs < 30
    assert accuracy(module, fold.held_out) >= 0.9646


def test_annealed_rates_end_near_zero(source: Path) -> None:
    module = network(OWN.schedule, 0)
    optimizer = optimizer_of(module, OWN.schedule)
    train(module, optimizer, fold_of(source, 0).training, OWN.schedule, 2)
    assert 0 < optimizer.param_groups[0]["lr"] < 0.15 * OWN.schedule.rate


def test_the_ladder_and_the_variants() -> None:
    assert LADDER[:3] == (12_480, 9_984, 7_987)
    assert LADDER[10:14] == (1_340, 1_072, TARGET_WEIGHTS, 720)
    assert list(LADDER) == sorted(LADDER, reverse=True)
    assert len(paper_variants()) == 14
    assert list(own_variants())[:2] == ["global", "global, slow"]


def own_row(source: Path, name: str, variant: OwnVariant) -> dict[str, Any]:
    return run_trial(Trial(OWN, name, variant, 0, 0), source, None)


@pytest.fixture(scope="module")
def own_rows(source: Path) -> list[dict[str, Any]]:
    deeper = OwnVariant(share=0.5, layer=Layer("random", 20))
    return [own_row(source, "global", OwnVariant()), own_row(source, "auxiliary random 20", deeper)]


def test_a_trial_of_ours(own_rows: list[dict[str, Any]], tmp_path: Path) -> None:
    for row in own_rows:
        assert [level["remaining"] for level in row["levels"]] == list(LADDER)
        assert row["remaining"] == LADDER[-1]
        assert row["removed"]["remaining"] == row["levels"][-1]["live"] <= row["remaining"]
        assert row["removed"]["neurons"] < row["sparse"]["neurons"]
        assert row["removal_error"] < 1e-4
        json.dumps(row)
    first, deeper = own_rows
    assert deeper["levels"][5] == {**deeper["levels"][5], "remaining": 4089}
    assert deeper["sparse"]["weights"] == 100 * 80 + 80 * 20 + 20 * 60 + 60 * 40 + 40 * 10
    run = {"settings": settings_as_data(OWN, None), "trials": own_rows}
    assert "| 900 |" in markdown(run)
    assert ladder_table(own_rows).count("gain") == len(LADDER)
    least = fewest(own_rows, 0.5)["global"]
    assert least in LADDER
    assert least == min(level["remaining"] for level in first["levels"] if level["accuracy"] >= 0.5)
    draw_curves(own_rows, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5_000


def test_trials_as_in_the_paper(source: Path, tmp_path: Path) -> None:
    variants = {
        "static 0.2, drop 0.46": PaperVariant(0.02, 0.3),
        "static 0.4, drop 0.46": PaperVariant(9.0, 0.0),
        "auxiliary 20": PaperVariant(None, 0.5, threshold=0.3, layer=Layer("random", 20)),
    }
    trials = [Trial(PAPER, name, variant, 0, 0) for name, variant in variants.items()]
    results = Results(tmp_path / "results.json")
    run = run_of(results, settings_as_data(PAPER, None))
    for trial in reversed(trials):
        put(run, trials, run_trial(trial, source, None))
    assert missing(run, trials) == []
    assert run_of(results, settings_as_data(PAPER, None)) is run
    assert run_of(results, settings_as_data(PAPER, 100)) is not run
    static, too_much, auxiliary = run["trials"]
    assert [failed(row) for row in run["trials"]] == [False, True, False]
    lasting = [step["remaining"] for step in static["rounds"][0]["steps"] if step["accepted"]]
    assert static["remaining"] == lasting[-1] < 15_600
    assert too_much["remaining"] == 15_600
    assert len(auxiliary["rounds"]) == 2
    assert auxiliary["rounds"][1]["inserted"] > auxiliary["rounds"][0]["steps"][-1]["remaining"]
    assert "| static 0.4, drop 0.46 | 1 | 1 |  | failed |" in markdown(run)
    put(run, trials, {**static, "remaining": 1})
    assert [row["remaining"] for row in run["trials"]] == [1, 15_600, auxiliary["remaining"]]
