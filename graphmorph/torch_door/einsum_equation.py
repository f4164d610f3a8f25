"""Einstein summation in torch's spellings, as one explicit equation without ellipsis.

torch.einsum: letters, or sublists of numbers (0 is "A", 26 is "a"); an ellipsis stands for leading dimensions, aligned
at their ends as in broadcasting, and comes first in an implicit output; one that the output lacks is summed over.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

_LETTERS = string.ascii_uppercase + string.ascii_lowercase
_ELLIPSIS = "..."


def from_sublists(arguments: Sequence[Any]) -> tuple[str, list[Any]]:
    """The equation and operands of einsum(x, [0, 1], y, [1, 2], [0, 2])."""
    pairs = len(arguments) // 2
    terms = [_term(arguments[2 * index + 1]) for index in range(pairs)]
    equation = ",".join(terms)
    if len(arguments) % 2:
        equation += "->" + _term(arguments[-1])
    return equation, [arguments[2 * index] for index in range(pairs)]


def _term(sublist: Sequence[Any]) -> str:
    return "".join(_ELLIPSIS if entry is Ellipsis else _LETTERS[entry] for entry in sublist)


def explicit_equation(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the output, ellipses spelt out.

    Raises:
        ValueError: the equation does not fit operands of these ranks, or has more indices than there are letters.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks) or not all(re.fullmatch(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*", t) for t in [*terms, right]):
        raise ValueError(f"einsum equation {equation!r} for {len(ranks)} operands")
    widths = [rank - len(term.replace(_ELLIPSIS, "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(width < 0 or (width and _ELLIPSIS not in term) for term, width in zip(terms, widths, strict=True)):
        raise ValueError(f"einsum equation {equation!r} for operands of ranks {list(ranks)}")
    free = [letter for letter in _LETTERS if letter not in equation]
    widest = max(widths, default=0)
    if widest > len(free):
        raise ValueError(f"einsum equation {equation!r} has too many indices")
    covered = "".join(free[:widest])
    spelt = [
        term.replace(_ELLIPSIS, covered[widest - width :] if width else "")
        for term, width in zip(terms, widths, strict=True)
    ]
    if arrow:
        return spelt, right.replace(_ELLIPSIS, covered)
    counts = Counter(left.replace(_ELLIPSIS, "").replace(",", ""))
    return spelt, covered + "".join(sorted(letter for letter, count in counts.items() if count == 1))
