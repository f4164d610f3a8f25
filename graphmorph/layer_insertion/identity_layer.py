"""Net2DeeperNet: a layer that does nothing, for an activation function that does nothing to what it gives.

Chen, Goodfellow, Shlens, Net2Net (ICLR 2016), section 2.3: the identity (for a convolution, in the middle of the
kernel) is a layer of h where h(h(x)) = h(x), which holds for relu alone of the functions here.
"""

from __future__ import annotations

import numpy as np

from graphmorph.errors import RefusedError
from graphmorph.facts import Facts
from graphmorph.layer_insertion.new_layer import FirstHalf, NewLayer
from graphmorph.layer_insertion.place import Place
from graphmorph.layer_insertion.settings import LayerSettings

#: Nodes that give nothing below zero, and those that give nothing below zero if what they read is not.
_NOT_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softplus", "Softmax", "Abs", "Sqrt", "Exp"})
_PASSING = frozenset(
    {
        *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Flatten", "Reshape", "Dropout", "Identity"),
        *("Transpose", "Squeeze", "Unsqueeze", "Concat", "Slice", "ReduceMean", "ReduceMax", "LpPool"),
    }
)


def identity_layer(place: Place, settings: LayerSettings, kernel: tuple[int, ...], facts: Facts) -> NewLayer:
    """The layer, as wide as what it reads; the next layer keeps its weights.

    Raises:
        RefusedError: the layer would change something.
    """
    channels = place.channels
    if settings.activation != "relu":
        raise RefusedError(
            "net2deeper needs an activation function that does nothing the second time: relu, not "
            f"{settings.activation}"
        )
    if settings.channels not in (0, channels):
        raise RefusedError(
            f"net2deeper's layer is as wide as what it reads: {channels} channels, not {settings.channels}"
        )
    if not is_not_negative(place.after, facts):
        raise RefusedError(
            f"{place.after} may be negative, and relu would cut that off: net2deeper goes behind a relu; netmorph and "
            "compnet go anywhere"
        )
    weight = np.zeros((channels, channels, *kernel))
    middle = tuple((size - 1) // 2 for size in kernel)
    for channel in range(channels):
        weight[(channel, channel, *middle)] = 1.0
    first = FirstHalf(weight, np.zeros(channels), "relu")
    return NewLayer(first, place.next_layer.matrix(), None, channels)


def is_not_negative(tensor: str, facts: Facts) -> bool:
    """Whether the operators that give a tensor give nothing below zero."""
    waiting, seen = [tensor], set[str]()
    while waiting:
        name = waiting.pop()
        node = facts.producer.get(name)
        if name in seen:
            continue
        seen.add(name)
        if node is None or not facts.is_standard(node):
            return False
        if node.op in _NOT_NEGATIVE or (node.op == "Clip" and _clips_at_zero(node)):
            continue
        if node.op not in _PASSING:
            return False
        waiting.extend(t.name for t in (node.inputs if node.op == "Concat" else node.inputs[:1]))
    return True


def _clips_at_zero(node: object) -> bool:
    inputs, attrs = node.inputs, node.attrs  # type: ignore[attr-defined]
    if len(inputs) > 1 and hasattr(inputs[1], "values"):
        return bool((np.asarray(inputs[1].values) >= 0).all())
    return float(attrs.get("min", -1.0)) >= 0
