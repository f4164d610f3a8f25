"""Options of `graphmorph prune`, and which of them go together."""

from __future__ import annotations

import click
from click.core import ParameterSource

from graphmorph.cli.destination import destination_options
from graphmorph.cli.options import (
    INPUT_FILE,
    combined,
    comparison_options,
    data_options,
    freeze_option,
    seed_option,
    verify_option,
)

#: Exactly one of these says what goes; the two targets may be given together.
HOW_MUCH = {
    "--ratio": "ratio",
    "--target-macs": "target",
    "--target-params": "target",
    "--max-error": "max_error",
    "--plan": "plan",
    "--exact": "exact",
}
#: What decides which channels are least important: nothing that --plan or --exact asks.
_CHOICE = {"global_scope", "criterion", "members", "aggregation", "round_to", "floor", "floor_fraction"}
_IDLE = {
    "--plan": {*_CHOICE, "keep"},
    "--exact": {*_CHOICE, "calibration", "repair", "latency", "plan_out", "picture"},
}

#: What `graphmorph.fuse` takes of the options of this command.
EXACT_OPTIONS = {"keep", "verify", "inputs", "labels", "shapes", "samples", "seed", "rtol", "atol", "providers"}
EXACT_OPTIONS |= {"custom_ops", "freeze_initializers", "in_place"}

how_much_options = combined(
    click.option("--ratio", type=click.FloatRange(0, 1), metavar="SHARE", help="Remove this share of the channels."),
    click.option(
        "--target-macs",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="Remove channels until no more than this share of the multiply-adds is left.",
    ),
    click.option("--target-params", type=click.FloatRange(0, 1), metavar="SHARE", help="The same for the parameters."),
    click.option(
        "--max-error",
        type=click.FloatRange(min=0),
        metavar="ERROR",
        help="Remove as many as change no output by more than this share of its norm.",
    ),
    click.option("--plan", type=INPUT_FILE, metavar="FILE.json", help="Remove what an earlier plan says."),
    click.option(
        "--exact", is_flag=True, help="Remove only what changes nothing: unread, constant, duplicate channels."
    ),
)

choice_options = combined(
    click.option(
        "--global/--per-layer",
        "global_scope",
        default=False,
        help="Of all channels in the order of their scores, or of each group (default).",
    ),
    click.option(
        "--criterion",
        type=click.Choice(
            [
                "l1",
                "l2",
                "bn-scale",
                "geometric-median",
                "kse",
                "random",
                "mean-activation",
                "apoz",
                "reconstruction",
            ]
        ),
        default="l2",
        show_default=True,
        help="What the least important channels are; the last three need --calibration.",
    ),
    click.option(
        "--members",
        type=click.Choice(["producers", "all"]),
        default="producers",
        show_default=True,
        help="l1, l2: weigh the weights that make a channel, or also those that read it.",
    ),
    click.option(
        "--aggregation",
        type=click.Choice(["mean", "sum", "max"]),
        default="mean",
        show_default=True,
        help="How the scores of tied layers become one.",
    ),
    click.option(
        "--round-to",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        metavar="N",
        help="Keep widths that are multiples of N: odd ones run slower.",
    ),
    click.option(
        "--floor",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Keep at least N units of each group.",
    ),
    click.option(
        "--floor-fraction",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        metavar="SHARE",
        help="Keep at least this share of each group.",
    ),
    click.option(
        "--keep", multiple=True, metavar="GLOB", help="Keep the channels of nodes with such names (repeatable)."
    ),
)

output_options = combined(
    destination_options(
        "pruned",
        in_place="Replace MODEL itself, once the removal is proven.",
        dry_run="Remove, prove and measure, but write no model.",
    ),
    click.option(
        "--plan-out",
        type=INPUT_FILE,
        metavar="FILE.json",
        help="Where to write what was removed, for --plan. Default: OUTPUT.plan.json; none with --plan or --dry-run.",
    ),
    click.option("--picture", type=INPUT_FILE, metavar="FILE.png|.svg", help="Draw the widths before and after."),
)

run_options = combined(
    click.option(
        "--calibration",
        type=INPUT_FILE,
        metavar="FILE.npz|FOLDER",
        help="Data to score activations on, and to repair with.",
    ),
    click.option(
        "--repair", is_flag=True, help="Fit the weights that lost inputs by least squares, on the calibration data."
    ),
    click.option("--latency/--no-latency", default=True, help="Time both models in onnxruntime (default)."),
    verify_option("Prove the removal, and measure the change (default)."),
    freeze_option,
    data_options,
    seed_option("Seed of the random samples, and of --criterion random."),
    comparison_options,
)


def require_one_amount(ctx: click.Context) -> None:
    """See that something says how much goes, and that no given option is without a meaning beside it.

    Raises:
        click.UsageError: nothing says it, several do, or an option would be ignored.
    """
    flags = _given_flags(ctx)
    given = [flag for flag in HOW_MUCH if flag in flags.values()]
    if not given:
        raise click.UsageError(f"say how much is to go: {', '.join(list(HOW_MUCH)[:-1])} or --exact", ctx)
    if len({HOW_MUCH[flag] for flag in given}) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other: give one", ctx)
    ignored = [flag for name, flag in flags.items() if name in _IDLE.get(given[0], ())]
    if ignored:
        raise click.UsageError(f"{' and '.join(ignored)}: means nothing with {given[0]}", ctx)


def _given_flags(ctx: click.Context) -> dict[str, str]:
    """By parameter, the flag that the user gave."""
    return {
        str(parameter.name): parameter.opts[-1]
        for parameter in ctx.command.params
        if ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
