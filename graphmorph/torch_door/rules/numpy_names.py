"""numpy's names for arguments, which torch's native functions accept: axis for dim, keepdims for keepdim, ..."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from graphmorph.torch_door.builder import SiteBuilder, Unsupported

#: From torch/csrc/utils/python_arg_parser.cpp, numpy_compatibility_arg_names.
_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


def numpy_names(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Let a rule be called with numpy's names, where it does not have arguments of these names itself."""
    signature = inspect.signature(rule)

    def renamed(site: SiteBuilder, *args: Any, **kwargs: Any) -> Any:
        given = {_NAMES.get(key, key) if key not in signature.parameters else key: kwargs[key] for key in kwargs}
        try:
            signature.bind(site, *args, **given)
        except TypeError as error:
            raise Unsupported(f"it was called in a way that is not understood: {error}") from error
        return rule(site, *args, **given)

    renamed.__name__, renamed.__doc__, renamed.__module__ = rule.__name__, rule.__doc__, rule.__module__
    return renamed
