"""What sparse weights leave behind goes for real: neurons without inputs or without outputs."""

from __future__ import annotations

from graphmorph.pruning.prune import prune
from graphmorph.torch_door.examples import ExampleInputs
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks


def remove_dead_neurons(masks: MagnitudeMasks, example_inputs: ExampleInputs) -> MorphedModule:
    """Remove whatever the zeros make superfluous, exactly and proven; masks and optimizer go on with the result.

    A neuron that nobody reads goes; so does one that reads nothing, and is therefore constant: what it gives moves into
    the biases behind it. Both may leave more of their kind. This is `graphmorph.prune(..., exact=True)`.

    A weight that is zero without being pruned counts as zero.
    """
    smaller = prune(masks.module, example_inputs, exact=True)
    masks.follow(smaller)
    return smaller
