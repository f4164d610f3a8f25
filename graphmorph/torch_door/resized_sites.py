"""Which sites of a graph with resized tensors are still calls of the program, and which calls.

A call may depend on sizes in ways that its nodes do not follow: attention divides by the root of the heads' size, a
view is given numbers that are computed. So a call whose nodes were edited, hold for the traced sizes only, or were made
with numbers that are others now, is lowered once more with what it would get in the new module. It stays, with its
module or a copy of it with new parameters, if that gives the nodes of the graph; else the nodes are what counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from graphmorph.graph import Graph
from graphmorph.torch_door.calls import Call, call_of
from graphmorph.torch_door.followed_calls import followed_or_none
from graphmorph.torch_door.intact import (
    Heir,
    IntactSite,
    PresentSite,
    intact_or_none,
    present_sites,
    renamed_inputs,
)
from graphmorph.torch_door.lowering_comparison import Comparison
from graphmorph.torch_door.module_clones import cloned
from graphmorph.torch_door.propagation import unheard
from graphmorph.torch_door.record import DOMAIN, TraceRecord
from graphmorph.torch_door.relowering import lowered_again
from graphmorph.torch_door.resized_calls import Surroundings, other_calls
from graphmorph.torch_door.resized_modules import TRANSLATED, settings_of
from graphmorph.torch_door.resized_values import ResizedValues, UnknownValueError
from graphmorph.torch_door.trees import tensors_of


def resized_sites(graph: Graph, record: TraceRecord, values: ResizedValues) -> list[IntactSite]:
    """The sites that stay calls, in the order of the program."""
    with unheard():
        return [kept for site in present_sites(graph, record) if (kept := _kept(site, record, values)) is not None]


def _kept(present: PresentSite, record: TraceRecord, values: ResizedValues) -> IntactSite | None:
    intact, site = intact_or_none(present, record), present.site
    sized = _depends_on_sizes(present, values)
    learns = any(values.is_open(t.name) for t in tensors_of(site.result))
    if any(node.domain == DOMAIN for node in present.nodes) or (intact is not None and not sized and not learns):
        return intact
    if not sized and not learns and (followed := followed_or_none(present, record)) is not None:
        return followed
    renamed = renamed_inputs(present, record)
    module = call_of(record.root, site.fx_node).module
    translated = type(module) in TRANSLATED and len(site.nodes) <= (2 if isinstance(module, nn.Linear) else 1)
    if renamed is None or present.is_read_inside or (translated and intact is None):
        return None
    found = _Attempts(Surroundings(site, present.nodes, values, renamed), record).kept()
    return found if intact is None or sized else found or intact


def _depends_on_sizes(present: PresentSite, values: ResizedValues) -> bool:
    """Whether a site that nobody edited could mean something else than its nodes."""
    site, record = present.site, values.record
    if any(values.has_changed(node) for node in site.arguments if node in record.numbers):
        return True
    names = [t.name for node in present.nodes for t in (*node.inputs, *node.outputs)]
    specialised = any(name in record.specialised for node in site.nodes for name in node.outputs)
    return specialised and any(name in values.resized for name in names)


class _Attempts:
    """Calls that could be what the nodes of a site say."""

    def __init__(self, around: Surroundings, record: TraceRecord) -> None:
        self.around, self.values, self.site, self.record = around, around.values, around.site, record
        self.heirs: dict[int, Heir] = {}
        self.stand_ins: dict[int, torch.Tensor] = {}
        self.settings: dict[str, object] = {}

    def _read_heirs(self) -> None:
        """Find what the nodes read in the place of tensors of the module, and let fake tensors stand for it.

        Raises:
            UnknownValueError: several constants stand in one place.
        """
        for node, snapshot in zip(self.around.nodes, self.site.nodes, strict=True):
            for tensor, name in zip(node.inputs, snapshot.inputs, strict=False):
                known = self.record.parameters.get(name)
                if known is None:
                    continue
                heir = Heir(tensor, known.source, known.transposed)
                if self.heirs.setdefault(id(known.source), heir).constant is not tensor:
                    raise UnknownValueError(f"what became of {name}")
                self._stand_in(known.source, heir.sizes)

    def _stand_in(self, source: torch.Tensor, shape: Sequence[int]) -> None:
        with self.values.mode:
            self.stand_ins[id(source)] = torch.empty(tuple(shape), dtype=source.dtype, device=source.device)

    def kept(self) -> IntactSite | None:
        """The first call that agrees with the nodes."""
        try:
            self._read_heirs()
            for call in self._calls():
                if self._agrees(call):
                    return self._site(call)
        except UnknownValueError:
            pass
        return None

    def _calls(self) -> Iterator[Call]:
        call = call_of(self.record.root, self.site.fx_node)
        if call.module is None:
            yield call
            yield from other_calls(call, self.around)
            return
        self.settings = settings_of(call.module, call, self.around)
        for _, tensor in _state(call.module):
            if id(tensor) not in self.stand_ins:
                self._stand_in(tensor, tensor.shape)
        tensors = {name: self.stand_ins[id(tensor)] for name, tensor in _state(call.module)}
        yield replace(call, module=cloned(call.module, tensors, self.settings))

    def _agrees(self, call: Call) -> bool:
        lowered = lowered_again(self.values, self.site, call, self.around.renamed, self.stand_ins)
        if lowered is None:
            return False
        return Comparison(self.site, self.around.nodes, self.values, lowered, self.stand_ins).agrees()

    def _site(self, call: Call) -> IntactSite:
        original = call_of(self.record.root, self.site.fx_node)
        heirs = {key: heir for key, heir in self.heirs.items() if not heir.is_the_same}
        tensors = {}
        if original.module is not None:
            tensors = {name: heirs[id(t)] for name, t in _state(original.module) if id(t) in heirs}
        return IntactSite(
            self.site,
            tuple(self.around.nodes),
            dict(self.around.renamed),
            replace(call, module=original.module),
            heirs,
            tensors,
            self.settings,
        )


def _state(module: nn.Module) -> Sequence[tuple[str, torch.Tensor]]:
    return [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]
