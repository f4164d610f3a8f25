"""GridSample."""

from __future__ import annotations

from torch import fx
from torch.nn import functional

from graphmorph.torch_door.translation.operands import rank_of, require
from graphmorph.torch_door.translation_table import Translation, translates

_MODES = {"bilinear": "bilinear", "linear": "bilinear", "nearest": "nearest", "bicubic": "bicubic", "cubic": "bicubic"}


@translates("GridSample", 16, 20, 22)
def grid_sample(t: Translation) -> fx.Node:
    """The input at the places of a grid, whose coordinates run from -1 to 1; torch calls trilinear bilinear too."""
    default = "bilinear" if t.version < 20 else "linear"
    mode, padding = str(t.attr("mode", default)), str(t.attr("padding_mode", "zeros"))
    rank = rank_of(t)
    require(t, mode in _MODES, f"mode {mode!r} is not known")
    require(t, rank in (4, 5), f"its input has rank {rank}", "torch samples tensors of rank 4 and 5")
    require(t, rank == 4 or _MODES[mode] != "bicubic", "it is cubic over three axes", "torch is cubic over two")
    corners = bool(t.attr("align_corners", 0))
    return t.call(functional.grid_sample, t.value(0), t.value(1), _MODES[mode], padding, corners)
