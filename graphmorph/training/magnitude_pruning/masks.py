"""Weights that were pruned stay zero while an optimizer goes on, with nothing of it in the module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from graphmorph.errors import UsageError
from graphmorph.torch_door.morphed_module import MorphedModule
from graphmorph.training.magnitude_pruning.mask_following import kept_after
from graphmorph.training.magnitude_pruning.smallest import Measure, Scope, kept_at, require_known
from graphmorph.training.optimizer_state import carry_optimizer


class MagnitudeMasks:
    """Which weights of a module are pruned; two hooks on its optimizer keep them at zero.

    Before a step of the optimizer the gradients of pruned weights are set to zero, after it the weights themselves:
    momentum, weight decay and moments of other steps cannot bring them back. The module is not touched otherwise: its
    parameters, its state_dict and its copies are what they would be without masks. A weight that is changed by other
    means (`load_state_dict`) is set to zero again by `apply`. Nothing is kept of masks in the module or the optimizer
    after `release`.

    Weights are the parameters with two or more axes that the optimizer holds. Biases and normalisations are neither
    pruned nor counted.

    measure: what a rate means: the share of the remaining weights that goes, the magnitude below which weights go, or
    that in standard deviations of the remaining weights. scope: each layer by itself, or all weights in one order.
    weights: a glob of the paths of parameters, for only some of them.

    Raises:
        UsageError: an unknown measure or scope, or no weights.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        measure: Measure = "share",
        scope: Scope = "global",
        weights: str = "*",
    ) -> None:
        require_known(measure, scope)
        self.module, self.optimizer = module, optimizer
        self.measure, self.scope, self._glob = measure, scope, weights
        self.kept = {path: torch.ones_like(weight, dtype=torch.bool) for path, weight in self._found().items()}
        if not self.kept:
            raise UsageError(
                f"the optimizer holds no parameter of {type(module).__name__} with two or more axes and a path like "
                f"{weights!r}"
            )
        self._factors: list[tuple[nn.Parameter, torch.Tensor]] = []
        self._handles = [
            optimizer.register_step_pre_hook(lambda *_: self._clear_gradients()),
            optimizer.register_step_post_hook(lambda *_: self._clear_weights()),
        ]

    def _found(self) -> dict[str, nn.Parameter]:
        held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        return {
            path: parameter
            for path, parameter in self.module.named_parameters()
            if parameter.dim() > 1 and id(parameter) in held and fnmatchcase(path, self._glob)
        }

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The parameters with masks, by path."""
        return {path: self.module.get_parameter(path) for path in self.kept}

    @property
    def total(self) -> int:
        return sum(one.numel() for one in self.kept.values())

    @property
    def remaining(self) -> int:
        """How many weights are not pruned, which is what the paper counts."""
        return sum(int(one.sum()) for one in self.kept.values())

    @property
    def mean_magnitude(self) -> float:
        """The mean of |w| over the remaining weights; 0 without any."""
        sums = (weight.detach()[self.kept[path]].double().abs().sum() for path, weight in self.weights.items())
        return sum(float(one) for one in sums) / max(self.remaining, 1)

    def prune(self, rate: float) -> int:
        """Prune the smallest of the remaining weights; returns how many went."""
        before = self.remaining
        self.kept = kept_at(self.weights, self.kept, rate, self.measure, self.scope)
        self.apply()
        return before - self.remaining

    @contextmanager
    def tried(self, rate: float) -> Iterator[None]:
        """Pruned for as long as the context lasts; then weights and masks are what they were."""
        kept = self.kept
        values = {path: weight.detach().clone() for path, weight in self.weights.items()}
        try:
            self.prune(rate)
            yield
        finally:
            with torch.no_grad():
                for path, weight in self.weights.items():
                    weight.copy_(values[path])
            self.kept = kept
            self.apply()

    def apply(self) -> None:
        """Set pruned weights to zero: after weights were loaded or moved elsewhere, or `kept` was written to."""
        self.kept = {path: self.kept[path].to(weight.device) for path, weight in self.weights.items()}
        self._factors = [(weight, self.kept[path].to(weight.dtype)) for path, weight in self.weights.items()]
        self._clear_weights()

    # A step of a small network takes a millisecond: nothing is looked up here, and products are faster than fills.
    @torch.no_grad()
    def _clear_weights(self) -> None:
        for weight, factor in self._factors:
            weight.mul_(factor)

    @torch.no_grad()
    def _clear_gradients(self) -> None:
        for weight, factor in self._factors:
            if weight.grad is not None:
                weight.grad.mul_(factor)

    def follow(self, after: MorphedModule, *, new_group: int = 0) -> None:
        """Go on with a module that a rewrite made of the present one, and let the optimizer go on with it too.

        Masks are indexed as the journal says that weights were; a weight that was computed of pruned ones is pruned
        where it is zero; new ones are whole.

        Raises:
            UsageError: as `carry_optimizer`, whose new_group this is.
        """
        kept = kept_after(self.kept, after)
        carry_optimizer(self.optimizer, self.module, after, new_group=new_group)
        self.module = after
        self.kept = {
            path: kept.get(path, torch.ones_like(weight, dtype=torch.bool)) for path, weight in self._found().items()
        }
        self.apply()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The masks by path, for torch.save."""
        return {path: one.clone() for path, one in self.kept.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take masks over and set pruned weights to zero.

        Raises:
            UsageError: they belong to other weights.
        """
        shapes = {path: tuple(one.shape) for path, one in state.items()}
        own = {path: tuple(one.shape) for path, one in self.kept.items()}
        if shapes != own:
            raise UsageError(f"masks of {shapes} for weights of {own}: rewrite the module first, as it was then")
        self.kept = {path: one.clone() for path, one in state.items()}
        self.apply()

    def release(self) -> None:
        """Take the hooks from the optimizer: pruned weights stay zero until something trains them."""
        for handle in self._handles:
            handle.remove()
