"""The tree of the new module: the original's order and names, its very leaves, and what rewrites made in their places.

What the program never read stays (auxiliary heads, unused parameters); what it read and the new program does not, goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from graphmorph.torch_door.free_paths import above
from graphmorph.torch_door.record import TraceRecord

#: What every module has in its __dict__: its own state, its hooks, and flags.
_INTERNALS = frozenset(nn.Module().__dict__)


class Container(nn.Module):
    """A module that only holds others: what is left of one that was traced through.

    Its forward is gone, and so is its class; only the name that the class had is kept.
    """

    _class_name = "Module"  # without an annotation: torch.jit.script reads those of classes, and not as text

    def __getitem__(self, index: int | str) -> nn.Module:
        """A child by place or by name, as in Sequential, ModuleList and ModuleDict."""
        if isinstance(index, str):
            return self._modules[index]  # type: ignore[return-value]
        return list(self._modules.values())[index]  # type: ignore[return-value]

    def __len__(self) -> int:
        return len(self._modules)

    def _get_name(self) -> str:
        return self._class_name


@dataclass
class Contents:
    """What the new program uses. `modules` and `tensors` are new, by path; `called` and `read` identify the module's
    own modules and tensors."""

    modules: Mapping[str, nn.Module]
    tensors: Mapping[str, torch.Tensor]
    called: set[int]
    read: set[int]
    traced_modules: set[int] = field(default_factory=set)
    traced_tensors: set[int] = field(default_factory=set)


def contents_of(
    record: TraceRecord,
    modules: Mapping[str, nn.Module],
    tensors: Mapping[str, torch.Tensor],
    called: set[str],
    read: set[int],
) -> Contents:
    """What was used while tracing, and what is now."""
    root = record.root
    traced = {
        id(root.get_submodule(str(site.fx_node.target))) for site in record.sites if site.fx_node.op == "call_module"
    }
    touched = accessed_tensors(root, record.fx_graph)
    for values in record.parameters.values():
        touched.add(id(values.source))
    return Contents(modules, tensors, {id(root.get_submodule(path)) for path in called}, read, traced, touched)


def accessed_tensors(root: nn.Module, graph: fx.Graph) -> set[int]:
    """Identities of the module's own tensors that a program accesses by their paths."""
    by_path = dict(_named_tensors(root))
    accessed = {str(node.target) for node in graph.nodes if node.op == "get_attr"}
    return {id(by_path[path]) for path in accessed if path in by_path}


def _named_tensors(root: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [
        *root.named_parameters(remove_duplicate=False),
        *root.named_buffers(remove_duplicate=False),
    ]


def build_tree(root: nn.Module, contents: Contents) -> nn.Module:
    """A new root with the children, parameters and buffers of the new program, in the original's order."""
    builder = _Builder(contents)
    tree = builder.copy_of(root, "")
    for path, module in contents.modules.items():
        _place(tree, path, module)
    for path, tensor in contents.tensors.items():
        if path in builder.placed:
            continue
        if isinstance(tensor, nn.Parameter):
            tree.register_parameter(path, tensor)
        else:
            tree.register_buffer(path, tensor, persistent=False)
    return tree


class _Builder:
    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.done: dict[int, nn.Module | None] = {}
        self.holders = set[str]().union(*(above(path) for path in contents.modules))
        self.used = contents.read | {id(tensor) for tensor in contents.tensors.values()}
        self.placed: set[str] = set()

    def copy_of(self, module: nn.Module, path: str) -> nn.Module:
        """A container with the state, hooks and flags of a module that was traced through."""
        copied = Container()
        self.done[id(module)] = copied
        copied._class_name = module._get_name()
        for name, value in module.__dict__.items():
            if name not in ("_modules", "_parameters", "_buffers"):
                copied.__dict__[name] = _own(value) if name in _INTERNALS else value
        copied._parameters = self._state_of(module._parameters, path)
        copied._buffers = self._state_of(module._buffers, path)
        for name, child in module._modules.items():
            below = f"{path}.{name}" if path else name
            kept = None if child is None else self._child(child, below)
            if child is None or kept is not None:
                copied._modules[name] = kept
        return copied

    def _state_of(self, state: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Parameters or buffers, in their order: those that stay, and what took the places of others."""
        places = {name: f"{path}.{name}" if path else name for name in state}
        new = {name: self.contents.tensors[at] for name, at in places.items() if at in self.contents.tensors}
        self.placed |= {places[name] for name in new}
        return {n: new.get(n, tensor) for n, tensor in state.items() if n in new or not self._dropped(tensor)}

    def _child(self, child: nn.Module, path: str) -> nn.Module | None:
        if id(child) not in self.done:
            self.done[id(child)] = self._fresh_child(child, path)
        return self.done[id(child)]

    def _fresh_child(self, child: nn.Module, path: str) -> nn.Module | None:
        if path in self.contents.modules:
            return self.contents.modules[path]
        if id(child) in self.contents.called or not self._used_by_trace(child):
            return child
        below = path in self.holders
        if id(child) in self.contents.traced_modules and not below:
            return child if any(id(t) in self.contents.read for t in child.parameters()) else None
        copied = self.copy_of(child, path)
        empty = not copied._modules and not any(id(t) in self.used for t in _direct(copied))
        return None if empty and not below and (child._modules or list(_direct(child))) else copied

    def _used_by_trace(self, module: nn.Module) -> bool:
        """Whether the program called or read anything in a module."""
        return any(id(m) in self.contents.traced_modules for m in module.modules()) or any(
            id(t) in self.contents.traced_tensors for t in (*module.parameters(), *module.buffers())
        )

    def _dropped(self, tensor: torch.Tensor | None) -> bool:
        return (
            tensor is not None and id(tensor) in self.contents.traced_tensors and id(tensor) not in self.contents.read
        )


def _direct(module: nn.Module) -> list[torch.Tensor]:
    return [t for t in (*module._parameters.values(), *module._buffers.values()) if t is not None]


def _own(value: Any) -> Any:
    """Dictionaries and sets of hooks are the container's own; what is in them is shared."""
    return value.copy() if isinstance(value, dict | set) else value


def _place(tree: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module at a path, with containers on the way."""
    above, _, name = path.rpartition(".")
    holder = tree
    for part in above.split(".") if above else ():
        child = holder._modules.get(part)
        if child is None:
            child = Container()
            child.training = tree.training
            holder._modules[part] = child
        holder = child
    holder._modules[name] = module


def called_paths(graph: fx.Graph) -> set[str]:
    """Paths of the modules that a program calls."""
    return {str(node.target) for node in graph.nodes if node.op == "call_module"}
