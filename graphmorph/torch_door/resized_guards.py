"""Assertions of a traced program in a graph with resized tensors: the branches that were taken stay taken."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

from torch import fx

from graphmorph.torch_door.calls import CALL_ERRORS, Call, call_of
from graphmorph.torch_door.resized_values import ResizedValues, UnknownValueError

#: How a program reads a size.
_SIZES = frozenset({operator.getitem, getattr, "size"})


def guard_of(values: ResizedValues, node: fx.Node) -> tuple[Call, fx.Node | None, Call | None] | None:
    """An assertion as it holds now: its call, and the call that its condition is where that is another one.

    A condition that holds with the new sizes stays. One that says what a size is says the new size. Any other goes: it
    decided a branch, or checked what the program can do, and the branch stays.
    """
    call = call_of(values.record.root, node)
    if _holds(values, call):
        return call, None, None
    condition = next((arg for arg in call.nodes if arg in values.record.numbers), None)
    if condition is None or condition.target is not operator.eq:
        return None
    said = _said_anew(values, call_of(values.record.root, condition))
    return None if said is None else (call, condition, said)


def _holds(values: ResizedValues, call: Call) -> bool:
    try:
        for run in values.runs:
            args, kwargs = call.mapped(lambda node, run=run: values.number(node, run))  # type: ignore[misc]
            call.run(args, kwargs)
    except (UnknownValueError, KeyError, *CALL_ERRORS):
        return False
    return True


def _said_anew(values: ResizedValues, call: Call) -> Call | None:
    """size == value with what the size is now; None for what is computed from sizes, and for what follows the batch."""
    if len(call.args) != 2 or sum(isinstance(arg, fx.Node) for arg in call.args) != 1 or call.kwargs:
        return None
    place = next(index for index, arg in enumerate(call.args) if isinstance(arg, fx.Node))
    if call.args[place].target not in _SIZES:
        return None
    try:
        found: list[Any] = [values.number(call.args[place], run) for run in values.runs]
    except UnknownValueError:
        return None
    if any(other != found[0] for other in found):
        return None
    value = tuple(found[0]) if isinstance(found[0], tuple) else found[0]
    other = type(call.args[1 - place])(value) if isinstance(call.args[1 - place], list) else value
    args = (call.args[0], other) if place == 0 else (other, call.args[1])
    return replace(call, args=args)
