"""Which uses of a shared constant may be sliced apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import onnx_graphsurgeon as gs

from graphmorph.channels.constants import Use, node_key
from graphmorph.facts import Facts, Reader
from graphmorph.graph import constant_array

if TYPE_CHECKING:
    from graphmorph.torch_door.record import TraceRecord


def uses_apart(facts: Facts) -> Iterator[tuple[str, tuple[Use, ...]]]:
    """Constants by name, with the uses that must read one tensor.

    Exporters share vectors that happen to be equal (zeros and ones of untrained layers), and tracing shares whatever
    calls have of their own: every use of those is on its own. Larger constants, and the parameters of a traced module,
    are shared on purpose and stay so.
    """
    traced = facts.graph.traced
    for name, readers in facts.readers.items():
        constant = facts.tensors[name]
        if not isinstance(constant, gs.Constant):
            continue
        uses = [_use(reader) for reader in readers]
        if len(uses) > 1 and name not in facts.captured and _by_chance(constant, traced):
            for use in uses:
                yield name, (use,)
        else:
            yield name, tuple(uses)


def _use(reader: Reader) -> Use:
    return Use(node_key(reader.node), reader.index)


def _by_chance(constant: gs.Constant, traced: TraceRecord | None) -> bool:
    """Whether equal values may be a coincidence: vectors, and tensors of one value; what a call of a traced module has
    of its own."""
    if traced is not None:
        return constant.name in traced.literals
    if len([n for n in constant.shape if n > 1]) <= 1:
        return True
    values = constant_array(constant)
    return bool((values == values.reshape(-1)[0]).all())
