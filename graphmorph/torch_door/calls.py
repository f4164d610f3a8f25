"""A call of a traced program, apart from its fx node: what is called, with which arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import fx, nn

#: What a call may raise on arguments that it is not made for; torch has no common base for it.
CALL_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Call:
    """`args` and `kwargs` hold fx nodes for what was traced. `module` is what a call_module calls."""

    op: str
    target: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    module: nn.Module | None = None

    @property
    def nodes(self) -> list[fx.Node]:
        """The fx nodes in the arguments."""
        found: dict[fx.Node, None] = {}
        fx.map_arg((self.args, dict(self.kwargs)), found.setdefault)
        return list(found)

    def mapped(self, argument: Callable[[fx.Node], Any]) -> tuple[Any, Any]:
        """The arguments with every fx node replaced; lists and dicts in them are the call's own."""
        return _own_lists(fx.map_arg(self.args, argument)), _own_lists(fx.map_arg(dict(self.kwargs), argument))

    def run(self, args: Any, kwargs: Any) -> Any:
        """What the call gives for arguments without fx nodes."""
        if self.module is not None:
            return self.module.forward(*args, **kwargs)
        if self.op == "call_method":
            return getattr(args[0], str(self.target))(*args[1:], **kwargs)
        return self.target(*args, **kwargs)


def call_of(root: nn.Module, node: fx.Node) -> Call:
    """The call that a node of a program on `root` makes."""
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
    return Call(node.op, node.target, node.args, node.kwargs, module)


def put(call: Call, place: int, name: str, value: Any) -> Call:
    """The same call with another value for an argument, wherever that is given."""
    if name in call.kwargs or place >= len(call.args):
        return replace(call, kwargs={**call.kwargs, name: value})
    return replace(call, args=(*call.args[:place], value, *call.args[place + 1 :]))


def _own_lists(value: Any) -> Any:
    """fx's lists and dicts cannot be changed, which a function may do to its arguments."""
    if isinstance(value, list):
        return [_own_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _own_lists(item) for key, item in value.items()}
    return tuple(_own_lists(item) for item in value) if type(value) is tuple else value
