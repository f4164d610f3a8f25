"""The module that a graph becomes: torch.fx's GraphModule with the original's tree, and its own copying and pickling.

GraphModule's own deepcopy and pickle lose hooks, make buffers persistent, and trace the generated code again; here the
nodes themselves are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import fx, nn

from graphmorph.errors import MaterialiseError
from graphmorph.torch_door.node_list import copied_graph, graph_of, listed_nodes

_MODULE_STATE = frozenset(nn.Module().__dict__)


class MorphedModule(fx.GraphModule):
    """A materialised graph.

    `report` is what the rewrites that made it did, where there were any; `parameter_origins` tells of each of its
    parameters, by path, what became it (`provenance.ParameterOrigin`), where it was made of a module.
    """

    # Without annotations: torch.jit.script reads those of classes, and not as text.
    report = None
    parameter_origins = None

    def __init__(self, tree: nn.Module, graph: fx.Graph, class_name: str = "MorphedModule") -> None:
        super().__init__(nn.Module(), fx.Graph(), class_name)
        for name in ("_graph", "_code"):
            if name in tree._modules or name in tree._parameters or name in tree._buffers:
                raise MaterialiseError(f"torch.fx keeps the name {name} for itself: rename it in the module")
        for name, value in tree.__dict__.items():
            if name in _MODULE_STATE or not (name in self.__dict__ or hasattr(type(self), name)):
                self.__dict__[name] = value
        fx.GraphModule.graph.fset(self, graph)  # type: ignore[attr-defined]
        self._let_state_win()

    def _let_state_win(self) -> None:
        """A child, parameter or buffer may be called `code`, `graph`, `meta` or `report`, as attributes of ours are."""
        for kind in ("_modules", "_parameters", "_buffers"):
            for name in self.__dict__[kind]:
                if hasattr(type(self), name) or name in self.__dict__:
                    setattr(type(self), name, property(_item(kind, name)))

    def __getitem__(self, index: int | str) -> nn.Module:
        """A child by place or by name, as in the Sequential that the original may have been."""
        children = self._modules
        return children[index] if isinstance(index, str) else list(children.values())[index]  # type: ignore[return-value]

    def __deepcopy__(self, memo: dict[int, Any]) -> MorphedModule:
        made = MorphedModule.__new__(MorphedModule)
        memo[id(self)] = made
        tree = nn.Module()
        tree.__dict__.update(copy.deepcopy(_tree_state(self), memo))
        made.__init__(tree, copied_graph(self._graph), type(self).__name__)  # type: ignore[misc]
        made.__dict__.update(_notes(self))
        return made

    def __copy__(self) -> MorphedModule:
        tree = nn.Module()
        tree.__dict__.update(_tree_state(self))
        made = MorphedModule(tree, copied_graph(self._graph), type(self).__name__)
        made.__dict__.update(_notes(self))
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (_tree_state(self), listed_nodes(self._graph), type(self).__name__, _notes(self))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


def _item(kind: str, name: str) -> Callable[[MorphedModule], Any]:
    return lambda module: module.__dict__[kind][name]


#: What is known about how a module was made; copies know it too.
_NOTES = frozenset({"report", "parameter_origins"})

#: What a GraphModule has besides its tree, made anew for each.
_GRAPH_STATE = frozenset(fx.GraphModule(nn.Module(), fx.Graph()).__dict__) - _MODULE_STATE | _NOTES


def _notes(module: MorphedModule) -> dict[str, Any]:
    return {name: value for name, value in module.__dict__.items() if name in _NOTES}


def _tree_state(module: MorphedModule) -> dict[str, Any]:
    return {name: value for name, value in module.__dict__.items() if name not in _GRAPH_STATE}


def _rebuilt(state: dict[str, Any], nodes: list[Any], class_name: str, notes: dict[str, Any]) -> MorphedModule:
    tree = nn.Module()
    tree.__dict__.update(state)
    made = MorphedModule(tree, graph_of(nodes), class_name)
    made.__dict__.update(notes)
    return made
