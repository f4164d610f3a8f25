"""Writes the fx graph of the new module: values, attributes, modules and their paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_graphsurgeon as gs
import torch
from torch import fx, nn

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph
from graphmorph.torch_door.free_paths import FreePaths, attribute_at
from graphmorph.torch_door.intact import Heir
from graphmorph.torch_door.record import TraceRecord
from graphmorph.torch_door.state_tensors import StateTensors

#: Operators that say themselves whether they train.
_MODAL = frozenset({"BatchNormalization", "Dropout"})


class Emission:
    """The new fx graph and what it needs of modules and tensors.

    modules: new modules by path. tensors: new parameters and buffers by path. kept: paths of the module's own modules
    that are called.
    """

    def __init__(self, source: Graph, record: TraceRecord | None, kept: set[str]) -> None:
        self.record = record
        self.opset = int(source.opset or 1)
        self.graph = fx.Graph()
        self.env: dict[str, Any] = {}
        self.state = StateTensors(source, record)
        self.paths = FreePaths(record, kept)
        self.modules: dict[str, nn.Module] = {}
        self.tensors: dict[str, torch.Tensor] = {}
        self._shared: dict[tuple[Any, ...], str] = {}
        self._accesses: dict[str, fx.Node] = {}
        self._tensor_paths: dict[str, str] = {}
        self._heir_paths: dict[tuple[str, bool], str] = {}
        self._paths_by_tensor: dict[int, str] = {}
        self._places: dict[str, torch.Tensor] = {}
        self._held: list[Any] = []

    def dims(self, tensor: gs.Tensor) -> tuple[int | str | None, ...] | None:
        return None if tensor.shape is None else tuple(tensor.shape)

    def value(self, tensor: gs.Tensor) -> fx.Node:
        """A tensor as a traced value.

        Raises:
            MaterialiseError: nothing gives it.
        """
        if isinstance(tensor, gs.Constant):
            return self.access(tensor)
        found = self.env.get(tensor.name)
        if found is None:
            raise MaterialiseError(f"tensor {tensor.name} is read, but nothing in the graph gives it")
        if callable(found):
            found = self.env[tensor.name] = found()
        return found  # type: ignore[no-any-return]

    def access(self, constant: gs.Constant, *, trained: bool = True) -> fx.Node:
        """A get_attr of a constant; a new one of floats becomes a parameter if `trained`, else a buffer."""
        own = self.state.source_tensor(constant)
        path = self.record.paths.get(id(own)) if own is not None and self.record is not None else None
        if path is not None and own is not None:
            self.state.read.add(id(own))
            return self.attribute(path)
        path = self._tensor_paths.get(constant.name)
        if path is None:
            path = self._tensor_paths[constant.name] = self.paths.free(constant.name.replace(".", "_"), replaces=False)
            self._put_tensor(path, self.state.new_state(constant) if trained else self.state.tensor(constant, False))
            source = self.state.replaced(constant)
            if source is not None:
                self._places[path] = source
        return self.attribute(path)

    def heir(self, heir: Heir) -> fx.Node:
        """A get_attr of what is read in the place of a tensor of the module, in that tensor's own axes."""
        key = (heir.constant.name, heir.transposed)
        path = self._heir_paths.get(key)
        if path is None:
            tensor = self.state.inherited(heir)
            path = self._paths_by_tensor.get(id(tensor))
            path = path or self.paths.free(heir.constant.name.replace(".", "_"), replaces=False)
            self._heir_paths[key] = path
            self._put_tensor(path, tensor)
            self._places[path] = heir.source
        return self.attribute(path)

    def _put_tensor(self, path: str, tensor: torch.Tensor) -> None:
        self.tensors[path] = tensor
        self._paths_by_tensor.setdefault(id(tensor), path)

    def take_places(self, read: set[int]) -> None:
        """New tensors get the paths of those that they were made from, where nothing reads those any more.

        One that a new layer has at that path is read there. read: identities of the module's own tensors that the new
        program reads.
        """
        for path, source in self._places.items():
            home = self.record.paths.get(id(source)) if self.record is not None else None
            above = [] if home is None else [home.rsplit(".", n)[0] for n in range(1, home.count(".") + 1)]
            if home is None or id(source) in read or home in self.tensors:
                continue
            layer = next((one for one in above if one in self.modules), None)
            if layer is not None and attribute_at(self.modules[layer], home[len(layer) + 1 :]) is self.tensors[path]:
                del self.tensors[path]
            elif layer is not None or any(one in self.paths.leaves for one in above):
                continue
            else:
                self.tensors[home] = self.tensors.pop(path)
            access = self._accesses.pop(path)
            access.target = home
            self._accesses[home] = access

    def attribute(self, path: str) -> fx.Node:
        """A get_attr of something that the module has."""
        if path not in self._accesses:
            self._accesses[path] = self.graph.create_node("get_attr", path, (), {})
        return self._accesses[path]

    def move_hidden_tensors(self) -> None:
        """A tensor that lay in a module which another now stands for, and which the program reads on its own, moves."""
        for path, node in self._accesses.items():
            hidden = next((above for above in self.modules if path.startswith(f"{above}.")), None)
            if hidden is None or self.record is None:
                continue
            own = attribute_at(self.record.root, path)
            if attribute_at(self.modules[hidden], path[len(hidden) + 1 :]) is not own:
                node.target = self.paths.free(path.replace(".", "_"), replaces=False)
                self.tensors[node.target] = own

    def module_before(self, name: str) -> nn.Module | None:
        """The module that a node of this name was a call of."""
        site = self.record.site_of.get(name) if self.record is not None else None
        path = name if site is None else str(site.fx_node.target)
        if self.record is None or (site is not None and site.fx_node.op != "call_module"):
            return None
        try:
            return self.record.root.get_submodule(path)
        except AttributeError:
            return None

    def layer(self, nodes: Sequence[gs.Node], build: Callable[[], nn.Module], args: tuple[Any, ...]) -> fx.Node:
        """A call of a new module, or of one that was made for equal nodes on the same constants."""
        return self.graph.call_module(self.layer_path(nodes, build), args)

    def layer_path(
        self, nodes: Sequence[gs.Node], build: Callable[[], nn.Module], twin_of: nn.Module | None = None
    ) -> str:
        """The path of such a module; `twin_of`: what it is a copy of, copies of others being no copies of this."""
        constants = [t for node in nodes for t in node.inputs if isinstance(t, gs.Constant)]
        key = (
            tuple((node.op, repr(sorted(node.attrs.items(), key=lambda item: item[0]))) for node in nodes),
            tuple(id(constant._values) for constant in constants),
            tuple(len(dims) if dims is not None else -1 for dims in map(self.dims, nodes[0].inputs)),
            id(twin_of),
        )
        path = self._shared.get(key) if constants else None
        if path is None:
            module, part = build(), self._part(nodes) if twin_of is None else None
            path = self.paths.free(part or nodes[0].name or nodes[0].outputs[0].name)
            before = self.module_before(nodes[0].name)
            training = before.training if before is not None else self._training()
            if nodes[0].op not in _MODAL:
                module.training = training
            self.modules[path] = module
            self._shared[key] = path
            self._held.extend(constant._values for constant in constants)
        return path

    def _part(self, nodes: Sequence[gs.Node]) -> str | None:
        """The path of a layer that was part of one that goes, after its weight: attention's in_proj and out_proj."""
        site = self.record.site_of.get(nodes[0].name) if self.record is not None else None
        whole = str(site.fx_node.target) if site is not None and site.fx_node.op == "call_module" else None
        if self.record is None or whole is None or whole in self.paths.kept | self.paths.taken:
            return None
        found = [self.state.ancestor(t.name) for t in nodes[0].inputs if isinstance(t, gs.Constant)]
        path = next((self.record.paths.get(id(one.source), "") for one in found if one is not None), "")
        if not path.startswith(f"{whole}.") or path == f"{whole}.weight" or not path.endswith(("weight", "_weight")):
            return None
        self.paths.dissolve(whole)
        return path.removesuffix("weight")[:-1]

    def _training(self) -> bool:
        return self.record.training if self.record is not None else False
