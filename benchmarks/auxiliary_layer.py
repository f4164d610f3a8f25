"""`python -m benchmarks.auxiliary_layer`: pruning with an adaptive rate and an auxiliary layer, on MNIST at 10 x 10.

Two experiments, in ten folds: the paper's (tables I to IV), and our own, which prunes globally and step by step, with
and without an auxiliary layer, and measures accuracy at every number of weights. Rows go to
benchmarks/results/auxiliary_layer.json, each as soon as it is there, with a plot beside it. The images come from
$GRAPHMORPH_DATA, or from ../shared/data/mnist.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.auxiliary_curves import draw_curves
from benchmarks.auxiliary_data import FOLDS
from benchmarks.auxiliary_runs import Run, execute, missing, put, run_of
from benchmarks.auxiliary_table import markdown
from benchmarks.auxiliary_trial import Trial
from benchmarks.auxiliary_variants import Setting, own_setting, own_variants, paper_setting, paper_variants
from benchmarks.mnist import DataError, folder
from benchmarks.results import Results

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "auxiliary_layer.json"


def main() -> None:
    """Run the trials that were asked for, saving after each, and print the tables."""
    options = arguments()
    results = Results(options.results)
    if not options.table:
        try:
            source = folder()
        except DataError as error:
            sys.exit(f"auxiliary_layer: {error}")
        for setting in settings_of(options):
            run = run_of(results, settings_as_data(setting, options.samples))
            trials = trials_of(setting, options)
            asked = missing(run, trials) if options.missing else trials
            for row in execute(asked, source, options.samples, options.workers):
                put(run, trials, row)
                results.save()
    report(results)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add, names = parser.add_argument, [*paper_variants(), *own_variants()]
    add("--experiments", nargs="+", choices=("paper", "own"), default=["paper", "own"], help="default: both")
    add("--variants", nargs="+", choices=names, metavar="NAME", help=f"of {'; '.join(names)} (default: all)")
    add("--folds-run", type=int, default=FOLDS, help=f"so many of the {FOLDS} folds (default all)")
    add("--seeds", type=int, default=1, help="trials of each variant in each fold (default 1)")
    add("--measure", choices=("magnitude", "deviations", "share"), default="magnitude", help="of the paper's rates")
    add("--scope", choices=("global", "layer"), default="global", help="of the paper's rates")
    add("--retrain", type=int, default=3, help="epochs after each of the paper's prunings (default 3)")
    add("--epochs", type=int, default=8, help="epochs after each of our prunings (default 8)")
    add("--samples", type=int, help="images in all folds together (default all)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="trials at a time, one thread each (default: cores)")
    add("--missing", action="store_true", help="only trials that have no row with these settings yet")
    add("--table", action="store_true", help="run nothing, print and draw what is there")
    add("--results", type=Path, default=RESULTS, help=f"default benchmarks/results/{RESULTS.name}")
    options = parser.parse_args()
    if min(options.folds_run, options.seeds, options.retrain, options.epochs, options.workers) < 1:
        parser.error("--folds-run, --seeds, --retrain, --epochs and --workers must be at least 1")
    if options.folds_run > FOLDS:
        parser.error(f"--folds-run: there are {FOLDS}")
    return options


def settings_of(options: argparse.Namespace) -> list[Setting]:
    """The experiments that were asked for."""
    known = {
        "paper": paper_setting(options.measure, options.scope, options.retrain),
        "own": own_setting(options.epochs),
    }
    return [known[name] for name in options.experiments]


def settings_as_data(setting: Setting, samples: int | None) -> dict[str, Any]:
    """All that results depend on."""
    return {**asdict(setting), "samples": samples}


def trials_of(setting: Setting, options: argparse.Namespace) -> list[Trial]:
    """In the order of the rows."""
    variants = paper_variants() if setting.name == "paper" else own_variants()
    return [
        Trial(setting, name, variant, fold, seed)
        for name, variant in variants.items()
        if options.variants is None or name in options.variants
        for seed in range(options.seeds)
        for fold in range(options.folds_run)
    ]


def report(results: Results) -> None:
    """Print the tables of each run, and draw our own ones beside the file of results."""
    runs: Sequence[Run] = [run for run in results.data.get("runs", []) if run["trials"]]
    for run in runs:
        print(f"{markdown(run)}\n")
    own = [run for run in runs if run["settings"]["name"] == "own"]
    if own:
        draw_curves(own[-1]["trials"], results.path.with_suffix(".png"))


if __name__ == "__main__":
    main()
