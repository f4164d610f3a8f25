"""Which nodes of a program matter, and which share memory: seen from the storages in its run on fake tensors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from torch import fx
from torch.utils import _pytree as pytree

from graphmorph.torch_door.program import ShapedProgram
from graphmorph.torch_door.propagation import storage_of
from graphmorph.torch_door.trees import fakes_of


class ProgramMemory:
    """needed: nodes that something depends on. written_state: memory of parameters and buffers that the program itself
    writes into: those are no constants. given: memory of its inputs."""

    def __init__(self, program: ShapedProgram) -> None:
        self.program = program
        self.order = {node: index for index, node in enumerate(program.traced.graph.nodes)}
        self._last_use = {node: max((self.order[user] for user in node.users), default=-1) for node in self.order}
        self._storages: dict[fx.Node, set[int]] = {}
        self._holders: dict[int, list[fx.Node]] = defaultdict(list)
        for node, execution in program.executions.items():
            for fake in fakes_of(execution.value):
                self._holders[id(fake)].append(node)
        self.needed = self._needed()
        self.written_state = self._written_state()
        self.given = set().union(*(storage_of(self.value(n)) for n in self.order if n.op == "placeholder"))

    def value(self, node: fx.Node) -> Any:
        """What a node gives on the example, as fake tensors."""
        return self.program.executions[node].value

    def result(self, node: fx.Node) -> Any:
        """What a rule is to make: the value, or for a call that returns nothing, what it writes into."""
        execution = self.program.executions[node]
        if not fakes_of(execution.value) and execution.written:
            return self.value(execution.written[0])
        return execution.value

    def storages(self, node: fx.Node) -> set[int]:
        """Identities of the memory behind what a node gives."""
        if node not in self._storages:
            self._storages[node] = storage_of(self.value(node))
        return self._storages[node]

    def holders(self, fakes: Iterable[int]) -> set[fx.Node]:
        """Nodes that give any of these fake tensors, by identity."""
        return {node for fake in fakes for node in self._holders[fake]}

    def is_outside(self, nodes: Iterable[fx.Node]) -> bool:
        """Whether any of the nodes lies in memory that is the module's or the caller's."""
        touched = set().union(*(self.storages(node) for node in nodes))
        return bool(touched & (self.written_state | self.given))

    def _needed(self) -> set[fx.Node]:
        """Nodes that something depends on: tracing leaves numbers behind that only decided a branch."""
        needed: set[fx.Node] = set()
        for node in reversed(list(self.order)):
            gives_tensors = node.op == "output" or bool(fakes_of(self.value(node)))
            if gives_tensors or has_effect(node) or any(user in needed for user in node.users):
                needed.add(node)
        return needed

    def _written_state(self) -> set[int]:
        """Memory of parameters and buffers that the program itself writes into: those are no constants."""
        written: set[int] = set()
        for execution in self.program.executions.values():
            for node in execution.written:
                written |= storage_of(self.program.executions[node].value)
        attributes = [n for n in self.program.traced.graph.nodes if n.op == "get_attr"]
        return {s for n in attributes for s in storage_of(self.program.executions[n].value) if s in written}

    def stale_aliases(self, node: fx.Node, known: Iterable[fx.Node]) -> list[fx.Node]:
        """Known nodes that share memory with what this one writes into, and are read later."""
        written = self.program.executions[node].written
        if not written:
            return []
        memory = set().union(*(self.storages(arg) for arg in written))
        same = {id(leaf) for leaf in fakes_of(self.result(node))}  # these are what the node gives, from now on
        later = [n for n in known if self._last_use[n] > self.order[node]]
        return [
            n
            for n in later
            if self.storages(n) & memory and not all(id(leaf) in same for leaf in pytree.tree_leaves(self.value(n)))
        ]


def has_effect(node: fx.Node) -> bool:
    """Whether a call without tensors is made for what it does: an assertion, or a module."""
    return node.op == "call_module" or "assert" in getattr(node.target, "__name__", str(node.target))
