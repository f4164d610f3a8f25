"""A module, its optimizer and its masks at one moment, to go back to."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks


@dataclass(frozen=True, eq=False)
class Snapshot:
    """State dicts of all three, which share no memory with them."""

    module: dict[str, Any]
    optimizer: dict[str, Any]
    masks: dict[str, Any]

    @classmethod
    def of(cls, masks: MagnitudeMasks) -> Snapshot:
        module, optimizer = masks.module.state_dict(), masks.optimizer.state_dict()
        return cls(copy.deepcopy(dict(module)), copy.deepcopy(optimizer), masks.state_dict())

    def restore(self, masks: MagnitudeMasks) -> None:
        """Back to that moment; the optimizer's learning rates too."""
        masks.module.load_state_dict(self.module)
        # The optimizer takes tensors of a state as its own.
        masks.optimizer.load_state_dict(copy.deepcopy(self.optimizer))
        masks.load_state_dict(self.masks)
