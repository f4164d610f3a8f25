"""What `graphmorph insert` can be told about the new layer."""

from __future__ import annotations

import click

from graphmorph.cli.options import combined


class KernelSize(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click only
    """One size, or one for each axis: 3 or 3x5."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).lower().split("x")
        if not all(part.isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value} is no size of a kernel: give 3, or 3x5 for an own size of each axis", param, ctx)
        return tuple(int(part) for part in parts)


layer_options = combined(
    click.option(
        "--algorithm",
        type=click.Choice(["compnet-1", "compnet-2", "compnet-3", "netmorph", "net2deeper"]),
        default="compnet-3",
        show_default=True,
        help="How the layer is made.",
    ),
    click.option(
        "--calibration",
        type=click.Path(exists=True),
        metavar="FILE.npz|FOLDER",
        help="Data on which activations are captured, as for --inputs.",
    ),
    click.option(
        "--channels",
        type=click.IntRange(min=1),
        default=None,
        help="Channels that the layer has at first (N_redundant). Default: twice as many as it reads, or more where "
        "--explained needs them.",
        callback=lambda ctx, param, value: value or 0,
    ),
    click.option("--survivors", type=click.IntRange(min=1), metavar="N", help="How many of them stay (N_sparse)."),
    click.option(
        "--explained",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="R2",
        help="As few survive as explain this share of the next layer's outputs.",
    ),
    click.option("--kernel", type=KernelSize(), default="3", show_default=True, help="Size of the window: 3, or 3x5."),
    click.option(
        "--activation",
        type=click.Choice(["relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu"]),
        default="relu",
        show_default=True,
        help="Activation function behind the layer.",
    ),
    click.option("--slope", type=float, default=0.01, show_default=True, help="Of leaky-relu below zero."),
    click.option(
        "--initialisation",
        type=click.Choice(["auto", "he", "he-middle", "xavier", "kumar"]),
        default="auto",
        show_default=True,
        help="Of the new weights; auto: he for relu and leaky-relu, else kumar; he-middle: of the middle tap alone.",
    ),
    click.option(
        "--penalty",
        type=click.FloatRange(min=0),
        default=0.1,
        show_default=True,
        help="Lambda, where neither --survivors nor --explained says how many channels stay.",
    ),
    click.option(
        "--alpha", type=click.FloatRange(min=0), default=0.1, show_default=True, help="Weight of channels' likeness."
    ),
    click.option(
        "--ridge",
        type=click.FloatRange(min=0),
        default=1e-6,
        show_default=True,
        help="Of the least squares, in units of the mean square column.",
    ),
    click.option(
        "--positions",
        type=click.IntRange(min=0),
        default=10,
        show_default=True,
        help="Positions of each sample that are used; 0: all.",
    ),
    click.option("--batch-norm", is_flag=True, help="A batch normalisation behind the layer, which changes nothing."),
    click.option(
        "--max-error",
        type=click.FloatRange(min=0),
        metavar="E",
        help="Fail where outputs change by more, as a share of their norm.",
    ),
    click.option("--latency/--no-latency", default=True, help="Time both models (default)."),
)
