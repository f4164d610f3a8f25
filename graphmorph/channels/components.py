"""Which elements live and die together: connected components of the equalities, and the choices settled by them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from graphmorph.channels.elements import WALL, Choice, Elements, Ids, Option


class Components:
    """Components of the elements.

    label: the component of every element id, numbered in the order of their first elements. walled: by component,
    whether it holds a wall.
    """

    def __init__(self, elements: Elements) -> None:
        self._elements = elements
        self.label: NDArray[np.int64] = np.arange(elements.count, dtype=np.int64)
        self.walled: NDArray[np.bool_] = np.zeros(elements.count, np.bool_)
        self.walled[WALL] = True
        self._join(elements.edges, [ids for ids, _ in elements.walls])
        self._settle()

    def _join(self, edges: list[tuple[Ids, Ids]], walls: list[Ids]) -> None:
        """Take in more equalities and walls. Works on the components so far, of which there are fewer every time."""
        for ids in walls:
            self.walled[self.label[ids]] = True
        if not edges:
            return
        firsts = self.label[np.concatenate([a for a, _ in edges])]
        seconds = self.label[np.concatenate([b for _, b in edges])]
        first = _first_of_component(self.walled.size, firsts, seconds)
        found = first == np.arange(first.size)
        merged = (np.cumsum(found) - 1)[first]
        walled = np.zeros(np.count_nonzero(found), np.bool_)
        walled[merged[self.walled]] = True
        self.label, self.walled = merged[self.label], walled

    def is_wall(self, ids: Ids) -> NDArray[np.bool_]:
        """Whether each element must stay."""
        found: NDArray[np.bool_] = self.walled[self.label[ids]]
        return found

    def _settle(self) -> None:
        """Settle choices that have one way left, until none is; then decide, and go on.

        Those that could let go of something preferred are decided together, the others one at a time.
        """
        pending = [choice for choice in self._elements.choices if choice.chosen is None]
        while pending:
            held = self.walled[self.label]
            alive = [[option for option in choice.options if _is_alive(option, held)] for choice in pending]
            open_ones = list(zip(pending, alive, strict=True))
            forced = [(choice, options) for choice, options in open_ones if len(options) <= 1]
            taken = [(choice, options[0] if options else choice.options[0]) for choice, options in forced]
            if not forced:
                preferred = self._preferred()[self.label]
                best = [
                    (choice, option)
                    for choice, options in open_ones
                    for option in options
                    if any(preferred[rows].any() for rows in option.rows)
                ]
                first = (pending[0], max(alive[0], key=lambda option: option.weight))
                taken = list({id(choice): (choice, option) for choice, option in best[::-1]}.values()) or [first]
            self._take(taken, forced=bool(forced))
            pending = [choice for choice in pending if choice.chosen is None]

    def _preferred(self) -> NDArray[np.bool_]:
        """Components that hold something preferred, and no wall."""
        marks = np.zeros(self.walled.size, np.bool_)
        for ids in self._elements.preferred:
            marks[self.label[ids]] = True
        return marks & ~self.walled

    def _take(self, taken: list[tuple[Choice, Option]], *, forced: bool) -> None:
        edges: list[tuple[Ids, Ids]] = []
        walls: list[Ids] = []
        for choice, option in taken:
            choice.chosen, choice.forced = option, forced
            for rows in option.rows:
                held = (rows == WALL).any(axis=1)
                walls.append(rows[held].reshape(-1))
                free = rows[~held]
                first = np.broadcast_to(free[:, :1], free[:, 1:].shape)
                edges.append((first.reshape(-1), free[:, 1:].reshape(-1)))
            for ids in option.walls:
                walls.append(ids.reshape(-1))
                self._elements.wall(ids, choice.reason)
        self._join(edges, walls)


def _is_alive(option: Option, held: NDArray[np.bool_]) -> bool:
    """Whether some row could go: no element in it is held by a wall."""
    return any(not held[rows].any(axis=1).all() for rows in option.rows)


def _first_of_component(count: int, firsts: Ids, seconds: Ids) -> NDArray[np.int64]:
    """By node of a graph of `count` nodes, the smallest one that edges connect it with.

    firsts, seconds: (edges) their ends. Every tree is hung on the smallest that an edge connects it with, then made
    flat, until no edge connects two: Shiloach and Vishkin, An O(log n) parallel connectivity algorithm, 1982.
    """
    first = np.arange(count, dtype=np.int64)
    while firsts.size:
        smaller, larger = np.minimum(firsts, seconds), np.maximum(firsts, seconds)
        np.minimum.at(first, larger, smaller)
        while not np.array_equal(further := first[first], first):
            first = further
        firsts, seconds = first[smaller], first[larger]
        apart = firsts != seconds
        firsts, seconds = firsts[apart], seconds[apart]
    return first
