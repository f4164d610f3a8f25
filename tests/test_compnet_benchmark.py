"""CompNet's experiments: networks, one run in the small, what is missing of it, and its table and curves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.compnet_curves import curve, shown
from benchmarks.compnet_data import Data, padded
from benchmarks.compnet_networks import Experiment, lenet, vgg_experiments
from benchmarks.compnet_options import figure_of, report
from benchmarks.compnet_runs import missing, put, run_and_save, run_of
from benchmarks.compnet_table import epochs_to_reach, markdown
from benchmarks.compnet_training import Schedule, accuracy, augmented, train
from benchmarks.compnet_trial import Plan, Trial, parent_file, run_trial
from benchmarks.compnet_variants import possible
from benchmarks.mnist import Part
from benchmarks.results import Results
from tests.compnet_files import write_idx

SCHEDULE = Schedule("constant", 0.01, 1)
#: Stands for 100 channels in trials that only have to run.
SMALL = Experiment("lenet4-5", "lenet4", after=2, redundant=8)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    random = np.random.default_rng(0)
    for name, count in (("train", 240), ("t10k", 100)):
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        pixels[np.arange(count), 4:20, labels * 2 + 3] = 255
        write_idx(tmp_path, name, pixels, labels)
    return Plan(Data("mnist", tmp_path, 200), SCHEDULE, Schedule("one-cycle", 0.02, 1), 100, tmp_path / "cache")


def row(variant: str, seed: int = 0, **others: Any) -> dict[str, Any]:
    return {
        "experiment": "lenet4-5",
        "variant": variant,
        "seed": seed,
        "channels": 25,
        "explained": 0.987,
        "parameters": 441855,
        "accuracy_parent": 0.9907,
        "accuracy_at_insertion": 0.99,
        "accuracies": [0.991, 0.992],
        "best": 0.992,
        "seconds_to_train": 61.0,
        **others,
    }


def test_trials_are_saved_and_one_that_fails_does_not_stop_the_others(plan: Plan, tmp_path: Path) -> None:
    nowhere = Experiment("nowhere", "lenet4", after=99, redundant=8)
    trials = [Trial(nowhere, "netmorph-redundant", 0), Trial(SMALL, "net2deeper", 0), Trial(SMALL, "control", 0)]
    results = Results(tmp_path / "rows.json")
    with pytest.raises(ExceptionGroup, match="trials of 1 epochs: 1 of 3 failed") as failed:
        run_and_save(results, plan, trials, asked=trials, workers=1)
    assert "99" in str(failed.value.exceptions[0])
    (run,) = json.loads(results.path.read_text(encoding="utf-8"))["runs"]
    assert run["settings"] == plan.settings()
    assert missing(run, trials) == trials[:1]
    deeper, control = run["trials"]
    assert (deeper["variant"], control["variant"]) == ("net2deeper", "control")
    assert deeper["accuracy_at_insertion"] == deeper["accuracy_parent"] == control["accuracy_at_insertion"]
    assert (deeper["channels"], control["channels"]) == (20, None)
    assert deeper["parameters"] == control["parameters"] + 20 * (20 * 9 + 1)
    assert parent_file(plan, SMALL, 0).is_file()
    report(Results(results.path))
    assert figure_of(results.path, run).name == "rows_mnist_200_one-cycle_0.02_1.png"
    assert figure_of(results.path, run).is_file()


def test_the_oracle_is_as_wide_as_algorithm_2(plan: Plan) -> None:
    wide = Experiment("lenet4-5", "lenet4", after=2, redundant=40)
    oracle, sparse = (run_trial(plan, Trial(wide, variant, 0)) for variant in ("netmorph-oracle", "compnet-2"))
    assert 0 < oracle["channels"] == sparse["channels"] < 40


def test_a_quarter_survives_and_the_parent_is_kept(plan: Plan) -> None:
    found = [run_trial(plan, Trial(SMALL, "compnet-3-quarter", 0)) for _ in range(2)]
    assert found[0]["channels"] == 2
    assert 0 < found[0]["explained"] < 1
    for name in ("accuracy_parent", "accuracy_at_insertion", "accuracies"):
        assert found[0][name] == found[1][name]


def test_rows_are_missing_until_they_are_put(tmp_path: Path, plan: Plan) -> None:
    trials = [Trial(SMALL, variant, seed) for seed in (0, 1) for variant in ("compnet-1", "control")]
    run = run_of(Results(tmp_path / "none.json"), plan)
    put(run, trials, row("control", 1))
    put(run, trials, row("compnet-1", 0, best=0.5))
    put(run, trials, row("compnet-1", 0, best=0.6))
    assert [(one["variant"], one["seed"], one["best"]) for one in run["trials"]] == [
        ("compnet-1", 0, 0.6),
        ("control", 1, 0.992),
    ]
    assert missing(run, trials) == [trials[1], trials[2]]


def test_runs_differ_by_their_settings(tmp_path: Path, plan: Plan) -> None:
    results = Results(tmp_path / "none.json")
    one = run_of(results, plan)
    for other in (replace(plan, after=Schedule("constant", 0.02, 1)), replace(plan, width=4)):
        assert run_of(results, other) is not one
    assert run_of(results, plan) is one


@pytest.mark.parametrize(
    ("at_insertion", "accuracies", "epochs"),
    [(0.9915, [0.98], 0), (0.99, [0.98, 0.9915, 0.99], 2), (0.99, [0.9914], None)],
)
def test_epochs_until_a_target(at_insertion: float, accuracies: list[float], epochs: int | None) -> None:
    assert epochs_to_reach({"accuracy_at_insertion": at_insertion, "accuracies": accuracies}, 0.9915) == epochs


def test_the_table(plan: Plan) -> None:
    trials = [
        row("compnet-3-quarter"),
        row("compnet-3-quarter", 1, accuracies=[0.9905, 0.991], best=0.991, channels=24, explained=0.985),
        row("control", channels=None, explained=None, best=0.9915, accuracies=[0.9915, 0.9912]),
        row(
            "control", 1, channels=None, explained=None, best=0.9915, accuracies=[0.99, 0.9915], accuracy_parent=0.9897
        ),
    ]
    assert markdown({"settings": plan.settings(), "trials": trials}, 0.9915).splitlines() == [
        "lenet4-5, 2 seeds; parents 99.02 ± 0.07 %; trained on for 1 epoch with one cycle of rates up to 0.02:",
        "",
        "|  | channels | R² | at insertion, % | best, % | best less control, points | parameters | s an epoch | "
        "epochs to 99.15 % |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| algorithm 3, a quarter survives | 24 to 25 | 0.986 | 99.00 ± 0.00 | 99.15 ± 0.07 | 0.00 ± 0.07 | 441,855 "
        "| 30 | 2, – |",
        "| no layer (control) |  |  | 99.00 ± 0.00 | 99.15 ± 0.00 |  | 441,855 | 30 | 1, 2 |",
    ]


def test_curves_begin_at_insertion() -> None:
    mean, deviation = curve([row("control"), row("control", 1, accuracies=[0.993, 0.992])])
    np.testing.assert_allclose(mean, [99.0, 99.2, 99.2])
    np.testing.assert_allclose(deviation, [0.0, 0.1, 0.0], atol=1e-12)


def test_what_is_far_below_is_not_shown() -> None:
    low, high = shown(np.array([[99.0, 99.2, 99.3], [99.0, 99.1, 99.2], [10.0, 97.0, 98.0]]))
    assert low == pytest.approx(98.1)
    assert 99.3 < high <= 100
    assert shown(np.full(3, 99.99))[1] == 100


def test_the_deeper_network_is_the_parent_with_a_layer() -> None:
    parent, deeper = lenet().network(), lenet().deeper_network()
    assert [type(layer) for layer in deeper][:5] == [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Conv2d, nn.ReLU]
    assert len(deeper) == len(parent) + 2
    added = sum(p.numel() for p in deeper.parameters()) - sum(p.numel() for p in parent.parameters())
    assert added == 100 * (20 * 9 + 1) + 50 * 25 * (100 - 20)
    assert deeper(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


@pytest.mark.parametrize("row", vgg_experiments(2, 3, 0.5), ids=lambda row: row.name)
def test_the_rows_of_vgg(row: Experiment) -> None:
    parent, deeper = row.network(), row.deeper_network()
    depths = [sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network) for network in (parent, deeper)]
    assert depths == [int(row.parent[3:]), int(row.parent[3:]) + 1]
    assert row.name.startswith(f"{row.parent}-{depths[1]}-")
    assert isinstance(parent[row.after], nn.MaxPool2d)
    assert type(deeper[row.after + 2]).__name__.lower() == row.activation
    assert deeper(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_the_widths_of_the_paper() -> None:
    assert [row.redundant for row in vgg_experiments(64, 3, 0.5)] == [512, 512, 512, 256, 512]


def test_an_identity_needs_a_relu() -> None:
    relu, sigmoid = vgg_experiments(2, 1, 0.0)[:2]
    assert possible(["net2deeper", "control"], relu) == ["net2deeper", "control"]
    assert possible(["net2deeper", "control"], sigmoid) == ["control"]


def test_images_are_padded_with_their_background() -> None:
    part = Part(np.arange(2 * 28 * 28, dtype=np.float32).reshape(2, 1, 28, 28) - 3, np.arange(2))
    wide = padded(part)
    assert wide.images.shape == (2, 1, 32, 32)
    np.testing.assert_array_equal(wide.images[:, :, 2:30, 2:30], part.images)
    assert (wide.images[:, :, :2] == -3).all()


def test_augmented_images_are_mirrored_and_shifted() -> None:
    torch.manual_seed(0)
    images = torch.zeros(64, 2, 12, 12)
    images[:, 0, 5, 4] = 1
    images[:, 1, 6, 7] = 2
    places = set()
    for image in augmented(images):
        one, two = image[0].nonzero(), image[1].nonzero()
        assert len(one) == len(two) == 1
        across = int(two[0, 1] - one[0, 1])
        assert int(two[0, 0] - one[0, 0]) == 1
        assert across in (3, -3)
        assert image[0].max() == 1
        places.add((across, *one[0].tolist()))
    assert len(places) > 20


def test_training_learns_and_is_the_same_again() -> None:
    labels = np.arange(100) % 2
    part = Part(np.where(labels[:, None, None, None] > 0, 1, -1).repeat(4, 2).repeat(4, 3).astype(np.float32), labels)
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
        found.append(train(network, part, part, Schedule("one-cycle", 0.1, 3, batch=10), 1))
        assert accuracy(network, part) == found[-1][-1]
    assert found[0] == found[1]
    assert found[0][-1] == 1.0
