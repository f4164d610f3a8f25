"""Parameters and buffers of the new module: the module's own tensors, and what constants of passes become."""

from __future__ import annotations

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import nn

from graphmorph.graph import Graph, constant_array
from graphmorph.torch_door.element_types import tensor_of
from graphmorph.torch_door.intact import Heir
from graphmorph.torch_door.parameters import ParameterValues, source_of
from graphmorph.torch_door.provenance import MadeParameter
from graphmorph.torch_door.record import TraceRecord


class StateTensors:
    """Makes tensors of constants, each once.

    read: identities of the module's own tensors that were asked for. made: parameters that were made of constants.
    """

    def __init__(self, source: Graph, record: TraceRecord | None) -> None:
        self.source = source
        self.record = record
        self.read: set[int] = set()
        self.made: list[MadeParameter] = []
        self._parameters: dict[tuple[int, bool], nn.Parameter] = {}
        self._cut: dict[int, dict[bool, nn.Parameter]] = {}
        self._held: list[object] = []

    def is_state(self, constant: gs.Constant) -> bool:
        """Whether a constant is a parameter or buffer of the module."""
        return self.source_tensor(constant) is not None

    def source_tensor(self, constant: gs.Constant) -> torch.Tensor | None:
        """The module's own tensor that a constant is, unless it is its transpose."""
        known = self.record.parameters.get(constant.name) if self.record is not None else None
        values = constant._values if isinstance(constant._values, ParameterValues) else known
        return None if values is None or values.transposed else source_of(constant, known)

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

    def inherited(self, heir: Heir) -> torch.Tensor:
        """The tensor that takes the place of one of the module: a parameter for a parameter, else a buffer."""
        make = self.parameter if isinstance(heir.source, nn.Parameter) else self.tensor
        return make(heir.constant, heir.transposed)

    def new_state(self, constant: gs.Constant) -> torch.Tensor:
        """A parameter; what is made of buffers, or of numbers in the module's code, and integers, become buffers."""
        sources = self._sources(constant.name)
        trained = not sources or any(isinstance(source, nn.Parameter) for source in sources)
        tensor = self.tensor(constant, False)
        return self.parameter(constant, False) if trained and tensor.is_floating_point() else tensor

    def replaced(self, constant: gs.Constant) -> torch.Tensor | None:
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


def _in_memory_format(parameter: nn.Parameter, origin: torch.Tensor | None) -> nn.Parameter:
    """channels_last weights stay so."""
    if origin is None or origin.dim() != 4 or parameter.dim() != 4 or origin.is_contiguous():
        return parameter
    if not origin.is_contiguous(memory_format=torch.channels_last):
        return parameter
    data = parameter.detach().to(memory_format=torch.channels_last)
    return nn.Parameter(data, parameter.requires_grad)
