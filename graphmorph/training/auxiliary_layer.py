"""A new layer in a pruned network, in the middle of training: another chance for what was pruned (section III.B)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import nn

from graphmorph.errors import OptimizerWarning, UsageError
from graphmorph.layer_insertion.insert import insert_layer
from graphmorph.layer_insertion.new_layer import Activation
from graphmorph.torch_door.examples import ExampleInputs
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.torch_door.provenance import ParameterOrigin
from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks

#: random: as in the paper, the new layer and the next one are drawn. compnet: the function is kept as well as least
#: squares on calibration data can. identity: it is kept exactly, and the layer is as wide as what it reads.
Start = Literal["random", "compnet", "identity"]


def insert_auxiliary_layer(
    masks: MagnitudeMasks,
    example_inputs: ExampleInputs,
    *,
    after: str,
    before: str | None = None,
    neurons: int = 0,
    start: Start = "random",
    calibration: Any = None,
    activation: Activation = "relu",
    seed: int = 0,
) -> MorphedModule:
    """Insert a fully connected layer behind `after`; masks and optimizer go on with the deeper module.

    The new layer is whole. What is pruned elsewhere stays pruned, except in the layer that now reads the new one: its
    weights are new as well, in the shape that fits; with start="identity" they stay what they were, and so do their
    masks. The optimizer's state of both begins anew.

    after, before: nodes, as for `graphmorph.insert_layer`, which puts the layer there. The paper links "one half of the
    neurons to the other half". neurons: of the new layer; 0 with start="identity". calibration: as there, for
    start="compnet". seed: of random weights, which are drawn as the layers themselves draw them.

    Raises:
        UsageError: options that contradict each other, or a place that does not exist.
        RefusedError: no layer can go there.
    """
    if start not in get_args(Start):
        raise UsageError(f"start={start!r}: there are {', '.join(get_args(Start))}")
    if (neurons < 1) != (start == "identity"):
        raise UsageError(
            f"neurons={neurons} with start={start!r}: the identity is as wide as what it reads, any other layer has "
            "at least one neuron"
        )
    if (calibration is None) != (start != "compnet"):
        raise UsageError(f"start={start!r} with{'out' * (calibration is None)} calibration data: compnet fits to them")
    options: dict[str, Any] = {"after": after, "before": before, "activation": activation, "latency": False}
    if start == "identity":
        options["algorithm"] = "net2deeper"
    else:
        # Weights that are drawn afterwards need no data: the example makes the shapes.
        fitted = [example_inputs] if calibration is None else calibration
        channels = neurons if start == "random" else 2 * neurons
        options |= {"algorithm": "compnet-3", "channels": channels, "survivors": neurons, "calibration": fitted}
        options |= {"seed": seed, "verify": start != "random"}
    deeper = insert_layer(masks.module, example_inputs, **options)
    if start == "random":
        _draw(deeper, seed)
    with warnings.catch_warnings():
        # That the next layer's state begins anew is what was asked for.
        warnings.simplefilter("ignore", OptimizerWarning)
        masks.follow(deeper)
    return deeper


def _draw(deeper: MorphedModule, seed: int) -> None:
    """Draw the weights of the layers that are new or were computed, biases included, as torch initialises layers."""
    origins: Mapping[str, ParameterOrigin] = deeper.__dict__["parameter_origins"]
    drawn = dict.fromkeys(
        path.rpartition(".")[0] for path, origin in origins.items() if not origin.paths or origin.slices is None
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for path in drawn:
            layer = deeper.get_submodule(path)
            if not isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
                raise UsageError(f"{path} is a {type(layer).__name__}, whose weights are not drawn: start with compnet")
            layer.reset_parameters()
