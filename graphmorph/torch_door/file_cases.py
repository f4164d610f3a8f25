"""Inputs to prove an exported file on: the example, drawn ones like it, and other sizes where sizes are free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from graphmorph.torch_door.flat_module import RUN_ERRORS, Interface
from graphmorph.torch_door.free_axes import FreeAxes, Sizes, other_sizes, shape_at, sizes_of

#: Seeds from here on: an example made by torch.manual_seed(0) would be drawn a second time.
_OWN_SEEDS = 1 << 32


@dataclass(frozen=True)
class FileCase:
    """Tensors by position, and how they were made."""

    tensors: tuple[torch.Tensor, ...]
    source: str
    sample: int = 0

    def text(self, names: Sequence[str]) -> str:
        return ", ".join(f"{name} {list(t.shape)}" for name, t in zip(names, self.tensors, strict=True))


@dataclass
class FileCases:
    """The cases, and the free axes for which no other size was found that the module runs at."""

    cases: list[FileCase] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)


def cases_for(module: nn.Module, interface: Interface, free: FreeAxes, *, samples: int, seed: int) -> FileCases:
    """The example; drawn inputs of its sizes; each free axis alone at another size that the module takes, and all.

    The module must be in evaluation mode.
    """
    generator = torch.Generator().manual_seed(_OWN_SEEDS + seed)
    found = FileCases([FileCase(interface.tensors, "given")])
    for sample in range(samples):
        case = FileCase(drawn(interface.tensors, free, {}, generator), "seeded", sample)
        if _runs(module, interface, case):
            found.cases.append(case)
    changed: Sizes = {}
    example = sizes_of(interface, free)
    for symbol, size in example.items():
        tried = _first_that_runs(module, interface, free, {symbol: size}, generator)
        if tried is None:
            found.unproven.append(symbol)
            continue
        case, changed[symbol] = tried
        found.cases.append(case)
    single = {symbol: 1 for symbol in changed if _is_batch(symbol, free) and example[symbol] != 1}
    for sizes in (changed if len(changed) > 1 else {}, single):
        case = FileCase(drawn(interface.tensors, free, sizes, generator), "seeded")
        if sizes and _runs(module, interface, case):
            found.cases.append(case)
    return found


def _is_batch(symbol: str, free: FreeAxes) -> bool:
    return any(axes.get(0) == symbol for axes in free)


def _first_that_runs(
    module: nn.Module, interface: Interface, free: FreeAxes, example: Sizes, generator: torch.Generator
) -> tuple[FileCase, int] | None:
    """Inputs with another size of one free axis, which the module takes, and that size."""
    ((symbol, size),) = example.items()
    for other in other_sizes(symbol, free, size):
        case = FileCase(drawn(interface.tensors, free, {symbol: other}, generator), "seeded")
        if _runs(module, interface, case):
            return case, other
    return None


def _runs(module: nn.Module, interface: Interface, case: FileCase) -> bool:
    try:
        interface.run(module, case.tensors)
    except RUN_ERRORS:
        return False
    return True


def drawn(
    tensors: Sequence[torch.Tensor], free: FreeAxes, sizes: Sizes, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """Tensors like those of the example: floats from a normal distribution, integers from the example's own."""
    return tuple(
        _drawn(tensor, shape_at(tensor.shape, axes, sizes), generator)
        for tensor, axes in zip(tensors, free, strict=True)
    )


def _drawn(like: torch.Tensor, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if like.is_floating_point():
        return torch.randn(shape, generator=generator).to(like.dtype).to(like.device)
    if not like.numel():
        return like
    places = torch.randint(like.numel(), shape, generator=generator)
    return like.reshape(-1)[places.to(like.device)]
