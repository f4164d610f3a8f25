"""Matrix products: the inner axes meet, rows, columns and batches pass on."""

from __future__ import annotations

from graphmorph.channels.elements import Axes, Axis
from graphmorph.channels.view import View, rule

_INNER = "is contracted with an axis that must stay"
#: Fewer heads than this can hardly lose a share of them: there each head shrinks.
_MANY_HEADS = 4

_BATCH = "is a batch axis of a matrix product with one that must stay"


@rule("MatMul")
def matmul(view: View) -> None:
    """MatMul: a (..., M, K), b (..., K, N), with numpy's rules for vectors and batches."""
    inner_a, inner_b = view.rank(0) - 1, max(view.rank(1) - 2, 0)
    _meet_inside(view, inner_a, inner_b)
    a, b = view.axes(0), view.axes(1)
    rows: Axes = a[-2:-1]
    columns: Axes = b[-1:] if len(b) > 1 else ()
    rank = max(len(a), len(b))
    batch = tuple(_batch(view, axis - rank) for axis in range(rank - 2)) if rank > 2 else ()
    view.give((*batch, *rows, *columns))


def _meet_inside(view: View, inner_a: int, inner_b: int) -> None:
    """The contracted axes become one; what is not constant is read along them."""
    if view.is_constant(0):
        view.meet(view.axes(1)[inner_b], 0, inner_a, _INNER)
    else:
        view.meet(view.axes(0)[inner_a], 1, inner_b, _INNER)
    if not view.is_constant(0):
        view.read("contraction", 0, inner_a, 1, inner_b)
    if not view.is_constant(1):
        view.read("contraction", 1, inner_b, 0, inner_a)


def _batch(view: View, axis: int) -> Axis:
    """The batch axis at a place counted from the end. Heads are one of these: where there are many, they go first."""
    found: Axis = None
    seen = 0
    for index in (0, 1):
        if -axis > view.rank(index) or view.size(index)[axis] == 1:
            continue
        here = view.axes(index)[axis]
        found = view.link(found, here, _BATCH) if seen else here
        seen += 1
    if seen == 2 and not view.is_constant(0) and not view.is_constant(1):
        _prefer(view, found)
    return found


def _prefer(view: View, heads: Axis) -> None:
    if heads is not None and heads.size >= _MANY_HEADS:
        view.elements.prefer(heads)


@rule("Gemm")
def gemm(view: View) -> None:
    """Gemm: op(a) (M, K), op(b) (K, N), c broadcast to (M, N)."""
    inner_a, inner_b = (0 if view.attribute("transA", 0) else 1), (1 if view.attribute("transB", 0) else 0)
    _meet_inside(view, inner_a, inner_b)
    outputs = [view.axes(0)[1 - inner_a], view.axes(1)[1 - inner_b]]
    if view.has(2):
        sizes = view.size(2)
        for axis in (-1, -2):
            if len(sizes) >= -axis and sizes[axis] > 1:
                outputs[axis] = view.meet(outputs[axis], 2, len(sizes) + axis, "meets a bias that must stay")
    view.give(tuple(outputs))


@rule("Einsum")
def einsum(view: View) -> None:
    """Einsum-12: axes of one letter meet; letters that the output lacks are contracted."""
    terms, result = _equation(view)
    if terms is None:
        view.stop(f"the equation {view.attribute('equation')!r}")
        return
    axes: dict[str, Axis] = {}
    seen: set[str] = set()
    for index, letters in enumerate(terms):
        for place, letter in enumerate(letters):
            if view.size(index)[place] == 1:
                continue
            here = view.axes(index)[place]
            axes[letter] = view.link(axes[letter], here, _INNER) if letter in seen else here
            seen.add(letter)
            if letter not in result and not view.is_constant(index):
                view.read("contraction", index, place, *_other(terms, index, letter))
    view.give(tuple(axes.get(letter) for letter in result))
    if len(terms) == 2:
        for letter in result:
            if letter in terms[0] and letter in terms[1]:
                _prefer(view, axes.get(letter))


def _other(terms: list[str], index: int, letter: str) -> tuple[int, int]:
    for other, letters in enumerate(terms):
        if other != index and letter in letters:
            return other, letters.index(letter)
    return -1, -1


def _equation(view: View) -> tuple[list[str] | None, str]:
    """Letters of each input and of the output; None for what is not looked through (ellipses, diagonals)."""
    equation = str(view.attribute("equation", "")).replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    plain = "." not in equation and all(len(set(term)) == len(term) == view.rank(i) for i, term in enumerate(terms))
    if not arrow:
        letters = left.replace(",", "")
        result = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return (terms if plain and len(terms) == len(view.node.inputs) else None), result
