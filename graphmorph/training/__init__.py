"""What training needs around a rewrite: an optimizer that goes on with the new module, and loops that rewrite."""

try:
    import torch  # noqa: F401 - asked for first, so that its absence is explained once
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("training needs torch: pip install 'graphmorph[train]'", name="torch") from error

from graphmorph.training.auxiliary_layer import insert_auxiliary_layer
from graphmorph.training.magnitude_pruning.adaptive_pruning import AdaptivePruning
from graphmorph.training.magnitude_pruning.dead_neurons import remove_dead_neurons
from graphmorph.training.magnitude_pruning.masks import MagnitudeMasks
from graphmorph.training.magnitude_pruning.sparse_report import SparseReport, sparse_report
from graphmorph.training.magnitude_pruning.static_pruning import StaticPruning
from graphmorph.training.optimizer_state import carry_optimizer

__all__ = [
    "AdaptivePruning",
    "MagnitudeMasks",
    "SparseReport",
    "StaticPruning",
    "carry_optimizer",
    "insert_auxiliary_layer",
    "remove_dead_neurons",
    "sparse_report",
]
