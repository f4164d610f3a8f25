"""What is decided of a group of filters in an LSEP: plain data, for whoever rewrites the network and for the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from graphmorph.channels.correlation import Correlation


@dataclass(frozen=True)
class Pruning:
    """A filter is to be frozen for an LSEP and then removed (algorithm 2).

    uniformity: its p-value in each layer of the group that has a say. beta: what all of them exceed. kse: the largest
    among its readers. threshold: what that is below.
    """

    why: ClassVar[str] = "its activity is uniform over the concepts, and its readers make little of it"

    filter: int
    uniformity: tuple[float, ...]
    beta: float
    kse: float
    threshold: float


@dataclass(frozen=True)
class Merging:
    """Filter `second` is to be merged into `first`: the mean of both (algorithm 3).

    cosines, thresholds, distances: in each layer of the group that has a say. below: what all distances are below.
    """

    why: ClassVar[str] = "their maps are alike, and so are their distributions over the concepts"

    first: int
    second: int
    cosines: tuple[float, ...]
    thresholds: tuple[float, ...]
    distances: tuple[float, ...]
    below: float


@dataclass(frozen=True)
class Insertion:
    """A filter is to be made from a master by a correlation (algorithm 4).

    p1, p2: of the layers, one of which is above 0. master_p1, master_p2: of the master.
    """

    why: ClassVar[str] = "the filters do not focus on concepts enough"

    master: int
    correlation: Correlation
    p1: float
    p2: float
    master_p1: float
    master_p2: float


@dataclass(frozen=True)
class GroupDecisions:
    """All that is decided of a group in one LSEP. Numbers of filters are those before any of it is done."""

    prunings: tuple[Pruning, ...] = ()
    mergings: tuple[Merging, ...] = ()
    insertions: tuple[Insertion, ...] = ()

    def records(self) -> Iterator[dict[str, Any]]:
        """One for each decision, as JSON takes it."""
        every: tuple[Pruning | Merging | Insertion, ...] = (*self.prunings, *self.mergings, *self.insertions)
        for one in every:
            yield {"decision": type(one).__name__.lower(), "why": one.why, **asdict(one)}
