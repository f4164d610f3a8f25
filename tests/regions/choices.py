"""Where a random region takes its choices from: a seed, or hypothesis, which can shrink them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """A source of choices; `numbers` makes weights, which need no shrinking."""

    numbers: np.random.Generator

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options; hypothesis shrinks towards the first."""

    def chance(self, probability: float) -> bool:
        """True with the given probability; hypothesis shrinks towards False."""


class Seeded:
    """Choices that one seed decides."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        return options[self._random.randrange(len(options))]

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability


class Drawn:
    """Choices that hypothesis draws."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw
        self.numbers = np.random.default_rng(draw(st.integers(0, 999)))

    def integer(self, low: int, high: int) -> int:
        return int(self._draw(st.integers(low, high)))

    def pick(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        return self.integer(0, 99) >= 100 - round(100 * probability)
