"""`graphmorph groups`: which channels of a model live and die together, what they cost, and which must stay."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.export import factory_options
from graphmorph.cli.input_shapes import WantedInput
from graphmorph.cli.options import combined, freeze_option, json_option, parse_shapes

if TYPE_CHECKING:
    from graphmorph.channels.walls import Wall
    from graphmorph.pruning.listing import ChannelGroups, GroupListing

FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

file_options = combined(
    click.option(
        "--shape",
        "shapes",
        multiple=True,
        callback=parse_shapes,
        metavar="NAME:1,3,224,224",
        help="Size of an input with dynamic dimensions (repeatable). Default: several sizes are tried.",
    ),
    freeze_option,
)


@click.command("groups")
@click.argument("model", metavar="MODEL|PACKAGE.MODULE:FACTORY")
@click.option("--match", metavar="GLOB", help="List only what a node or a constant with such a name is in.")
@click.option(
    "--sort",
    type=click.Choice(["parameters", "multiply-adds", "units", "graph"]),
    default="parameters",
    show_default=True,
    help="Largest saving of one unit first, most units first, or the order of the graph.",
)
@file_options
@factory_options
@json_option
@click.option("-v", "--verbose", is_flag=True, help="List members of the groups, choices, and every wall.")
def groups(
    model: str,
    match: str | None,
    sort: str,
    shapes: dict[str, tuple[int, ...]],
    freeze_initializers: bool,
    factory_arguments: dict[str, Any],
    weights: Path | None,
    wanted: list[WantedInput],
    json_file: str | None,
    verbose: bool,
) -> None:
    """List the channels of MODEL that `prune` can remove, and what each of them saves; and what must stay, and why.

    MODEL is an ONNX file, or a function that returns a torch module, as for `graphmorph export`. A unit is what goes
    together; a group has units that are alike. Nothing is written.
    """
    from graphmorph.cli.json_output import STDOUT, write_json

    of_modules = {"--factory-arg": bool(factory_arguments), "--weights": weights is not None, "--input": bool(wanted)}
    if is_factory(model):
        _refuse({"--shape": bool(shapes), "--freeze-initializers": freeze_initializers}, "ONNX files")
        found = groups_of_module(model, factory_arguments, weights, wanted)
    else:
        _refuse(of_modules, "torch modules")
        found = groups_of_file(Path(model), shapes, freeze_initializers)
    shown = chosen(found, match, sort)
    if json_file is not None:
        write_json(shown.to_json(), json_file)
    if json_file != STDOUT:
        from graphmorph.cli.render_groups import render_groups
        from graphmorph.cli.terminal import report_console

        report_console().print(render_groups(shown, verbose=verbose))


def is_factory(model: str) -> bool:
    """Whether it leads to a torch module: a file of that name goes first."""
    return FACTORY.fullmatch(model) is not None and not Path(model).exists()


def groups_of_file(model: Path, shapes: dict[str, tuple[int, ...]], freeze_initializers: bool) -> ChannelGroups:
    """The groups of an ONNX file."""
    from graphmorph.runtime.spawn import spawn_ahead

    spawn_ahead("sessions")  # it imports while we do
    import graphmorph

    return graphmorph.channel_groups(model, shapes=shapes or None, freeze_initializers=freeze_initializers)


def groups_of_module(
    factory: str, arguments: dict[str, Any], weights: Path | None, wanted: list[WantedInput]
) -> ChannelGroups:
    """The groups of the torch module that a factory returns."""
    import graphmorph
    from graphmorph.cli.factory import load_module
    from graphmorph.cli.input_shapes import example_inputs

    module = load_module(factory, arguments, weights)
    return graphmorph.channel_groups(module, example_inputs(module, wanted, seed=0))


def chosen(found: ChannelGroups, match: str | None, sort: str) -> ChannelGroups:
    """Those of the groups, walls and choices that touch what matches, in the order that was asked for.

    Raises:
        UsageError: nothing matches.
    """
    order = {
        "parameters": lambda group: -group.parameters,
        "multiply-adds": lambda group: -group.multiply_adds,
        "units": lambda group: -group.units,
        "graph": lambda group: 0,
    }[sort]
    if match is None:
        return replace(found, groups=sorted(found.groups, key=order))
    groups = [group for group in found.groups if any(fnmatchcase(name, match) for name in names_of(group))]
    walls = [wall for wall in found.walls if any(fnmatchcase(name, match) for name in names_of_wall(wall))]
    if not groups and not walls:
        from graphmorph.errors import UsageError

        raise UsageError(f"--match {match}: no group and no wall of {found.model} has such a name in it")
    choices = [choice for choice in found.choices if fnmatchcase(choice.node, match)]
    return replace(found, groups=sorted(groups, key=order), walls=walls, choices=choices)


def names_of(group: GroupListing) -> set[str]:
    """Its own, its constants', and those of the nodes that read them."""
    constants = {member.constant for member in group.members}
    return {group.name, *constants, *(reader for member in group.members for reader in member.readers)}


def names_of_wall(wall: Wall) -> set[str]:
    """The layer's, and those of the nodes that keep it."""
    return {wall.node, *(reason.node for reason in wall.reasons)}


def _refuse(given: dict[str, bool], kind: str) -> None:
    """Options that this kind of model does not take."""
    flags = [flag for flag, is_given in given.items() if is_given]
    if flags:
        raise click.UsageError(f"{' and '.join(flags)}: for {kind}", click.get_current_context())
