"""Modules that call one function with settings of their own: one rule for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_graphsurgeon as gs
from torch import nn

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.rule_table import Rule, lowers_module


def for_modules(*types: type[nn.Module], settings: tuple[str, ...] = ()) -> Callable[[Rule], Rule]:
    """Register the rule of a function for modules too; it gets the named attributes of the module, in order."""

    def register(rule: Rule) -> Rule:
        def module_rule(site: SiteBuilder, module: nn.Module, input: gs.Tensor) -> Any:
            return rule(site, input, *(getattr(module, name) for name in settings))

        module_rule.__name__, module_rule.__module__ = rule.__name__, rule.__module__
        lowers_module(*types)(module_rule)
        return rule

    return register
