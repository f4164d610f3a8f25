"""Numbers that follow from the ranks of tensors, or from ranks and element types: the same whatever the sizes."""

from __future__ import annotations

from torch import fx

_RANKS = frozenset({"dim", "ndim", "ndimension"})
_TYPES = frozenset({"dtype", "device", "is_floating_point", "is_complex", "is_cuda", "requires_grad"})


def depends_on_rank_alone(node: fx.Node) -> bool:
    """Whether a number follows from ranks and element types of tensors, whatever their sizes."""
    return _follows_from(node, _RANKS | _TYPES)


def is_rank(node: fx.Node) -> bool:
    """Whether a number, or an assertion, follows from ranks alone."""
    return node.op in ("call_function", "call_method") and _follows_from(node, _RANKS)


def _follows_from(node: fx.Node, known: frozenset[str]) -> bool:
    pending, seen = [node], set()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        name = current.args[1] if current.target is getattr and len(current.args) > 1 else current.target
        if name in known:
            continue
        if current.op not in ("call_function", "call_method") or not current.all_input_nodes:
            return False
        pending.extend(current.all_input_nodes)
    return True
