"""The module that a graph becomes: torch.fx's GraphModule with the original's tree, and its own copying and pickling.

GraphModule's own deepcopy and pickle lose hooks, make buffers persistent, and trace the generated code again; here the
nodes themselves are kept.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import fx, nn

from graphmorph.torch_door.node_list import copied_graph, graph_of, listed_nodes

_MODULE_STATE = frozenset(nn.Module().__dict__)


class MorphedModule(fx.GraphModule):
    """A materialised graph. `report` is what the rewrites that made it did, where there were any."""

    report: Any = None

    def __init__(self, tree: nn.Module, graph: fx.Graph, class_name: str = "MorphedModule") -> None:
        super().__init__(nn.Module(), fx.Graph(), class_name)
        for name, value in tree.__dict__.items():
            if name in _MODULE_STATE or not (name in self.__dict__ or hasattr(type(self), name)):
                self.__dict__[name] = value
        self.graph = graph

    def __deepcopy__(self, memo: dict[int, Any]) -> MorphedModule:
        made = MorphedModule.__new__(MorphedModule)
        memo[id(self)] = made
        tree = nn.Module()
        tree.__dict__.update(copy.deepcopy(_tree_state(self), memo))
        made.__init__(tree, copied_graph(self.graph), type(self).__name__)  # type: ignore[misc]
        made.__dict__["report"] = self.report
        return made

    def __copy__(self) -> MorphedModule:
        tree = nn.Module()
        tree.__dict__.update(_tree_state(self))
        made = MorphedModule(tree, copied_graph(self.graph), type(self).__name__)
        made.__dict__["report"] = self.report
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (_tree_state(self), listed_nodes(self.graph), type(self).__name__, self.report)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


#: What a GraphModule has besides its tree, made anew for each.
_GRAPH_STATE = frozenset(fx.GraphModule(nn.Module(), fx.Graph()).__dict__) - _MODULE_STATE | {"report"}


def _tree_state(module: MorphedModule) -> dict[str, Any]:
    return {name: value for name, value in module.__dict__.items() if name not in _GRAPH_STATE}


def _rebuilt(state: dict[str, Any], nodes: list[Any], class_name: str, report: Any) -> MorphedModule:
    tree = nn.Module()
    tree.__dict__.update(state)
    made = MorphedModule(tree, graph_of(nodes), class_name)
    made.__dict__["report"] = report
    return made
