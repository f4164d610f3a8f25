"""What is kept of a run: arrays by name, with dots where one thing is part of another (as numpy.savez takes them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

State = Mapping[str, NDArray[Any]]


def joined(parts: Mapping[str, State]) -> dict[str, NDArray[Any]]:
    """One state of several, copied: what goes on does not change it. `part` gives each back."""
    return {f"{name}.{key}": array.copy() for name, state in parts.items() for key, array in state.items()}


def part(state: State, name: str) -> dict[str, NDArray[Any]]:
    """The part of a state that `joined` put under a name."""
    start = f"{name}."
    return {key.removeprefix(start): array for key, array in state.items() if key.startswith(start)}
