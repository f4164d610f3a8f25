"""The oracle of a removal: the original model, at its own sizes, in which no node counts what is to go.

Every node that sums or takes statistics over removed elements (`Analysis.reads`) gets them masked out. Nothing else can
tell a removed element from one that is not there, so kept elements of every tensor are those of the smaller model.
Masks at the producers would not do: an offset behind them, or a normalisation, brings removed elements back to life.
"""

from __future__ import annotations

from collections import defaultdict

from graphmorph.channels.analysis import Analysis, Kept
from graphmorph.channels.elements import Read
from graphmorph.channels.masking_factors import Factors
from graphmorph.channels.masking_site import MaskingSite
from graphmorph.channels.masking_statistics import NORMALISATIONS, replace_normalisation
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal


def masked(analysis: Analysis, kept: Kept) -> Graph:
    """A copy of the analysed graph in which removed elements do not count.

    kept: by element id. To be called before the analysed graph is edited. Tensors keep their names and sizes; values of
    removed elements mean nothing.

    1. Contractions and sums: what they read is multiplied by a mask of zeros and ones.
    2. Means: by a mask of zeros and (size / kept), which makes it the mean of the kept.
    3. Maxima and minima: -inf or inf is added to what is removed.
    4. Normalisations whose statistics run over removed elements: made of primitive operators, with means as in 2.

    Raises:
        RefusedError: a mask cannot be made, because the type of a tensor is not known, or because a free axis of it is
            made in a way that is not replayed.
    """
    graph = analysis.facts.graph.copy()
    known = dict(analysis.facts.shapes)
    editor = Editor(graph, Facts(graph, lambda: known), Journal())
    factors = Factors(analysis, kept)
    for name, reads in _reads_of_removed(analysis, factors).items():
        editor.begin("mask", name)
        _mask(MaskingSite(editor, editor.facts.producer[name], analysis.facts), reads, factors)
        editor.commit()
    editor.flush()
    return graph


def _reads_of_removed(analysis: Analysis, factors: Factors) -> dict[str, list[Read]]:
    """By node, where it reads elements that go."""
    found: dict[str, list[Read]] = defaultdict(list)
    for read in analysis.reads:
        if factors.of_input(analysis.facts.producer[read.node], read.index, read.axis) is not None:
            found[read.node].append(read)
    return found


def _mask(site: MaskingSite, reads: list[Read], factors: Factors) -> None:
    if site.node.op in NORMALISATIONS:
        replace_normalisation(site, reads, factors)
        return
    for index in dict.fromkeys(read.index for read in reads):
        tensor = site.node.inputs[index]
        for read in (read for read in reads if read.index == index):
            # LpNormalization divides by a sum: zeros do not count in it, as in any other.
            kind = "sum" if read.kind == "normalisation" else read.kind
            op = "Add" if kind in ("maximum", "minimum") else "Mul"
            tensor = site.emit(op, [tensor, factors.factor(site, index, read.axis, kind)], site.node.inputs[index])
        site.editor.reread(site.node, index, tensor)
