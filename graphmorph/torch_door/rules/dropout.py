"""Dropout: what it does in training is part of the graph, so that passes know it is not nothing."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import nn
from torch.nn import functional as F

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import lowers, lowers_module


@lowers(F.dropout, torch.dropout)
def dropout(
    site: SiteBuilder, input: gs.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> gs.Tensor:
    """Dropout-13 with its training_mode."""
    site.require(0.0 <= p < 1.0, f"dropout with p={p}")
    ratio = site.constant(p, np.float32)
    return site.node("Dropout", [input, ratio, site.constant(bool(training), np.bool_)])


@lowers_module(nn.Dropout)
def dropout_module(site: SiteBuilder, module: nn.Dropout, input: gs.Tensor) -> gs.Tensor:
    """In the mode of the module."""
    return dropout(site, input, module.p, module.training)


@lowers(F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)
def channel_dropout(
    site: SiteBuilder, input: gs.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> gs.Tensor:
    """Nothing in evaluation; ONNX has no dropout of whole channels."""
    site.require(not training, "dropout of whole channels in training")
    return site.node("Identity", [input])


@lowers("torchvision.ops.stochastic_depth.stochastic_depth")
def stochastic_depth(site: SiteBuilder, input: gs.Tensor, p: float, mode: str, training: bool = True) -> gs.Tensor:
    """Nothing in evaluation; ONNX has no dropout of whole samples."""
    site.require(not training or p == 0, "dropout of whole samples in training")
    return site.node("Identity", [input])


@lowers_module(nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
def channel_dropout_module(site: SiteBuilder, module: nn.Dropout2d, input: gs.Tensor) -> gs.Tensor:
    """In the mode of the module."""
    return channel_dropout(site, input, module.p, module.training)
