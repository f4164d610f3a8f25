"""Concrete sizes of every tensor in one run, and which of them are free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sizes:
    """sizes: by tensor name, as in one run. free: axes, by tensor name, that differ between runs."""

    sizes: Mapping[str, tuple[int, ...]]
    free: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def get(self, name: str) -> tuple[int, ...] | None:
        return self.sizes.get(name)

    def is_free(self, name: str, axis: int) -> bool:
        return axis in self.free.get(name, frozenset())
