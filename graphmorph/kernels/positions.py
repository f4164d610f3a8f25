"""The parts of a square kernel (ACNet, Ding et al., ICCV 2019, section 4.4, figures 5 and 6).

For a kernel of k x k, k odd: the skeleton is its middle row and middle column, the corners are the four blocks that the
skeleton leaves (in 3 x 3, its four corner positions); the border is the bottom row and the right column, where the
shifted blocks of figure 6c put their weight, and the top left is what the border leaves.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError

Where = Literal["corner", "skeleton", "border", "top-left", "global"]
PARTS: tuple[Where, ...] = get_args(Where)


def position_mask(where: Where, size: int) -> NDArray[np.bool_]:
    """The positions of a part: (size, size), true inside it.

    Raises:
        UsageError: there is no part of this name, or `size` is even.
    """
    if where not in PARTS:
        raise UsageError(f"there is no part {where!r} of a kernel: choose one of {', '.join(PARTS)}")
    if size % 2 == 0:
        raise UsageError(f"a {size} x {size} kernel has no middle row and column")
    line = size // 2 if where in ("corner", "skeleton") else size - 1
    cross = np.zeros((size, size), dtype=bool)
    cross[line], cross[:, line] = True, True
    if where == "global":
        return np.ones((size, size), dtype=bool)
    return cross if where in ("skeleton", "border") else ~cross


def mean_at(matrix: NDArray[np.float64], where: Where) -> float:
    """The mean of a (k, k) matrix over a part of it."""
    return float(matrix[position_mask(where, len(matrix))].mean())
