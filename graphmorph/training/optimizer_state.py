"""An optimizer goes on with the module that a rewrite made: parameters, state and param groups follow the journal."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import nn

from graphmorph.errors import OptimizerWarning, UsageError
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training.following import LeftBehind, followed, state_of
from graphmorph.training.successors import Successor, successors_of

AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)


@torch.no_grad()
def carry_optimizer(
    optimizer: AnyOptimizer, before: nn.Module, after: MorphedModule, *, new_group: int = 0
) -> AnyOptimizer:
    """Let an optimizer go on with a rewritten module, as if it had always trained that.

    The very optimizer is changed and returned: schedulers, gradient scalers and loops that hold it go on with it. Call
    it between two steps. Where it raises, nothing was changed.

    Parameters. Those of `before` are replaced by those of `after` that have entries of them, at the same place of the
    same group; those that are gone leave it. Groups keep their order and options, empty ones too, since schedulers
    count them. A parameter that was computed of several joins the group of the first of them that is trained and of its
    shape, or else of the first that is trained; one that was made of nothing joins group `new_group`. What was made of
    untrained tensors alone stays out. Parameters of other modules stay.

    State. Tensors of the parameter's shape (momentum, the moments of Adam, AdamW, RMSprop, Adagrad ...) are indexed as
    the journal says that the parameter was; entries that are new begin at zero, also in running maxima (amsgrad). A
    state tensor of that very shape counts as one value for each entry of the parameter. Scalars such as `step` stay;
    Adafactor's rows and columns (axes of size 1, or names that end in _row and _col) are indexed along the axes that
    they have. Where anything of another shape belongs to a parameter that changed, or where the parameter was computed
    anew, its state starts anew as a whole, with an OptimizerWarning that names it. `.grad` is indexed as well.

    Hooks of single parameters, captured CUDA graphs, sharded optimizers and copies of the module that something else
    averages (torch.optim.swa_utils.AveragedModel) do not follow.

    before: the module that was rewritten; the optimizer holds its parameters. after: what the rewrite returned, or a
    copy of it.

    Raises:
        UsageError: the optimizer holds no parameter of `before`, or keeps all parameters in one vector (LBFGS); `after`
            was not made from `before`; there is no group `new_group`.
    """
    held = _held(optimizer, before, new_group)
    successors = successors_of(before, after, held)
    states, anew = _states(optimizer.state, successors)
    if anew:
        warnings.warn(f"the state of {len(anew)} parameters starts anew: {'; '.join(anew)}", OptimizerWarning, 3)
    for one in successors:
        _carry_gradient(one)
    places: dict[int, list[Successor]] = {id(p): [] for p in before.parameters() if id(p) in held}
    for one in successors:
        if one.old is not None:
            places.setdefault(id(one.old), []).append(one)
    for number, group in enumerate(optimizer.param_groups):
        _replace(group, places, [one for one in successors if one.old is None] if number == new_group else [])
    for old in before.parameters():
        optimizer.state.pop(old, None)
    optimizer.state.update(states)
    return optimizer


def _held(optimizer: torch.optim.Optimizer, before: nn.Module, new_group: int) -> set[int]:
    """Identities of what an optimizer holds.

    Raises:
        UsageError: it cannot follow.
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        raise UsageError(
            "LBFGS keeps directions of all parameters in one vector, of which no part belongs to one parameter: make a "
            "new optimizer for the new module"
        )
    if not 0 <= new_group < len(optimizer.param_groups):
        raise UsageError(f"new_group={new_group}: the optimizer has {len(optimizer.param_groups)} param groups")
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in before.parameters()):
        raise UsageError(
            f"the optimizer holds no parameter of `before` ({type(before).__name__}): pass the module that it trains, "
            "and that was rewritten, not a copy"
        )
    return held


def _states(
    state: Mapping[torch.Tensor, Mapping[str, Any]], successors: Iterable[Successor]
) -> tuple[dict[torch.Tensor, dict[str, Any]], list[str]]:
    """The state of each new parameter that has one, and which do not get what they should."""
    states: dict[torch.Tensor, dict[str, Any]] = {}
    anew: list[str] = []
    used: set[int] = set()
    for one in successors:
        known = {} if one.old is None else state.get(one.old, {})
        if one.old is None or not known:
            continue
        if one.origin.slices is None and not one.is_same:
            anew.append(f"{one.path} (computed from {', '.join(one.origin.paths)})")
            continue
        try:
            mine = state_of(known, one.old, one.parameter, one.origin)
        except LeftBehind as error:
            anew.append(f"{one.path} ({error})")
            continue
        # What did not change is handed on as it is, to one.
        states[one.parameter] = copy.deepcopy(mine) if id(one.old) in used else mine
        used.add(id(one.old))
    return states, anew


def _carry_gradient(one: Successor) -> None:
    if one.old is None or one.is_same or one.origin.slices is None or one.old.grad is None:
        return
    one.parameter.grad = followed(one.old.grad, one.parameter, one.origin)


def _replace(group: dict[str, Any], places: Mapping[int, Sequence[Successor]], new: Iterable[Successor]) -> None:
    """Put successors in the places of the old, and what is new at the end; the group's list is the same object."""
    names = group.get("param_names", [""] * len(group["params"]))
    placed: list[tuple[nn.Parameter, str]] = []
    for parameter, name in zip(group["params"], names, strict=True):
        if id(parameter) in places:
            placed.extend((one.parameter, name if one.is_same else one.path) for one in places[id(parameter)])
        else:
            placed.append((parameter, name))
    placed.extend((one.parameter, one.path) for one in new)
    group["params"][:] = [parameter for parameter, _ in placed]
    if "param_names" in group:
        group["param_names"] = [name for _, name in placed]
