"""Who listens to which tensors: arrays are handed on as they come, and forgotten as soon as nobody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphmorph.errors import UsageError


class Accumulator(Protocol):
    """Whatever takes one batch of a tensor, or of several in a fixed order."""

    @property
    def update(self) -> Callable[..., None]:
        """Called with the arrays."""
        ...


#: Accumulators by the tensor, or the tensors, that they listen to.
Listeners = Mapping[str | tuple[str, ...], Accumulator | Sequence[Accumulator]]


class Listening:
    """Hands the tensors of one batch after another to their accumulators."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = [((key,) if isinstance(key, str) else key, _all(one)) for key, one in listeners.items()]
        self.names = frozenset(name for names, _ in self._listeners for name in names)
        if not self.names:
            raise UsageError("capture: no tensor is listened to")
        self._waiting: list[int] = []
        self._held: dict[str, NDArray[Any]] = {}

    def begin(self) -> None:
        """A batch begins: nothing of it has been seen."""
        self._waiting = list(range(len(self._listeners)))
        self._held.clear()

    def hear(self, name: str, array: NDArray[Any]) -> None:
        """A tensor of this batch. The array may be overwritten afterwards: what has to wait for others is copied.

        Raises:
            UsageError: the accumulators refuse it; the message names the tensor.
        """
        if name not in self.names:
            return
        self._held[name] = array
        complete = [index for index in self._waiting if self._held.keys() >= set(self._listeners[index][0])]
        for index in complete:
            self._hand_over(*self._listeners[index])
        self._waiting = [index for index in self._waiting if index not in complete]
        wanted = {one for index in self._waiting for one in self._listeners[index][0]}
        self._held = {one: held for one, held in self._held.items() if one in wanted}
        if name in self._held:
            self._held[name] = np.array(array)

    def _hand_over(self, names: tuple[str, ...], accumulators: Sequence[Accumulator]) -> None:
        for one in accumulators:
            try:
                one.update(*(self._held[name] for name in names))
            except UsageError as error:
                raise UsageError(f"tensor {', '.join(names)}: {error}") from error


def _all(one: Accumulator | Sequence[Accumulator]) -> Sequence[Accumulator]:
    return one if isinstance(one, Sequence) else (one,)
