"""BatchNormalization at inference: scale = gamma / sqrt(var + eps), offset = beta - mean * scale (ACNet eq. 2)."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.affine.operators.rules import rule
from graphmorph.affine.operators.steps import Scale, Step, Wall
from graphmorph.facts import Facts


@rule("BatchNormalization", 1, 6, 7, 9, 14, 15)
def batch_normalization(node: gs.Node, facts: Facts, version: int) -> Step | Wall:
    """Refused in training mode, whichever way the version says so, and with statistics that are no constants."""
    training = training_mode(node, version)
    if training is not None:
        return Wall(training)
    if version < 9 and not node.attrs.get("spatial", 1):
        return Wall("BatchNormalization with spatial=0 normalises each position by itself")
    if len(node.inputs) != 5:
        return Wall(f"BatchNormalization has {len(node.inputs)} inputs instead of 5")
    variable = [facts.variable(t) for t in node.inputs[1:] if not facts.constant(t)]
    if variable:
        return Wall(f"the parameters of BatchNormalization are not constant ({variable[0]})")
    gamma, beta, mean, variance = (facts.value(t) for t in node.inputs[1:])
    if not gamma.shape == beta.shape == mean.shape == variance.shape == (gamma.size,):
        return Wall("the parameters of BatchNormalization differ in shape")
    denominator = variance + float(node.attrs.get("epsilon", 1e-5))
    if not np.all(denominator > 0):
        return Wall("BatchNormalization has a variance that is not positive")
    scale = gamma / np.sqrt(denominator)
    offset = beta - mean * scale
    if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(offset))):
        return Wall("BatchNormalization has parameters that are not finite")
    return Scale(node.inputs[0].name, scale, offset, "first")


def training_mode(node: gs.Node, version: int) -> str | None:
    """Why the node normalises by the statistics of the batch, or None at inference."""
    if version < 7 and not node.attrs.get("is_test", 0):
        return "BatchNormalization is in training mode (is_test is 0)"
    if version >= 14 and node.attrs.get("training_mode", 0):
        return "BatchNormalization is in training mode (training_mode is 1)"
    if any(t.name for t in node.outputs[1:]):
        return "BatchNormalization is in training mode (it puts out batch statistics)"
    return None
