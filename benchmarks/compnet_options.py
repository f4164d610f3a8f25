"""What the command lines of CompNet's experiments have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.compnet_curves import draw_curves
from benchmarks.compnet_runs import missing, run_and_save, run_of
from benchmarks.compnet_table import markdown
from benchmarks.compnet_training import Rates, Schedule
from benchmarks.compnet_trial import Plan, Trial
from benchmarks.compnet_variants import VARIANTS
from benchmarks.results import Results

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "benchmarks" / "compnet"


def add_common(
    parser: argparse.ArgumentParser, results: Path, rates: Mapping[Rates, float], usual: Iterable[str] = VARIANTS
) -> None:
    """Options of every experiment; `checked` gives their values."""
    add, names, chosen = parser.add_argument, ", ".join(VARIANTS), list(usual)
    rated = ", ".join(f"{rate:g} {name}" for name, rate in rates.items())
    add("--schedule", choices=list(rates), default="constant", help="of the rate after insertion")
    add("--lr", type=float, help=f"the rate, or the largest of the cycle (default {rated})")
    left_out = ", ".join(name for name in VARIANTS if name not in chosen)
    told = f"of {names} (default: all{f' but {left_out}' if left_out else ''})"
    add("--variants", nargs="+", choices=list(VARIANTS), default=chosen, metavar="NAME", help=told)
    add("--samples", type=int, help="train on the first so many images only (default all)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="trials at a time, one thread each (default: cores)")
    add("--missing", action="store_true", help="only trials that have no row with these settings yet")
    add("--table", action="store_true", help="run nothing, print and draw what is there")
    add("--cache", type=Path, default=CACHE, help="folder for trained parents (default build/benchmarks/compnet)")
    add("--results", type=Path, default=results, help=f"default benchmarks/results/{results.name}")


def checked(
    parser: argparse.ArgumentParser, filled: Callable[[argparse.Namespace], None] = lambda options: None
) -> argparse.Namespace:
    """The values. filled: sets those that depend on others; its ValueError is a mistake of the user."""
    options = parser.parse_args()
    try:
        filled(options)
    except ValueError as error:
        parser.error(str(error))
    if min(options.seeds, options.epochs, options.parent_epochs, options.workers) < 1:
        parser.error("--seeds, --epochs, --parent-epochs and --workers must be at least 1")
    return options


def schedule(options: argparse.Namespace, rates: Mapping[Rates, float], **others: Any) -> Schedule:
    """That of the training after insertion."""
    rate = rates[options.schedule] if options.lr is None else options.lr
    return Schedule(options.schedule, rate, options.epochs, **others)


def run_asked(results: Results, plan: Plan, trials: list[Trial], options: argparse.Namespace) -> None:
    """All trials, or those that are missing."""
    asked = missing(run_of(results, plan), trials) if options.missing else trials
    if asked:
        run_and_save(results, plan, trials, asked=asked, workers=options.workers)


def report(results: Results, target: float | None = None) -> None:
    """Print the table of each run, and draw its curves beside the file of results."""
    for run in results.data.get("runs", []):
        print(f"{markdown(run, target)}\n")
        draw_curves(run["trials"], figure_of(results.path, run), target)


def figure_of(path: Path, run: Mapping[str, Any]) -> Path:
    """Where the curves of a run go."""
    settings, after = run["settings"], run["settings"]["after"]
    told = (settings["data"], settings["width"], settings["samples"], after["rates"], after["rate"], after["epochs"])
    return path.with_name("_".join([path.stem, *(str(one) for one in told if one is not None)]) + ".png")
