"""Paths of new modules and tensors: after the nodes that they stand for, and nobody else's."""

from __future__ import annotations

import keyword
import re
from typing import Any

from torch import nn

from graphmorph.torch_door.record import TraceRecord

_MISSING: Any = object()


class FreePaths:
    """Hands out paths. kept: of the module's own modules that are called; leaves: of those that the program called."""

    def __init__(self, record: TraceRecord | None, kept: set[str]) -> None:
        self.record = record
        self.kept = kept
        self.taken: set[str] = set()
        self._above_taken: set[str] = set()
        self.leaves, self._containers = _paths_of(record)
        self._dissolved: set[str] = set()

    def dissolve(self, path: str) -> None:
        """Let a layer that goes hold the layers that it becomes."""
        self._dissolved.add(path)

    def free(self, name: str, *, replaces: bool = True) -> str:
        """A path after a node's name that nothing which stays has; `replaces`: maybe that of a module which goes."""
        wanted = name if self._goes(name) else self._outside_leaves(clean_path(name))
        path, count = wanted, 1
        while not self._is_free(path, replaces):
            count += 1
            path = f"{wanted}_{count}"
        self.taken.add(path)
        self._above_taken |= above(path)
        return path

    def _outside_leaves(self, path: str) -> str:
        """Layers hold no others: what would lie in one is named beside it, conv.extra as conv_extra."""
        parts = path.split(".")
        above = 0
        while above < len(parts) - 1:
            if self._may_hold(".".join(parts[: above + 1])):
                above += 1
            else:
                parts[above : above + 2] = [f"{parts[above]}_{parts[above + 1]}"]
        return ".".join(parts)

    def _may_hold(self, path: str) -> bool:
        if path in self.taken or path in self.leaves:
            return path in self._dissolved and path not in self.taken
        return path in self._containers or not self._exists(path)

    def _is_free(self, path: str, replaces: bool) -> bool:
        if path in self.taken or path in self.kept or path in self._above_taken:
            return False
        return (replaces and self._goes(path)) or not self._exists(path)

    def _goes(self, path: str) -> bool:
        """Whether a path is that of a layer of the program, or of something in one that dissolves."""
        return path in self.leaves or any(path.startswith(f"{whole}.") for whole in self._dissolved)

    def _exists(self, path: str) -> bool:
        return _attribute(nn.Module() if self.record is None else self.record.root, path) is not _MISSING


def attribute_at(root: nn.Module, path: str) -> Any:
    """What lies at a dotted path, or None."""
    found = _attribute(root, path)
    return None if found is _MISSING else found


def _paths_of(record: TraceRecord | None) -> tuple[set[str], set[str]]:
    """Paths of the modules that the program calls, and of those that it was traced through."""
    if record is None:
        return set(), set()
    leaves = {str(site.fx_node.target) for site in record.sites if site.fx_node.op == "call_module"}
    accessed = {str(node.target) for node in record.fx_graph.nodes if node.op == "get_attr"}
    return leaves, set().union(*(above(path) for path in leaves | accessed)) - leaves


def above(path: str) -> set[str]:
    """The paths of everything that holds what lies at a path, but for the root."""
    return {path.rsplit(".", count)[0] for count in range(1, path.count(".") + 1)}


def _attribute(root: nn.Module, path: str) -> Any:
    """What lies at a dotted path, or _MISSING."""
    found: Any = root
    for name in path.split("."):
        found = getattr(found, name, _MISSING)
    return found


def argument_name(name: str) -> str:
    """A name that an argument of forward can have."""
    cleaned = clean_path(name).replace(".", "_")
    return cleaned if cleaned.isidentifier() and not keyword.iskeyword(cleaned) else f"input_{cleaned}"


def clean_path(name: str) -> str:
    """A dotted path for a node's name: exporters write /layer1/conv1/Conv."""
    parts = [re.sub(r"[^0-9A-Za-z_]+", "_", part) for part in re.split(r"[./]+", name.replace("::", ".")) if part]
    return ".".join(part for part in parts if part) or "node"
