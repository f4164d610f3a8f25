"""Cast and CastLike, between the types that torch computes with."""

from __future__ import annotations

import torch
from torch import fx

from graphmorph.onnx_door.element_types import numpy_type, type_name
from graphmorph.torch_door.element_types import torch_dtype
from graphmorph.torch_door.translation.operands import require, traced, type_of, untranslatable
from graphmorph.torch_door.translation_table import Translation, translates

_FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


@translates("Cast", 6, 9, 13, 19, 21, 23, 24, 25, 28)
def cast(t: Translation) -> fx.Node:
    """The values in another element type; numbers with a fraction are cut off, as in torch."""
    wanted = int(t.attr("to"))
    found = numpy_type(wanted)
    try:
        dtype = None if found is None else torch_dtype(found)
    except KeyError:
        dtype = None
    if dtype is None:
        raise untranslatable(t, f"the type {type_name(wanted)} is not torch's", "cast to a type that torch has")
    return _cast(t, dtype)


@translates("CastLike", 15, 19, 21, 23, 24, 25)
def cast_like(t: Translation) -> fx.Node:
    """The values in the element type of another tensor."""
    return _cast(t, type_of(t, 1))


def _cast(t: Translation, dtype: torch.dtype) -> fx.Node:
    require(t, dtype not in _FLOAT8, "float8 saturates otherwise in torch")
    require(t, not dtype.is_complex, "complex numbers")
    return t.method("to", traced(t), dtype)
