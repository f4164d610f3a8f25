"""The analysis of a graph whose sizes are found out first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphmorph.channels.analysis import Analysis, analyse
from graphmorph.channels.probing import probe_sizes
from graphmorph.errors import UsageError
from graphmorph.facts import Facts


def probed_analysis(facts: Facts, shapes: Mapping[str, Sequence[int]] | None = None) -> Analysis:
    """The dependencies of a graph's channels. The graph is run for its sizes where inference does not know them all.

    shapes: of inputs, where the guesses do not fit the model.

    Raises:
        UsageError: facts without an oracle (the pass manager gives one), or shapes that do not fit the inputs.
    """
    if facts.oracle is None:
        raise UsageError("sizes have to be found out by running the graph, and these facts have no oracle")
    return analyse(facts, probe_sizes(facts.graph, facts, facts.oracle.runtime, shapes))
