"""`python -m benchmarks.acnet_mnist`: a slim VGG against its ACNet counterpart on MNIST, trained alike, then fused.

For each seed both networks are trained on the same images in the same order. Reported are test accuracies before and
after fusion, decisions that fusion changed, the average kernel magnitude matrices of equation 9, and figure 5's pruning
curves. Numbers go to benchmarks/results/acnet_mnist.json (with --quick, a trial run, to build/benchmarks) with two
plots beside them. The images come from $GRAPHMORPH_DATA, or from ../shared/data/mnist.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from benchmarks.acnet_curves import RATIOS, STRIDE, draw_curves
from benchmarks.acnet_summary import NETWORKS, average_matrix, lines, summarise
from benchmarks.acnet_trial import Schedule, run_trial
from benchmarks.mnist import DataError, folder
from benchmarks.results import Results
from graphmorph.kernels.heat_map import draw_heat_maps

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "acnet_mnist.json"
QUICK_RESULTS = ROOT / "build" / "benchmarks" / "acnet_mnist.json"
QUICK = Schedule(width=4, samples=400, epochs=2)


def main() -> None:
    """Run the trials, saving after each, and print what came out."""
    options = arguments()
    try:
        source = folder()
    except DataError as error:
        sys.exit(f"acnet_mnist: {error}")
    schedule = QUICK if options.quick else Schedule(width=options.width, samples=options.samples, epochs=options.epochs)
    results = Results(options.results)
    results.data = {}
    curves = {"draws": options.draws, "sparsities": RATIOS, "on_every_image": STRIDE}
    results.put("settings", {**asdict(schedule), "pruning": curves})
    trials: list[dict[str, Any]] = []
    for trial in run_trials(range(options.seeds), schedule, source, options.draws, options.workers):
        trials = sorted([*trials, trial], key=lambda one: int(one["seed"]))
        publish(trials, results)
    for line in lines(results.data["summary"]):
        print(line)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add, usual = parser.add_argument, Schedule()
    add("--seeds", type=int, default=5, help="trials, each with a seed of its own (default 5)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="trials at a time, one thread each (default: cores)")
    add("--width", type=int, default=usual.width, help=f"channels of the first layers (default {usual.width})")
    add("--samples", type=int, default=usual.samples, help=f"training images (default {usual.samples})")
    add("--epochs", type=int, default=usual.epochs, help=f"default {usual.epochs}")
    add("--draws", type=int, help="random prunings for each point of a curve, 0 for no curves (default 5)")
    add("--quick", action="store_true", help="a minute's trial run, whose numbers mean nothing")
    add("--results", type=Path, help="default benchmarks/results/acnet_mnist.json")
    options = parser.parse_args()
    if options.seeds < 1 or options.workers < 1:
        parser.error("--seeds and --workers must be at least 1")
    if options.draws is None:
        options.draws = 1 if options.quick else 5
    if options.results is None:
        options.results = QUICK_RESULTS if options.quick else RESULTS
    return options


def run_trials(
    seeds: Sequence[int], schedule: Schedule, source: Path, draws: int, workers: int
) -> Iterator[dict[str, Any]]:
    """Trials as they end, several at a time in processes of their own."""
    # One thread each: sums, and with them the weights, depend on the number of threads.
    pool = ProcessPoolExecutor(min(workers, len(seeds)), get_context("spawn"), torch.set_num_threads, (1,))
    with Progress() as progress, pool:
        task = progress.add_task(f"trials of {schedule.samples} images, {schedule.epochs} epochs", total=len(seeds))
        running = [pool.submit(run_trial, seed, schedule, source, draws) for seed in seeds]
        for ended in as_completed(running):
            yield ended.result()
            progress.advance(task)


def publish(trials: Sequence[dict[str, Any]], results: Results) -> None:
    """Write the numbers, and draw them."""
    results.put("summary", summarise(trials))
    results.put("trials", list(trials))
    results.save()
    stem = results.path.with_suffix("")
    draw_heat_maps([(title, average_matrix(trials, name)) for name, title in NETWORKS.items()], f"{stem}_kernels.png")
    if trials[0]["baseline"]["pruning"]:
        draw_curves(trials, NETWORKS, Path(f"{stem}_pruning.png"))


if __name__ == "__main__":
    main()
