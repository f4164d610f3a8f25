"""The asymmetric convolution block (ACB) of Ding et al., ICCV 2019."""

from __future__ import annotations

from graphmorph.expansion.branch import Branch, square


def branches(
    size: int, *, horizontal: bool = True, vertical: bool = True, asymmetric_size: int = 0, shifted: bool = False
) -> tuple[Branch, ...]:
    """A square kernel with a 1 x a and an a x 1 one on its skeleton (section 3.3).

    asymmetric_size: a; 0 means that of the square (section 4.2 keeps a = 3 beside 11 x 11 and 5 x 5). shifted: the
    horizontal kernel on the bottom row and the vertical one on the right column (section 4.4).
    """
    length = asymmetric_size or size
    margin, line = (size - length) // 2, size - 1 if shifted else size // 2
    rows = (Branch("horizontal", (1, length), (line, margin)),) if horizontal else ()
    columns = (Branch("vertical", (length, 1), (margin, line)),) if vertical else ()
    return (square(size), *rows, *columns)
