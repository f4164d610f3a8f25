"""Writes the fx graph of the new module: values, attributes, modules and their paths."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx, nn

from graphmorph.errors import MaterialiseError
from graphmorph.graph import Graph, constant_array
from graphmorph.torch_door.element_types import tensor_of
from graphmorph.torch_door.intact import Heir
from graphmorph.torch_door.parameters import ParameterValues, source_of
from graphmorph.torch_door.provenance import MadeParameter
from graphmorph.torch_door.record import TraceRecord

#: Operators that say themselves whether they train.
_MODAL = frozenset({"BatchNormalization", "Dropout"})


class Emission:
    """The new fx graph and what it needs of modules and tensors.

    modules: new modules by path. tensors: new parameters and buffers by path. kept: paths of the module's own modules
    that are called. read: identities of the module's own tensors that are read. made: parameters made of constants.
    """

    def __init__(self, source: Graph, record: TraceRecord | None, kept: set[str]) -> None:
        self.source = source
        self.record = record
        self.opset = int(source.opset or 1)
        self.graph = fx.Graph()
        self.env: dict[str, Any] = {}
        self.kept = kept
        self.modules: dict[str, nn.Module] = {}
        self.tensors: dict[str, torch.Tensor] = {}
        self.read: set[int] = set()
        self._shared: dict[tuple[Any, ...], str] = {}
        self.made: list[MadeParameter] = []
        self._parameters: dict[tuple[int, bool], nn.Parameter] = {}
        self._accesses: dict[str, fx.Node] = {}
        self._paths: set[str] = set()
        self._tensor_paths: dict[str, str] = {}
        self._heir_paths: dict[tuple[str, bool], str] = {}
        self._places: dict[str, torch.Tensor] = {}
        self._cut: dict[int, dict[bool, nn.Parameter]] = {}
        self._leaves, self._containers = _paths_of(record)
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

    def is_state(self, constant: gs.Constant) -> bool:
        """Whether a constant is a parameter or buffer of the module."""
        return self.source_tensor(constant) is not None

    def source_tensor(self, constant: gs.Constant) -> torch.Tensor | None:
        """The module's own tensor that a constant is, unless it is its transpose."""
        known = self.record.parameters.get(constant.name) if self.record is not None else None
        values = constant._values if isinstance(constant._values, ParameterValues) else known
        return None if values is None or values.transposed else source_of(constant, known)

    def access(self, constant: gs.Constant, *, trained: bool = True) -> fx.Node:
        """A get_attr of a constant; a new one of floats becomes a parameter if `trained`, else a buffer."""
        own = self.source_tensor(constant)
        path = self.record.paths.get(id(own)) if own is not None and self.record is not None else None
        if path is not None and own is not None:
            self.read.add(id(own))
            return self.attribute(path)
        path = self._tensor_paths.get(constant.name)
        if path is None:
            path = self._tensor_paths[constant.name] = self._free_path(constant.name.replace(".", "_"), replaces=False)
            self.tensors[path] = self._new_state(constant) if trained else self.tensor(constant, False)
            source = self._replaced(constant)
            if source is not None:
                self._places[path] = source
        return self.attribute(path)

    def heir(self, heir: Heir) -> fx.Node:
        """A get_attr of what is read in the place of a tensor of the module, in that tensor's own axes."""
        key = (heir.constant.name, heir.transposed)
        path = self._heir_paths.get(key)
        if path is None:
            tensor = self.inherited(heir)
            path = next((known for known, other in self.tensors.items() if other is tensor), None)
            path = path or self._free_path(heir.constant.name.replace(".", "_"), replaces=False)
            self._heir_paths[key] = path
            self.tensors[path] = tensor
            self._places[path] = heir.source
        return self.attribute(path)

    def inherited(self, heir: Heir) -> torch.Tensor:
        """The tensor that takes the place of one of the module: a parameter for a parameter, else a buffer."""
        make = self.parameter if isinstance(heir.source, nn.Parameter) else self.tensor
        return make(heir.constant, heir.transposed)

    def take_places(self, read: set[int]) -> None:
        """New tensors get the paths of those that they were made from, where nothing reads those any more.

        read: identities of the module's own tensors that the new program reads.
        """
        for path, source in self._places.items():
            home = self.record.paths.get(id(source)) if self.record is not None else None
            above = [] if home is None else [home.rsplit(".", n)[0] for n in range(1, home.count(".") + 1)]
            held = any(one in self._leaves or one in self.modules for one in above)
            if home is None or held or id(source) in read or home in self.tensors:
                continue
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
            own = _attribute(self.record.root, path)
            if _attribute(self.modules[hidden], path[len(hidden) + 1 :]) is not own:
                node.target = self._free_path(path.replace(".", "_"), replaces=False)
                self.tensors[node.target] = own

    def _new_state(self, constant: gs.Constant) -> torch.Tensor:
        sources = self._sources(constant.name)
        trained = not sources or any(isinstance(source, nn.Parameter) for source in sources)
        tensor = self.tensor(constant, False)
        return self.parameter(constant, False) if trained and tensor.is_floating_point() else tensor

    def _replaced(self, constant: gs.Constant) -> torch.Tensor | None:
        """The tensor of the module that a constant of the same axes was made from, and from nothing else."""
        found = self.ancestor(constant.name)
        return found.source if found is not None and not found.transposed else None

    def ancestor(self, name: str) -> ParameterValues | None:
        """The one tensor of the module that a constant was made from, over however many edits."""
        known = self.record.parameters if self.record is not None else {}
        seen: set[str] = set()
        while name not in known and name not in seen:
            seen.add(name)
            made_from = self.source.origins.get(name, ())
            if len(made_from) != 1:
                return None
            name = made_from[0]
        return known.get(name)

    def origin(self, name: str) -> torch.Tensor | None:
        """A tensor of the module that went into a new constant; else any, for its device."""
        known = self.record.parameters.values() if self.record is not None else ()
        of_module = (source for source in self._sources(name) if source is not None)
        return next(of_module, next((values.source for values in known), None))

    def _sources(self, name: str) -> list[torch.Tensor | None]:
        """What a constant is made of, depth first: tensors of the module, and None for numbers in its code."""
        found: list[torch.Tensor | None] = []
        pending, seen = [name], set()
        while pending and self.record is not None:
            current = pending.pop()
            if current in self.record.parameters:
                found.append(self.record.parameters[current].source)
            elif current in self.record.literals:
                found.append(None)
            elif current not in seen:
                seen.add(current)
                pending.extend(reversed(self.source.origins.get(current, ())))
        return found

    def tensor(self, constant: gs.Constant, transpose: bool) -> torch.Tensor:
        """The values of a constant: the module's own tensor where it is that, else a new one on the same device."""
        known = self.record.parameters.get(constant.name) if self.record is not None else None
        own = source_of(constant, known)
        transposed = (known if known is not None else constant._values).transposed if own is not None else False
        if own is not None and transposed == transpose:
            self.read.add(id(own))
            return own
        array = constant_array(constant)
        made = tensor_of(np.ascontiguousarray(array.T) if transpose else array)
        origin = self.origin(constant.name)
        return made if origin is None else made.to(origin.device)

    def parameter(self, constant: gs.Constant, transpose: bool) -> nn.Parameter:
        """The same as a Parameter; constants that share their values share it."""
        key = (id(constant._values), transpose)
        if key not in self._parameters:
            tensor = self.tensor(constant, transpose)
            if not isinstance(tensor, nn.Parameter):
                origins = [self.origin(name) for name in self.source.origins.get(constant.name, ())]
                trained = [t.requires_grad for t in origins if isinstance(t, nn.Parameter)]
                tensor = nn.Parameter(tensor.detach(), tensor.is_floating_point() and (any(trained) or not trained))
                tensor = self._tied(_in_memory_format(tensor, self.origin(constant.name)), constant, transpose)
            self._parameters[key] = tensor
            self.made.append(MadeParameter(tensor, constant.name, transpose))
            self._held.append(constant._values)
        return self._parameters[key]

    def _tied(self, made: nn.Parameter, constant: gs.Constant, transpose: bool) -> nn.Parameter:
        """One parameter for a tensor that was read as it is and transposed, and that passes cut alike in both."""
        ancestor = self.ancestor(constant.name)
        if ancestor is None or ancestor.transposed != transpose:
            return made
        others = self._cut.setdefault(id(ancestor.source), {})
        for transposed, other in others.items():
            same = transposed != transpose and other.shape == made.shape and other.dtype == made.dtype
            if same and torch.equal(other, made):
                return other
        others.setdefault(transpose, made)
        return made

    def vector(self, constant: gs.Constant) -> nn.Parameter:
        """A constant of one axis that is not 1 as a Parameter of that axis alone."""
        whole = self.parameter(constant, False)
        if whole.dim() == 1:
            return whole
        flat = nn.Parameter(whole.detach().reshape(-1), whole.requires_grad)
        self.made.append(MadeParameter(flat, constant.name, False))
        return flat

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
            module = build()
            path = self._free_path(nodes[0].name or nodes[0].outputs[0].name)
            before = self.module_before(nodes[0].name)
            training = before.training if before is not None else self._training()
            if nodes[0].op not in _MODAL:
                module.training = training
            self.modules[path] = module
            self._shared[key] = path
            self._held.extend(constant._values for constant in constants)
        return path

    def _training(self) -> bool:
        return self.record.training if self.record is not None else False

    def _free_path(self, name: str, *, replaces: bool = True) -> str:
        """A path after a node's name that nothing which stays has; `replaces`: maybe that of a module which goes."""
        wanted = self._outside_leaves(clean_path(name))
        path, count = wanted, 1
        while not self._is_free(path, replaces):
            count += 1
            path = f"{wanted}_{count}"
        self._paths.add(path)
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
        if path in self._paths or path in self._leaves:
            return False
        return path in self._containers or not self._exists(path)

    def _is_free(self, path: str, replaces: bool) -> bool:
        if path in self._paths or path in self.kept or any(other.startswith(f"{path}.") for other in self._paths):
            return False
        return (replaces and path in self._leaves) or not self._exists(path)

    def _exists(self, path: str) -> bool:
        return _attribute(nn.Module() if self.record is None else self.record.root, path) is not _MISSING


def _in_memory_format(parameter: nn.Parameter, origin: torch.Tensor | None) -> nn.Parameter:
    """channels_last weights stay so."""
    if origin is None or origin.dim() != 4 or parameter.dim() != 4 or origin.is_contiguous():
        return parameter
    if not origin.is_contiguous(memory_format=torch.channels_last):
        return parameter
    data = parameter.detach().to(memory_format=torch.channels_last)
    return nn.Parameter(data, parameter.requires_grad)


def _paths_of(record: TraceRecord | None) -> tuple[set[str], set[str]]:
    """Paths of the modules that the program calls, and of those that it was traced through."""
    if record is None:
        return set(), set()
    leaves = {str(site.fx_node.target) for site in record.sites if site.fx_node.op == "call_module"}
    accessed = {str(node.target) for node in record.fx_graph.nodes if node.op == "get_attr"}
    above = {path.rsplit(".", count)[0] for path in leaves | accessed for count in range(1, path.count(".") + 1)}
    return leaves, above - leaves


_MISSING: Any = object()


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
