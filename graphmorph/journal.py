"""The record of edits to constants: it moves optimizer state along with parameters, and tells their provenance."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ConstantEdit:
    """A constant that a rewrite made, and the constants whose values went into it."""

    rewrite: str
    name: str
    made_from: tuple[str, ...]


@dataclass
class Journal:
    """Edits in the order in which they were made."""

    edits: list[ConstantEdit] = field(default_factory=list)
    nodes_removed: int = 0
    nodes_added: int = 0

    @property
    def modified(self) -> bool:
        return bool(self.edits) or self.nodes_removed > 0 or self.nodes_added > 0
