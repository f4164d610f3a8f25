"""ONNX keeps float attributes in float32: enough beside tensors of that type and below, not beside float64."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import torch

from graphmorph.torch_door.builder import SiteBuilder


def is_double(site: SiteBuilder, tensor: gs.Tensor) -> bool:
    """Whether attributes in float32 are too coarse beside a tensor."""
    return site.dtype(tensor) == torch.float64


def in_float32(site: SiteBuilder, tensor: gs.Tensor, value: float) -> float:
    """A setting as an attribute.

    Raises:
        Unsupported: the tensor is float64, and the setting is not a float32.
    """
    exact = float(np.float32(value)) == float(value)
    site.require(exact or not is_double(site, tensor), f"{value!r} is no float32, as ONNX attributes are")
    return float(value)
