"""`python -m benchmarks.compnet_mnist`: LeNet4 to LeNet5 on MNIST, by CompNet's algorithms and by their peers.

For each seed a LeNet4 is trained as in the paper (kept under build/benchmarks), a layer of 100 filters of 3 x 3 goes
behind its first pooling in every way that there is, and all networks are trained on in the same schedule; so is the
parent itself, without a layer. Rows go to benchmarks/results/compnet_mnist.json, each as soon as it is there, with
learning curves beside it. The images come from $GRAPHMORPH_DATA, or from ../shared/data/mnist.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.compnet_data import Data
from benchmarks.compnet_networks import lenet
from benchmarks.compnet_options import ROOT, add_common, checked, report, run_asked, schedule
from benchmarks.compnet_table import TARGET
from benchmarks.compnet_training import Rates, Schedule
from benchmarks.compnet_trial import Plan, Trial
from benchmarks.mnist import DataError, folder
from benchmarks.results import Results

RESULTS = ROOT / "benchmarks" / "results" / "compnet_mnist.json"
#: The paper's constant rate (section 3.1), and what one cycle goes up to.
RATES: dict[Rates, float] = {"constant": 5e-3, "one-cycle": 2e-2}
CALIBRATED_ON = 3_000


def main() -> None:
    """Run the trials that were asked for, saving after each, and print the table."""
    options = arguments()
    results = Results(options.results)
    if options.table:
        report(results, TARGET)
        return
    try:
        data = Data("mnist", folder(), options.samples)
    except DataError as error:
        sys.exit(f"compnet_mnist: {error}")
    parent = Schedule("constant", RATES["constant"], options.parent_epochs)
    plan = Plan(data, parent, schedule(options, RATES), CALIBRATED_ON, options.cache)
    trials = [Trial(lenet(), variant, seed) for seed in range(options.seeds) for variant in options.variants]
    run_asked(results, plan, trials, options)
    report(results, TARGET)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser, RESULTS, RATES)
    add = parser.add_argument
    add("--seeds", type=int, default=3, help="trials of each variant (default 3)")
    add("--epochs", type=int, default=5, help="after insertion (default 5)")
    add("--parent-epochs", type=int, default=6, help="of LeNet4, at the paper's constant rate (default 6)")
    return checked(parser)


if __name__ == "__main__":
    main()
