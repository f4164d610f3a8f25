"""The table of lowering rules: which torch modules, functions and methods become which ONNX nodes.

Keys are ("module", type), ("function", callable) and ("method", name); a second rule for a key is refused. A function
of a library that may not be there is known by its module and name. What has no rule is carried through as an opaque
node. The folder `rules` is the support table; `supported` lists it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from torch import nn

Rule = Callable[..., Any]
Key = tuple[str, Any]

_RULES: dict[Key, Rule] = {}


def lowers(*functions: Callable[..., Any] | str, methods: Iterable[str] = ()) -> Callable[[Rule], Rule]:
    """Register a rule for functions and for tensor methods; called with a SiteBuilder and the call's arguments."""
    keys: list[Key] = [*(("function", function) for function in functions), *(("method", name) for name in methods)]
    return _registering(keys)


def lowers_module(*types: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Register a rule for modules of exactly these types; it is called with SiteBuilder, module, and the arguments."""
    return _registering([("module", one) for one in types])


def _registering(keys: list[Key]) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for key in dict.fromkeys(keys):  # some functions have two names
            if key in _RULES:
                raise ValueError(f"two lowering rules for {key[0]} {key[1]}")
            _RULES[key] = rule
        return rule

    return register


@cache
def load_rules() -> dict[Key, Rule]:
    """Every rule; imports the modules of `graphmorph.torch_door.rules` once."""
    from graphmorph.torch_door import rules

    for module in pkgutil.iter_modules(rules.__path__):
        importlib.import_module(f"{rules.__name__}.{module.name}")
    return _RULES


def rule_for(kind: str, target: Any) -> Rule | None:
    """The rule of a module type, a function, or a method name."""
    try:
        found = load_rules().get((kind, target))
    except TypeError:  # an unhashable callable
        return None
    if found is None and kind == "function":
        name = f"{getattr(target, '__module__', None)}.{getattr(target, '__qualname__', None)}"
        found = load_rules().get((kind, name))
    return found


def supported() -> dict[str, list[str]]:
    """Names of everything that is lowered, by rule file: the table in the documentation."""
    table: dict[str, set[str]] = {}
    for (kind, target), rule in load_rules().items():
        names = table.setdefault(rule.__module__.rpartition(".")[2], set())
        if kind == "method":
            names.add(f"Tensor.{target}")
        elif isinstance(target, str):
            names.add(target)
        else:
            home = str(getattr(target, "__module__", None) or "torch")
            names.add(f"{home.removeprefix('_')}.{target.__name__}")
    return {name: sorted(targets) for name, targets in sorted(table.items())}
