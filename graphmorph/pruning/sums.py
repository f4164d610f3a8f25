"""Sums over activations, captured in as few passes over the data as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphmorph.activations.listening import Listeners
from graphmorph.activations.moments import Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import RowMaker, Sampling

#: Streams data through a model, and tensors by name into accumulators.
Capturing = Callable[[Listeners], object]

#: Sums of one pass hold no more than this many bytes, but those of a single layer.
PASS_BYTES = 1 << 29

#: A Gram matrix of more columns than this is not made.
WIDEST = 8192

#: Positions of each sample that become rows of a Gram matrix, at most.
POSITIONS = 64


@dataclass(frozen=True)
class Wanted:
    """Sums over the rows that `maker` makes of a tensor."""

    tensor: str
    maker: RowMaker
    columns: int
    gram: bool

    @property
    def bytes(self) -> int:
        return 8 * self.columns * (self.columns if self.gram else 8)


def captured(wanted: Sequence[Wanted], capturing: Capturing, seed: int = 0) -> dict[Wanted, Moments]:
    """The sums of each. The positions of large images are sampled for Gram matrices."""
    found: dict[Wanted, Moments] = {}
    for part in _parts(dict.fromkeys(wanted)):
        streams: dict[str, list[RowStream]] = {}
        for one in part:
            found[one] = Moments(one.columns, gram=one.gram)
            sampling = Sampling(POSITIONS, seed) if one.gram else None
            streams.setdefault(one.tensor, []).append(RowStream(found[one], (one.maker,), sampling=sampling))
        capturing({tensor: tuple(some) for tensor, some in streams.items()})
    return found


def _parts(wanted: Mapping[Wanted, None]) -> Iterator[list[Wanted]]:
    part: list[Wanted] = []
    size = 0
    for one in wanted:
        if part and size + one.bytes > PASS_BYTES:
            yield part
            part, size = [], 0
        part.append(one)
        size += one.bytes
    if part:
        yield part
