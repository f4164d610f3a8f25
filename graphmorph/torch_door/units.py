"""The pieces that a module is put together from, in an order that keeps the program's own.

A unit is an intact site, an ONNX node to translate (or a MatMul with the Add behind it), or an assertion. Units come in
the order of the program; new nodes right behind the last of what they read. A write in place comes after everybody who
reads what it overwrites.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass

import onnx_graphsurgeon as gs
from torch import fx

from graphmorph.errors import MaterialiseError
from graphmorph.torch_door.intact import IntactSite
from graphmorph.torch_door.record import DOMAIN, NumberSite, TraceRecord
from graphmorph.torch_door.size_reads import size_reads

#: Operators whose output may share memory with their input.
ALIASING = frozenset(
    {"Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Expand", "Dropout"}
)


@dataclass(eq=False)
class Unit:
    """`order` is its place in the program, None for what a pass made. `out_of_place`: works on a copy of what it would
    overwrite."""

    order: int | None
    reads: frozenset[str]
    gives: tuple[str, ...]
    intact: IntactSite | None = None
    nodes: tuple[gs.Node, ...] = ()
    number: NumberSite | None = None
    out_of_place: bool = False


def units_of(graph: gs.Graph, record: TraceRecord | None, intact: list[IntactSite]) -> list[Unit]:
    """All units of a graph, unordered."""
    taken = {id(node) for site in intact for node in site.nodes}
    rest = [node for node in graph.nodes if id(node) not in taken]
    made = [_intact_unit(site, record) for site in intact] + list(_node_units(rest, graph))
    if record is not None:
        made.extend(_assertion(number, record) for number in record.numbers.values() if number.effect)
    return made


def _intact_unit(site: IntactSite, record: TraceRecord | None) -> Unit:
    reads = {t.name for t in site.renamed.values() if isinstance(t, gs.Variable)}
    numbers = [n for n in site.argument_nodes if record is not None and n in record.numbers]
    reads |= _shape_read(numbers, record)
    gives = [name for snapshot in site.site.nodes for name in snapshot.outputs]
    return Unit(site.site.order, frozenset(reads - set(gives) - {""}), tuple(gives), intact=site)


def _assertion(number: NumberSite, record: TraceRecord) -> Unit:
    return Unit(number.order, frozenset(_shape_read([number.fx_node], record)), (), number=number)


def _shape_read(numbers: Iterable[fx.Node], record: TraceRecord | None) -> set[str]:
    """Names of the variables whose shapes numbers are computed from."""
    read = size_reads(numbers, record.numbers) if record is not None else {}
    return {name for name, (tensor, _) in read.items() if isinstance(tensor, gs.Variable)}


def _node_units(nodes: list[gs.Node], graph: gs.Graph) -> Iterable[Unit]:
    kept = {t.name for t in graph.outputs}
    readers: dict[str, list[gs.Node]] = defaultdict(list)
    for node in graph.nodes:
        for tensor in node.inputs:
            readers[tensor.name].append(node)
    free = {id(node) for node in nodes}
    pairs = {}
    for node in nodes:
        behind = readers[node.outputs[0].name] if node.op == "MatMul" and node.outputs else []
        if len(behind) == 1 and id(behind[0]) in free and node.outputs[0].name not in kept and _adds_vector(behind[0]):
            pairs[id(node)] = behind[0]
    second = {id(node) for node in pairs.values()}
    for node in nodes:
        if id(node) in second:
            continue
        both = (node, pairs[id(node)]) if id(node) in pairs else (node,)
        gives = tuple(t.name for one in both for t in one.outputs if t.name)
        reads = {t.name for one in both for t in one.inputs if isinstance(t, gs.Variable) and t.name}
        yield Unit(None, frozenset(reads - set(gives)), gives, nodes=both)


def _adds_vector(node: gs.Node) -> bool:
    constants = [t for t in node.inputs if isinstance(t, gs.Constant)]
    return (
        node.op == "Add"
        and len(constants) == 1
        and sum(n != 1 for n in constants[0].shape) <= 1
        and (len(constants[0].shape) > 0 and all(n == 1 for n in constants[0].shape[:-1]))
    )


def settle_writes(units: list[Unit], kept: Container[str] = ()) -> list[tuple[Unit, Unit]]:
    """Mark writes in place that are no longer safe, and return what must come before those that are: (first, then).

    A write is safe where all who read the overwritten memory did so before it in the program too, and where the memory
    is what it was, or that of a new tensor which is no view of another. kept: the graph's outputs.
    """
    readers: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        for name in unit.reads:
            readers[name].append(unit)
    producer = {name: unit for unit in units for name in unit.gives}
    before: list[tuple[Unit, Unit]] = []
    for unit in units:
        if unit.intact is None or not unit.intact.site.written:
            continue
        renamed = unit.intact.renamed
        names = {renamed[name].name if name in renamed else name for name in unit.intact.site.written}
        others = [reader for name in names for reader in readers[name] if reader is not unit]
        early = all(other.order is not None and other.order < (unit.order or 0) for other in others)
        safe = all(_is_writable(name, unit.intact, producer, kept) for name in unit.intact.site.written)
        unit.out_of_place = not (early and safe)
        if not unit.out_of_place:
            before.extend((other, unit) for other in others)
    return before


def _is_writable(name: str, intact: IntactSite, producer: dict[str, Unit], kept: Container[str]) -> bool:
    """Whether memory may be overwritten: it is what it always was, or that of a new tensor of its own."""
    now = intact.renamed.get(name)
    if isinstance(now, gs.Constant):
        return False
    maker = producer.get(name if now is None else now.name)
    if now is None or now.name == name:
        return maker is None or not maker.nodes or maker.nodes[-1].op not in ALIASING
    if maker is None or now.name in kept:
        return False
    made = maker.nodes or maker.intact.nodes if maker.intact is not None else maker.nodes
    by_module = maker.intact is None or maker.intact.site.fx_node.op == "call_module"
    return by_module and bool(made) and all(node.op not in ALIASING and node.domain != DOMAIN for node in made)


def in_order(units: list[Unit], before: list[tuple[Unit, Unit]]) -> list[Unit]:
    """Units with everything that they read before them.

    Raises:
        MaterialiseError: that cannot be.
    """
    producer = {name: unit for unit in units for name in unit.gives}
    waits: dict[int, set[int]] = {
        id(unit): {id(producer[name]) for name in unit.reads if name in producer and producer[name] is not unit}
        for unit in units
    }
    for first, then in before:
        waits[id(then)].add(id(first))
    users: dict[int, list[Unit]] = defaultdict(list)
    for unit in units:
        for maker in waits[id(unit)]:
            users[maker].append(unit)
    remaining = {key: len(makers) for key, makers in waits.items()}
    keys: dict[int, tuple[int, int, int]] = {}
    ready: list[tuple[tuple[int, int, int], int, Unit]] = []

    def push(place: int, unit: Unit) -> None:
        latest = max((keys[maker] for maker in waits[id(unit)]), default=(-1, 0, 0))
        keys[id(unit)] = (unit.order, 0, 0) if unit.order is not None else (latest[0], 1, latest[2] + 1)
        heapq.heappush(ready, (keys[id(unit)], place, unit))

    places = {id(unit): place for place, unit in enumerate(units)}
    for unit in units:
        if not remaining[id(unit)]:
            push(places[id(unit)], unit)
    ordered: list[Unit] = []
    while ready:
        _, _, unit = heapq.heappop(ready)
        ordered.append(unit)
        for user in users[id(unit)]:
            remaining[id(user)] -= 1
            if not remaining[id(user)]:
                push(places[id(user)], user)
    if len(ordered) < len(units):
        stuck = next(unit for unit in units if remaining[id(unit)])
        name = stuck.nodes[0].name if stuck.nodes else stuck.gives[:1]
        raise MaterialiseError(f"the graph has a cycle, or a write in place that cannot be kept in order, at {name}")
    return ordered
