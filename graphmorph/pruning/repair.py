"""Least-squares repair: the layers that lost inputs get weights that give back what they can of their old outputs.

With A what the original layer reads (rows are positions), W its weights and S the channels that stay, the new weights
are argmin ‖A Wᵀ - A_S W'ᵀ - b‖², from AᵀA and the means of A alone. Every layer is fitted to the activations of the
original, so that layers are independent of each other; a fit that does not help on the data is not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from graphmorph.activations.moments import Moments
from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.constants import Use
from graphmorph.editor import Editor
from graphmorph.errors import RefusedError
from graphmorph.facts import Facts
from graphmorph.graph import Graph, constant_array
from graphmorph.journal import Journal
from graphmorph.pruning.choice import Chosen
from graphmorph.pruning.readers import Reader, readers
from graphmorph.pruning.report import RepairReport
from graphmorph.pruning.sums import WIDEST, Capturing, Wanted, captured
from graphmorph.regression.least_squares import columns_of, explained_share
from graphmorph.regression.least_squares import repair as fitted

Array = NDArray[np.float64]

_NAME = "repair-weights"


@dataclass(frozen=True, eq=False)
class Fit:
    """weight: (outputs, columns) of the smaller layer. bias: what to add (outputs,)."""

    reader: Reader
    weight: Array
    bias: Array
    before: float
    after: float


def fits(chosen: Chosen, capturing: Capturing) -> list[Fit]:
    """A fit of every layer that loses inputs. It reads the old weights from the analysis, and no graph."""
    analysis, kept = chosen.analysis, chosen.kept
    losers = [reader for reader in _losers(analysis, kept) if reader.channels // reader.group * reader.taps <= WIDEST]
    wanted = [
        [
            Wanted(reader.tensor, reader.rows(part), reader.channels // reader.group * reader.taps, gram=True)
            for part in range(reader.group)
        ]
        for reader in losers
    ]
    sums = captured([one for parts in wanted for one in parts], capturing)
    made = [_fit(analysis, kept, r, [sums[one] for one in parts]) for r, parts in zip(losers, wanted, strict=True)]
    return [fit for fit in made if fit.after > fit.before]


def repair(found: Sequence[Fit], graph: Graph) -> list[RepairReport]:
    """Give the layers of the smaller graph their fitted weights; edits it."""
    facts = Facts(graph)
    editor = Editor(graph, facts, Journal())
    for fit in found:
        node = facts.producer[fit.reader.name]
        editor.begin(_NAME, fit.reader.name)
        _replace(node, fit, editor)
        editor.commit()
    editor.flush()
    return [RepairReport(str(fit.reader.node.name or fit.reader.name), fit.before, fit.after) for fit in found]


def _losers(analysis: Analysis, kept: Kept) -> list[Reader]:
    """Layers that lose inputs, but keep some, and whose weights nobody shares."""
    found = []
    for read, reader in readers(analysis):
        ids = analysis.axes[reader.tensor][read.axis]
        slot = analysis.slot_of[Use(reader.name, 1)]
        if ids is not None and not kept[ids].all() and len(slot.uses) == 1:
            found.append(reader)
    return found


def _fit(analysis: Analysis, kept: Kept, reader: Reader, sums: Sequence[Moments]) -> Fit:
    """Every group of a convolution is a layer of its own."""
    values = constant_array(reader.weight).astype(np.float64)
    ids = analysis.axes[reader.tensor][reader.axis]
    outputs = analysis.axes[reader.name][-1 if reader.kernel == () else 1]
    assert ids is not None
    size = reader.channels // reader.group
    made = values.size // (size * reader.taps) // reader.group
    stays = np.ones(made * reader.group, np.bool_) if outputs is None else kept[outputs]
    parts = []
    for part, moments in enumerate(sums):
        rows = np.flatnonzero(stays[part * made : (part + 1) * made])
        columns = columns_of(np.flatnonzero(kept[ids[part * size : (part + 1) * size]]), reader.taps)
        if not rows.size or not columns.size:
            continue
        weight = reader.matrix(values, part)[rows]
        mean = moments.mean if _takes_bias(reader) else None
        new = fitted(moments.gram, columns, weight, mean=mean, count=moments.count)
        parts.append((new, _dropped(moments, columns, weight)))
    after = float(np.mean(np.concatenate([new.explained for new, _ in parts])))
    before = float(np.mean(np.concatenate([share for _, share in parts])))
    weights, biases = np.concatenate([n.weight for n, _ in parts]), np.concatenate([n.bias for n, _ in parts])
    return Fit(reader, weights, biases, before, after)


def _takes_bias(reader: Reader) -> bool:
    """Whether the layer has, or can be given, a bias. A convolution's border reads padding, which has another mean, but
    rows of the border are among those that the means are of."""
    return bool(reader.node.op != "MatMul")


def _dropped(moments: Moments, columns: NDArray[np.int64], weight: Array) -> Array:
    """(outputs,) R² where the other columns are just left out."""
    change = -weight
    change[:, columns] = 0.0
    mean = moments.mean
    centred = moments.gram - moments.count * np.outer(mean, mean)
    return explained_share(centred, weight, change) - _offset(change, mean, weight, centred, moments.count)


def _offset(change: Array, mean: Array, weight: Array, centred: Array, count: int) -> Array:
    """(outputs,) what the shift of the mean adds to the share that is missed."""
    total = np.einsum("oi,ij,oj->o", weight, centred, weight, optimize=True)
    shift = count * (change @ mean) ** 2
    share: Array = np.divide(shift, total, out=np.zeros_like(shift), where=total > 0)
    return share


def _replace(node: gs.Node, fit: Fit, editor: Editor) -> None:
    old = node.inputs[1]
    shape = tuple(int(n) for n in old.shape)
    if node.op == "Conv":
        weight = fit.weight.reshape(shape)
    else:
        weight = fit.weight if node.op == "Gemm" and node.attrs.get("transB", 0) else fit.weight.T
    dtype = np.dtype(old.dtype)
    new = editor.constant(old.name, np.ascontiguousarray(weight), dtype, (old.name,), role=fit.reader.name)
    editor.reread(node, 1, new)
    if not _takes_bias(fit.reader) or not fit.bias.any():
        return
    bias = fit.bias
    made_from: tuple[str, ...] = ()
    name = f"{old.name}_bias"
    if len(node.inputs) > 2 and node.inputs[2].name:
        before = node.inputs[2]
        if not isinstance(before, gs.Constant):
            raise RefusedError(f"the bias of {node.name or node.op} is computed, so the repair cannot add to it")
        bias = bias + constant_array(before).astype(np.float64)
        name, made_from = before.name, (before.name,)
    editor.reread(node, 2, editor.constant(name, bias, dtype, made_from, role=f"{fit.reader.name}:bias"))
