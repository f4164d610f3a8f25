"""Elements of axes, the equalities between them, and what must stay.

An axis of a tensor is an array of element ids: two axes that hold the same id live and die together at that place. Most
axes are passed on by reference, so ids come nearly only from constants, and equalities from where two arrays meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: The id of an element that nothing may remove.
WALL = 0

Ids = NDArray[np.int64]

#: The ids along one axis; None where all of them are walls (batch, space, time, size 1).
Axis = Ids | None
Axes = tuple[Axis, ...]


@dataclass(frozen=True)
class Reason:
    """Why elements cannot be removed: the node (its first output), its operator, and the condition."""

    node: str
    op: str
    text: str

    def __str__(self) -> str:
        return f"{self.op} {self.node}: {self.text}"


@dataclass(frozen=True, eq=False)
class Option:
    """One way of letting an axis that is a product of factors shrink.

    factor: what is removed as a whole ("the same channels of every group"). rows: matrices of ids; the elements of a
    row go together. walls: elements that this option keeps. weight: larger is preferred.
    """

    factor: str
    rows: tuple[Ids, ...]
    walls: tuple[Ids, ...] = ()
    weight: float = 0.0


@dataclass(eq=False)
class Choice:
    """A node that splits or merges free factors: only one of them can shrink. `chosen` is settled by the components."""

    reason: Reason
    options: Sequence[Option]
    chosen: Option | None = None
    forced: bool = False


@dataclass
class Elements:
    """Hands out ids, and collects equalities, walls and choices."""

    count: int = 1
    edges: list[tuple[Ids, Ids]] = field(default_factory=list)
    walls: list[tuple[Ids, Reason]] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    preferred: list[Ids] = field(default_factory=list)

    def fresh(self, size: int) -> Ids:
        """New ids for an axis."""
        ids = np.arange(self.count, self.count + size, dtype=np.int64)
        self.count += size
        return ids

    def wall(self, axis: Axis, reason: Reason) -> None:
        """Keep every element of an axis."""
        if axis is not None and axis.size:
            self.walls.append((axis.reshape(-1), reason))

    def link(self, first: Axis, second: Axis, reason: Reason) -> None:
        """Let two axes of one size live and die together; where one is a wall, the other becomes one."""
        if first is second:
            return
        if first is None or second is None:
            self.wall(first if second is None else second, reason)
            return
        first, second = first.reshape(-1), second.reshape(-1)
        one, other = first == WALL, second == WALL
        if one.any() or other.any():
            self.wall(second[one], reason)
            self.wall(first[other], reason)
            both = ~(one | other)
            first, second = first[both], second[both]
        self.edges.append((first, second))

    def prefer(self, axis: Axis) -> None:
        """Where a choice is open, the factor that these elements are goes first (attention heads)."""
        if axis is not None:
            self.preferred.append(axis)


ReadKind = Literal["contraction", "sum", "mean", "maximum", "minimum", "normalisation"]


@dataclass(frozen=True)
class Read:
    """Where a node sums, or takes statistics, over an axis: what is removed must not count there.

    node: by its first output. index: of the input. axis: of the input. kind: contraction with another input, whose
    axis `other_axis` of input `other` has the weights (or, for a grouped convolution, the weights of one group);
    or a reduction; or a normalisation, whose statistics run over the axis.
    """

    node: str
    op: str
    kind: ReadKind
    index: int
    axis: int
    other: int = -1
    other_axis: int = -1
