"""How far a module is from another one, in torch."""

from __future__ import annotations

import torch
from torch import nn

from graphmorph.pruning.change import Change, changes
from graphmorph.torch_door.module_proof import Inputs, drawn, evaluation, outputs_of


def module_change(original: nn.Module, candidate: nn.Module, example: Inputs, *, samples: int, seed: int) -> Change:
    """Outputs in evaluation mode, on the example and on inputs that are drawn like it."""
    generator = torch.Generator().manual_seed(seed)
    cases = [example, *(drawn(example, generator) for _ in range(samples))]
    with evaluation(original), evaluation(candidate), torch.no_grad():
        expected = [outputs_of(original, case) for case in cases]
        got = [outputs_of(candidate, case) for case in cases]
    return Change(changes(expected, got), "given and seeded", len(cases))
