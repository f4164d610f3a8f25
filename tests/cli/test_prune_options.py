"""The options of `graphmorph prune` are those of the engine."""

from __future__ import annotations

import inspect
from typing import get_args

import click

from graphmorph.channels.criteria.criterion import Aggregation, CriterionName, Members
from graphmorph.cli.prune import prune
from graphmorph.cli.prune_options import EXACT_OPTIONS
from graphmorph.fusing import fuse
from graphmorph.pruning.prune import prune as engine


def choices(name: str) -> tuple[str, ...]:
    option = next(parameter for parameter in prune.params if parameter.name == name)
    assert isinstance(option.type, click.Choice)
    return tuple(option.type.choices)


def default(name: str) -> object:
    return next(parameter for parameter in prune.params if parameter.name == name).default


def test_choices() -> None:
    assert choices("criterion") == get_args(CriterionName)
    assert choices("members") == get_args(Members)
    assert choices("aggregation") == get_args(Aggregation)


def test_defaults() -> None:
    parameters = inspect.signature(engine).parameters
    for name in ("criterion", "members", "aggregation", "round_to", "floor", "floor_fraction", "samples", "seed"):
        assert default(name) == parameters[name].default, name


def test_what_exact_removal_takes_is_what_fuse_takes() -> None:
    assert set(inspect.signature(fuse).parameters) >= EXACT_OPTIONS
    own = {parameter.name for parameter in prune.params}
    assert own >= EXACT_OPTIONS
