"""`python -m benchmarks.compnet_vgg`: CompNet's VGG rows, on padded MNIST with narrow networks, or in full on CIFAR-10.

By default VGG15 becomes VGG16 (with relu, sigmoid and tanh behind the new layer) at an eighth of its width, on MNIST
padded to 32 x 32, for a few epochs: the structure of the rows, not their figures. `--data cifar10 --folder FOLDER`
runs all five rows at full width with the paper's schedule (a constant rate of 3e-4, 1,000 epochs, parents too), with
dropout, mirrored and shifted images; FOLDER holds the binary version of CIFAR-10, or folders of images (see
benchmarks/cifar10.py). Rows go to benchmarks/results/compnet_vgg.json, each as soon as it is there.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compnet_data import Data, Name, parts_of
from benchmarks.compnet_networks import vgg_experiments
from benchmarks.compnet_options import ROOT, add_common, checked, report, run_asked, schedule
from benchmarks.compnet_training import Rates, Schedule
from benchmarks.compnet_trial import Plan, Trial
from benchmarks.compnet_variants import possible
from benchmarks.mnist import DataError, folder
from benchmarks.results import Results

RESULTS = ROOT / "benchmarks" / "results" / "compnet_vgg.json"
#: Those of table 2, a smaller one, and the control.
USUAL = (
    *("compnet-1", "compnet-2", "compnet-3", "compnet-3-quarter"),
    *("netmorph-oracle", "netmorph-redundant", "scratch", "control"),
)
RATES: dict[Rates, float] = {"constant": 3e-4, "one-cycle": 1e-2}


@dataclass(frozen=True)
class Scale:
    """What depends on the data."""

    data: Name
    channels: int
    width: int
    epochs: int
    parent: tuple[Rates, float]
    calibrated_on: int
    dropout: float = 0.0
    augmented: bool = False


SCALES = {
    "mnist": Scale("mnist-32", 1, 8, 3, ("one-cycle", 1e-2), 3_000),
    "cifar10": Scale("cifar10", 3, 64, 1_000, ("constant", 3e-4), 5_000, dropout=0.5, augmented=True),
}


def main() -> None:
    """Run the trials that were asked for, saving after each, and print the tables."""
    options = arguments()
    results = Results(options.results)
    if not options.table:
        try:
            run_asked(results, *planned(options), options)
        except DataError as error:
            sys.exit(f"compnet_vgg: {error}")
    report(results)


def planned(options: argparse.Namespace) -> tuple[Plan, list[Trial]]:
    """What is run.

    Raises:
        DataError: the images are not there.
    """
    scale = SCALES[options.data]
    data = Data(scale.data, folder() if options.data == "mnist" else options.folder, options.samples)
    parts_of(data)
    parent = Schedule(*scale.parent, options.parent_epochs, augmented=scale.augmented)
    after = schedule(options, RATES, augmented=scale.augmented)
    plan = Plan(data, parent, after, scale.calibrated_on, options.cache, options.device, options.width)
    rows = vgg_experiments(options.width, scale.channels, scale.dropout)
    chosen = [one for one in rows if one.name in options.rows]
    trials = [
        Trial(one, variant, seed)
        for one in chosen
        for seed in range(options.seeds)
        for variant in possible(options.variants, one)
    ]
    return plan, trials


def arguments() -> argparse.Namespace:
    """The command line, the defaults of the data filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.name for one in vgg_experiments(1, 1, 0.0)]
    add_common(parser, RESULTS, RATES, USUAL)
    parser.set_defaults(schedule=None)  # by the data
    add = parser.add_argument
    add("--data", choices=list(SCALES), default="mnist", help="default mnist")
    add("--folder", type=Path, help="of CIFAR-10")
    add("--rows", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)} (default: see above)")
    add("--width", type=int, help="channels of the first stage (default 8, for CIFAR-10 64)")
    add("--seeds", type=int, default=1, help="trials of each variant (default 1)")
    add("--epochs", type=int, help="after insertion (default 3, for CIFAR-10 1,000)")
    add("--parent-epochs", type=int, help="default: as many as after insertion")
    add("--device", default="cpu", help="where to train, as torch says it (default cpu)")
    return checked(parser, filled)


def filled(options: argparse.Namespace) -> None:
    """Set what was not given, by the data.

    Raises:
        ValueError: CIFAR-10 without its folder.
    """
    scale = SCALES[options.data]
    if options.data == "cifar10" and options.folder is None and not options.table:
        raise ValueError("--data cifar10 needs --folder")
    options.schedule = options.schedule or scale.parent[0]
    options.width = options.width or scale.width
    options.epochs = options.epochs or scale.epochs
    options.parent_epochs = options.parent_epochs or options.epochs
    usual = [one.name for one in vgg_experiments(1, 1, 0.0)]
    options.rows = options.rows or (usual[:3] if options.data == "mnist" else usual)


if __name__ == "__main__":
    main()
