"""Example inputs on the command line: sizes and element types, made into tensors from a seed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    import torch
    from torch import nn

DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")

_FORM = re.compile(r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<sizes>\d+(?:[x,]\d+)*)(?::(?P<dtype>\w+))?")
_FREE = re.compile(r"(?P<name>.+):(?P<axis>-?\d+)=(?P<symbol>[A-Za-z_]\w*)")


class WantedInput(NamedTuple):
    """One tensor: name of the argument or None, sizes, element type or None for that of the weights."""

    name: str | None
    sizes: tuple[int, ...]
    dtype: str | None


def parse_inputs(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[WantedInput]:
    """Option callback: `1x3x224x224`, `ids=1x128:int64`."""
    wanted: list[WantedInput] = []
    for value in values:
        match = _FORM.fullmatch(value)
        if match is None:
            raise click.BadParameter(f"{value!r} is not of the form [NAME=]1x3x224x224[:int64]", param=param)
        dtype = match["dtype"]
        if dtype is not None and dtype not in DTYPES:
            raise click.BadParameter(f"{value!r}: element types are {', '.join(DTYPES)}", param=param)
        sizes = tuple(int(size) for size in re.split("[x,]", match["sizes"]))
        if match["name"] is not None and any(one.name == match["name"] for one in wanted):
            raise click.BadParameter(f"two inputs for {match['name']!r}", param=param)
        wanted.append(WantedInput(match["name"], sizes, dtype))
    return wanted


def parse_free_axes(
    _ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, dict[int, str]] | None:
    """Option callback: {"x": {0: "batch"}} from `x:0=batch`."""
    axes: dict[str, dict[int, str]] = {}
    for value in values:
        match = _FREE.fullmatch(value)
        if match is None:
            raise click.BadParameter(f"{value!r} is not of the form NAME:AXIS=SYMBOL, as x:0=batch", param=param)
        axes.setdefault(match["name"], {})[int(match["axis"])] = match["symbol"]
    return axes or None


def example_inputs(module: nn.Module, wanted: Sequence[WantedInput], seed: int) -> dict[str, Any] | None:
    """Tensors by argument of forward: floats from a normal distribution, integers 0 and 1; None where none is wanted.

    Raises:
        UsageError: forward has no such arguments.
    """
    if not wanted:
        return None
    import torch

    from graphmorph.errors import UsageError

    generator = torch.Generator().manual_seed(seed)
    usual = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    tensors = [(one.name, _tensor(one, usual, generator)) for one in wanted]
    signature = inspect.signature(module.forward)
    try:
        bound = signature.bind(
            *(t for name, t in tensors if name is None), **{n: t for n, t in tensors if n is not None}
        )
    except TypeError as error:
        raise UsageError(f"--input does not fit {type(module).__name__}.forward{signature}: {error}") from error
    return dict(bound.arguments)


def _tensor(wanted: WantedInput, usual: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    import torch

    dtype: torch.dtype = usual if wanted.dtype is None else getattr(torch, wanted.dtype)
    if dtype.is_floating_point:
        return torch.randn(wanted.sizes, generator=generator).to(dtype)
    return torch.randint(2, wanted.sizes, generator=generator).to(dtype)
