"""What stands for a traced value in the user's forward.

Assignments are traced as such. What Python has to know at once (how long something is, a size as an int, what it is an
instance of) is taken from the example, and guarded by an assertion where another input could differ.
"""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import fx

_UNPACK = dis.opmap["UNPACK_SEQUENCE"]


class TracedValue(fx.Proxy):
    """A proxy whose assignments are traced: `x += y` and `x[i] = y` write into x, and others may read x."""

    tracer: Any

    def __getattr__(self, name: str) -> TracedAttribute:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # protocols that numpy and torch ask for are not there
        return TracedAttribute(self, name)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, index, value), {})

    def __len__(self) -> int:
        length = self._length()
        if length is None:
            raise TypeError(f"the length of {self.node} follows the batch, or is not known while tracing")
        return length

    def __iter__(self) -> Iterator[fx.Proxy]:
        code, place = sys._getframe(1).f_code.co_code, sys._getframe(1).f_lasti
        if code[place] == _UNPACK:
            return iter([self[i] for i in range(code[place + 1])])  # type: ignore[index]
        length = self._length()
        if length is None:
            raise TypeError(f"{self.node} cannot be iterated: its length follows the batch, or is not known")
        return iter([self[i] for i in range(length)])  # type: ignore[index]

    def _length(self) -> int | None:
        values = self.tracer.examples(self.node)
        if not values or not all(isinstance(value, torch.Tensor | tuple | list) for value in values):
            return None
        lengths = {len(value) for value in values}
        if len(lengths) > 1:
            return None
        if not isinstance(values[0], torch.Size):  # whose length is a rank
            self._guard(self.tracer.create_proxy("call_function", len, (self,), {}), min(lengths))
        return min(lengths)

    def _guard(self, value: fx.Proxy, expected: float) -> None:
        self.tracer.guard(self.tracer.create_proxy("call_function", operator.eq, (value, expected), {}))

    def _number(self, kinds: type | tuple[type, ...], wanted: str) -> Any:
        values = self.tracer.examples(self.node)
        if not values or not all(isinstance(value, kinds) for value in values):
            raise TypeError(f"{self.node} is not known while tracing, and {wanted} has to be")
        if len(set(values)) > 1:
            raise TypeError(f"{self.node} follows the batch, and {wanted} has to be the same for every batch")
        self._guard(self, values[0])
        return values[0]

    def __index__(self) -> int:
        return int(self._number(int, "an index or a size"))

    def __int__(self) -> int:
        return int(self._number((int, float), "what int() gives"))

    def __float__(self) -> float:
        return float(self._number((int, float), "what float() gives"))


class TracedAttribute(TracedValue, fx.proxy.Attribute):
    """An attribute of a traced value; a node only if it is read, rather than called."""


def _augmented(name: str) -> Callable[[TracedValue, Any], fx.Proxy]:
    function = getattr(operator, name)

    def traced(self: TracedValue, other: Any) -> fx.Proxy:
        written: fx.Proxy = self.tracer.create_proxy("call_function", function, (self, other), {})
        return written

    return traced


for _name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"):
    setattr(TracedValue, f"__{_name}__", _augmented(_name))
