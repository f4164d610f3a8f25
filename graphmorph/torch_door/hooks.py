"""Hooks that run when a module is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

#: Dictionaries of a module that hold hooks which run in its call.
CALL_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def has_hooks(module: nn.Module) -> bool:
    """Whether calling a module runs more than its code."""
    return any(part.__dict__.get(name) for part in module.modules() for name in CALL_HOOKS)


@contextmanager
def muted_hooks(root: nn.Module) -> Iterator[None]:
    """Keep hooks from running: they are the user's, and would see tensors without values."""
    muted = []
    for module in root.modules():
        for name in CALL_HOOKS:
            hooks = module.__dict__.get(name)
            if hooks:
                muted.append((module, name, hooks))
                module.__dict__[name] = type(hooks)()
    try:
        yield
    finally:
        for module, name, hooks in muted:
            module.__dict__[name] = hooks
