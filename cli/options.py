"""Options that several commands share, and the parsers of their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Shapes = dict[str, tuple[int, ...]]
INPUT_FILE = click.Path(path_type=Path)  # existence is the door's to judge: it has the better message


def parse_shapes(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Shapes:
    """Option callback: {"x": (1, 3, 224, 224)} from `x:1,3,224,224`; names may hold colons (`input:0`)."""
    shapes: Shapes = {}
    for value in values:
        name, colon, text = value.rpartition(":")
        sizes = text.replace("x", ",").split(",") if text else []
        if not colon or not name or not all(size.strip().isdecimal() for size in sizes):
            raise click.BadParameter(f"{value!r} is not of the form NAME:1,3,224,224", param=param)
        if name in shapes:
            raise click.BadParameter(f"two shapes for the input {name!r}", param=param)
        shapes[name] = tuple(int(size) for size in sizes)
    return shapes


def parse_names(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Option callback: names given one by one or with commas, in order."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def combined(*decorators: Decorator) -> Decorator:
    """One decorator that applies several, so that help lists them in the order given."""

    def apply(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def repeated_names(flag: str, *, help: str, metavar: str, default: tuple[str, ...] = ()) -> Decorator:
    """An option that may be repeated, or take a list with commas."""
    return click.option(flag, multiple=True, default=default, callback=parse_names, metavar=metavar, help=help)


data_options = combined(
    click.option(
        "--shape",
        "shapes",
        multiple=True,
        callback=parse_shapes,
        metavar="NAME:1,3,224,224",
        help="Size of an input with dynamic dimensions (repeatable). Default: several sizes are tried.",
    ),
    click.option(
        "--inputs",
        type=INPUT_FILE,
        metavar="FILE.npz|FOLDER",
        help="Your own data: an .npz with one array per input, or a folder of .npy. Default: seeded random.",
    ),
    click.option(
        "--labels",
        metavar="NAME|FILE.npy",
        help="True classes, for the accuracy before and after: an array of the .npz, or a file.",
    ),
    click.option(
        "--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Random samples per size."
    ),
)

comparison_options = combined(
    click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance, instead of the measured one."),
    click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance, instead of the measured one."),
    repeated_names(
        "--providers",
        metavar="NAME",
        default=("CPUExecutionProvider",),
        help="onnxruntime execution providers, in order. Default: CPUExecutionProvider.",
    ),
    click.option(
        "--custom-ops",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False),
        metavar="LIB",
        help="Library of custom operators (repeatable).",
    ),
)


def seed_option(help: str = "Seed of the random samples.") -> Decorator:
    """--seed, of whatever a command draws."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=help)


def verify_option(help: str) -> Decorator:
    """--verify, which is the default."""
    return click.option("--verify/--no-verify", default=True, help=help)


proof_options = combined(data_options, seed_option(), comparison_options)

keep_option = click.option(
    "--keep", multiple=True, metavar="GLOB", help="Leave nodes with such names as they are (repeatable)."
)
certify_option = click.option(
    "--certify", is_flag=True, help="Certify each affine rewrite, in float64 and for every input."
)

json_option = click.option("--json", "json_file", metavar="FILE", help="Write the report as JSON; - for stdout.")

report_options = combined(
    json_option,
    click.option("--junit", "junit_file", type=INPUT_FILE, metavar="FILE", help="Write the verdicts as JUnit XML."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option("-v", "--verbose", is_flag=True, help="List every rewrite and every refusal."),
)

freeze_option = click.option(
    "--freeze-initializers",
    is_flag=True,
    help="Treat initializers that are also graph inputs as constants, and drop them from the inputs.",
)
