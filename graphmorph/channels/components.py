"""Which elements live and die together: connected components of the equalities, and the choices settled by them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graphmorph.channels.elements import WALL, Choice, Elements, Ids, Option


class Components:
    """Components of the elements.

    label: the component of every element id. walled: by component, whether it holds a wall.
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
        count = self.walled.size
        firsts = self.label[np.concatenate([a for a, _ in edges])]
        seconds = self.label[np.concatenate([b for _, b in edges])]
        graph = coo_matrix((np.ones(firsts.size, np.bool_), (firsts, seconds)), shape=(count, count))
        found, merged = connected_components(graph, directed=False)
        walled = np.zeros(found, np.bool_)
        walled[merged[self.walled]] = True
        self.label, self.walled = merged.astype(np.int64)[self.label], walled

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
            alive = [[option for option in choice.options if self._is_alive(option)] for choice in pending]
            open_ones = list(zip(pending, alive, strict=True))
            forced = [(choice, options) for choice, options in open_ones if len(options) <= 1]
            taken = [(choice, options[0] if options else choice.options[0]) for choice, options in forced]
            if not forced:
                preferred = self._preferred()
                best = [
                    (choice, option)
                    for choice, options in open_ones
                    for option in options
                    if self._touches(option, preferred)
                ]
                first = (pending[0], max(alive[0], key=lambda option: option.weight))
                taken = list({id(choice): (choice, option) for choice, option in best[::-1]}.values()) or [first]
            self._take(taken, forced=bool(forced))
            pending = [choice for choice in pending if choice.chosen is None]

    def _touches(self, option: Option, marks: NDArray[np.bool_]) -> bool:
        return any(bool(marks[self.label[rows]].any()) for rows in option.rows)

    def _preferred(self) -> NDArray[np.bool_]:
        """Components that hold something preferred, and no wall."""
        marks = np.zeros(self.walled.size, np.bool_)
        for ids in self._elements.preferred:
            marks[self.label[ids]] = True
        return marks & ~self.walled

    def _is_alive(self, option: Option) -> bool:
        """Whether some row could go: nothing in it is a wall."""
        return any(bool((~self.is_wall(rows).any(axis=1)).any()) for rows in option.rows)

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
