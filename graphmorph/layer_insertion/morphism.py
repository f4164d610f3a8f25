"""NetMorph: a layer taken apart into two, with an activation function between them that starts as the identity.

Wei, Wang, Rui, Chen, Network Morphism (ICML 2016): the deconvolution of a layer (algorithm 1), the fallback that gives
taps up rather than exactness (algorithm 2), and the parametric activation function (section 3.4), here
a x + (1 - a) h(x) with a = 1. NetMorph-Oracle and NetMorph-Redundant of CompNet differ in the number of channels only.

Algorithm 1 looks at kernels alone. Where the next layer pads, two kernels that are the parent's together still differ
from it near the border: the next layer reads 0 there, not what the new one would have given. So those pairs of taps
that a border leaves out have to cancel, which is linear in either kernel as well, and is solved for with the rest.
With enough channels all taps start above zero and the function is kept everywhere. With fewer, only the middle taps do,
which is exact at any border as soon as there are as many channels as the layer reads, or as the rank of its weights.
"""

from __future__ import annotations

import math

import numpy as np

from graphmorph.errors import RefusedError
from graphmorph.facts import Facts
from graphmorph.layer_insertion.deconvolution import EXACT, Kernels, taken_apart
from graphmorph.layer_insertion.initialisation import initial_weight
from graphmorph.layer_insertion.new_layer import FirstHalf, NewLayer
from graphmorph.layer_insertion.place import Place
from graphmorph.layer_insertion.settings import LayerSettings
from graphmorph.layer_insertion.tap_equations import PRODUCT, Array, Equations, over_axes, positions, windows

#: Nodes that a mix of channels goes through as it is: those that leave positions where they are, that put all of them
#: in a row, and that average over them.
_KEEPING = frozenset({"Dropout", "Identity"})
_FLATTENING = frozenset({"Flatten", "Reshape", "Squeeze"})
_AVERAGING = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})

#: Rounds of alternating least squares, at most.
_ROUNDS = 100

#: Numbers in a system of equations above which only middle taps are solved for: 512 MiB. A quarter for a Gram matrix.
_LARGEST = 2**26

#: Multiply-adds for all of the rounds: half a minute on one core.
_PATIENCE = 5 * 10**11

#: Windows that are longer than this along some axis are not solved for with all taps.
_LONGEST = 64


def morphed_layer(place: Place, settings: LayerSettings, kernel: tuple[int, ...], facts: Facts) -> NewLayer:
    """The layer, with `settings.channels` channels, or twice as many as it reads; it needs no data.

    Args:
        kernel: sizes of its window; () for a product.
        facts: of the graph that the place is of.

    Raises:
        RefusedError: what lies between the new layer and the next one is not linear.
    """
    _require_linear(place)
    channels, taps = settings.channels or 2 * place.channels, math.prod(kernel)
    matrix = place.next_layer.matrix()
    parent = np.ascontiguousarray(matrix.reshape(place.channels, -1, matrix.shape[1]).transpose(2, 0, 1))
    equations = _equations(place, kernel, facts) if taps > 1 else None
    rounds = _rounds(parent, channels, equations) if equations is not None else 0
    found, notes = None, []
    if equations is not None and rounds and channels >= equations.channels_for(len(parent), place.channels):
        start = _initial((channels, place.channels, taps), settings)
        found = taken_apart(parent, start, equations, rounds)
    if found is None or found.loss > EXACT:
        found = _middle(parent, kernel, settings, channels)
        notes += _middle_notes(parent, channels, equations, taps) if found.loss <= EXACT else []
    if found.loss > EXACT:
        if equations is not None and rounds:
            found = taken_apart(parent, found.first, equations, rounds)
        notes.append(_too_few(parent, channels, found.loss))
    first = FirstHalf(
        found.first.reshape(channels, place.channels, *kernel),
        np.zeros(channels),
        settings.activation,
        settings.slope,
        linear_share=np.ones(channels),
    )
    next_weight = np.ascontiguousarray(found.second.transpose(0, 2, 1).reshape(-1, matrix.shape[1]))
    return NewLayer(first, next_weight, None, channels, notes=tuple(notes))


def _require_linear(place: Place) -> None:
    for node in place.path:
        if node.op not in _KEEPING | _FLATTENING | _AVERAGING:
            raise RefusedError(
                f"netmorph takes {place.next_layer.node.op} {place.next_layer.node.name} apart, and {node.op} "
                f"{node.name or node.outputs[0].name} lies before it, which is not linear: insert behind that, after "
                f"{node.outputs[0].name}, or use compnet"
            )


