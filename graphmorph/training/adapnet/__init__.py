"""AdapNet (Ahmadluei, Faez, Masoumi: Adaptive pruning of convolutional neural network, JADM 2022): what it measures of
the layers of a network in training, and what it decides. Arrays in, decisions out; nothing here touches the network."""

try:
    import sklearn  # noqa: F401 - asked for first, so that its absence is explained once
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("AdapNet needs scikit-learn: pip install 'graphmorph[train]'", name="sklearn") from error

from graphmorph.training.adapnet.config import AdapNetConfig
from graphmorph.training.adapnet.decisions import GroupDecisions, Insertion, Merging, Pruning
from graphmorph.training.adapnet.group_decisions import decide
from graphmorph.training.adapnet.layer_statistics import LayerStatistics
from graphmorph.training.adapnet.protection import Protection
from graphmorph.training.adapnet.termination import Termination
from graphmorph.training.adapnet.uniformity import beta_at

__all__ = [
    "AdapNetConfig",
    "GroupDecisions",
    "Insertion",
    "LayerStatistics",
    "Merging",
    "Protection",
    "Pruning",
    "Termination",
    "beta_at",
    "decide",
]