def _equations(place: Place, kernel: tuple[int, ...], facts: Facts) -> Equations | None:
    """What all taps have to fulfil; None where averages are between, or sizes are not known."""
    between = {node.op for node in place.path}
    node = place.next_layer.node
    if node.op == "Conv":
        return _windows(place, kernel) if between <= _KEEPING else None
    if not between <= _KEEPING | _FLATTENING:
        return None
    flat = next(step for step in place.path if step.op in _FLATTENING)
    known = facts.shapes[flat.inputs[0].name].shape or ()
    sizes = [size for size in known[2:] if isinstance(size, int)]
    if len(sizes) != len(kernel) or math.prod(sizes) ** 2 * math.prod(kernel) > _LARGEST:
        return None
    return over_axes([positions(size, taps) for size, taps in zip(sizes, kernel, strict=True)])


def _windows(place: Place, kernel: tuple[int, ...]) -> Equations | None:
    attrs, sizes = place.next_layer.node.attrs, place.next_layer.kernel
    axes = len(sizes)
    if max(*sizes, *kernel) > _LONGEST:
        return None
    dilations, pads = attrs.get("dilations") or [1] * axes, attrs.get("pads") or [0] * 2 * axes
    each = [
        windows(sizes[axis], int(dilations[axis]), kernel[axis], (int(pads[axis]), int(pads[axis + axes])))
        for axis in range(axes)
    ]
    return over_axes(each) if math.prod(one.pairs.size for one in each) <= _LARGEST else None


def _rounds(parent: Array, channels: int, equations: Equations) -> int:
    """Rounds of alternating over all taps that there are memory and time for."""
    outputs, inputs, _ = (int(n) for n in parent.shape)
    count, second, first = (int(n) for n in equations.pairs.shape)
    sides = ((channels * second, inputs * count), (channels * first, outputs * count))
    if any(rows * columns > _LARGEST or min(rows, columns) ** 2 > _LARGEST // 4 for rows, columns in sides):
        return 0
    return min(_ROUNDS, _PATIENCE // sum(rows * columns * min(rows, columns) for rows, columns in sides))


def _middle(parent: Array, kernel: tuple[int, ...], settings: LayerSettings, channels: int) -> Kernels:
    """Only the middle taps: a product behind a product, as many outputs of which as the next layer has taps."""
    outputs, inputs, second = parent.shape
    unfolded = parent.transpose(0, 2, 1).reshape(outputs * second, inputs, 1)
    found = taken_apart(unfolded, _even(_initial((channels, inputs), settings))[:, :, None], PRODUCT, _ROUNDS)
    first = np.zeros((channels, inputs, math.prod(kernel)))
    first[:, :, _middle_tap(kernel)] = found.first[:, :, 0]
    return Kernels(first, found.second.reshape(channels, outputs, second), found.loss)


def _middle_tap(kernel: tuple[int, ...]) -> int:
    """The tap, counted in C order, that reads the position which is written."""
    return int(np.ravel_multi_index([(size - 1) // 2 for size in kernel], kernel)) if kernel else 0


def _initial(shape: tuple[int, ...], settings: LayerSettings) -> Array:
    return initial_weight(shape, settings.activation, settings.initialisation, settings.seed, settings.slope)


def _even(weight: Array) -> Array:
    """With all its singular values alike, as large as they were: what is solved for behind it does not grow."""
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    return np.asarray(float(np.sqrt(np.mean(values**2))) * (left @ right))


def _middle_notes(parent: Array, channels: int, equations: Equations | None, taps: int) -> list[str]:
    if taps == 1:
        return []
    said = "only the middle of the new layer's window starts above zero, which keeps the function exactly"
    if equations is None:
        return [said]
    needed = equations.channels_for(*parent.shape[:2])
    return [f"{said}; with all of it, at least {needed} channels would be needed" if channels < needed else said]


def _too_few(parent: Array, channels: int, loss: float) -> str:
    outputs, inputs, second = parent.shape
    rank = int(np.linalg.matrix_rank(parent.transpose(0, 2, 1).reshape(outputs * second, inputs)))
    return (
        f"{channels} channels are too few to keep the function: both layers together miss {loss:.3g} of the square of "
        f"the next layer's weights; {rank} channels would miss nothing"
    )
