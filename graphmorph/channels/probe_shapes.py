"""Input shapes to probe a graph at: guesses that it may accept, and shapes in which every free size is larger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from graphmorph.proof.inputs import InputSpec, Shapes, free_key, guess_shapes

#: How free sizes grow together between the two runs, as (batch, others: times, plus), most telling first: none of the
#: sizes that follow from them stays by chance as it was, and strides divide 32 or as much again.
_TOGETHER = ((1, 1, 32), (1, 2, 0), (0, 1, 32), (0, 2, 0))


def first_shapes(specs: Sequence[InputSpec]) -> Iterator[Shapes]:
    """Guesses with a batch of two, which size 1 would hide; then with any."""
    symbols = _batch_symbols(specs)
    fixed = [
        replace(spec, shape=tuple(2 if _is_batch(spec, axis, symbols) else n for axis, n in enumerate(spec.shape)))
        for spec in specs
    ]
    yield from guess_shapes(fixed)
    yield from guess_shapes(specs)


def larger_shapes(specs: Sequence[InputSpec], shapes: Shapes) -> Iterator[Shapes]:
    """Shapes to try beside `shapes`, which the graph accepts. specs: as the model declares them."""
    symbols = _batch_symbols(specs)
    for batch, times, plus in _TOGETHER:
        yield {
            spec.name: tuple(
                size
                if axis < len(spec.shape) and isinstance(spec.shape[axis], int)
                else size + batch
                if _is_batch(spec, axis, symbols)
                else times * size + plus
                for axis, size in enumerate(shapes[spec.name])
            )
            for spec in specs
        }


def other_shapes(specs: Sequence[InputSpec], shapes: Shapes) -> Iterator[list[Shapes]]:
    """For each free size, shapes to try in which it alone is another: for graphs that do not accept larger ones of all.

    What depends on values may have another size in the same shapes: these come last.
    """
    symbols = _batch_symbols(specs)
    for key in dict.fromkeys(key for spec in specs for axis in range(len(spec.shape)) if (key := free_key(spec, axis))):
        spec, axis = next((s, axis) for s in specs for axis in range(len(s.shape)) if free_key(s, axis) == key)
        own = shapes[spec.name][axis]
        batch = _is_batch(spec, axis, symbols)
        others = (own + 1, 2 * own, own // 2) if batch else (own + 32, 2 * own, own + 1, own // 2)
        yield [_with(specs, shapes, key, other) for other in others if other > 0]
    yield [shapes]


def _with(specs: Sequence[InputSpec], shapes: Shapes, key: str, other: int) -> Shapes:
    return {
        spec.name: tuple(
            other if axis < len(spec.shape) and free_key(spec, axis) == key else size
            for axis, size in enumerate(shapes[spec.name])
        )
        for spec in specs
    }


def _batch_symbols(specs: Sequence[InputSpec]) -> frozenset[str]:
    return frozenset(size for spec in specs if len(spec.shape) > 1 and isinstance(size := spec.shape[0], str))


def _is_batch(spec: InputSpec, axis: int, symbols: frozenset[str]) -> bool:
    if axis >= len(spec.shape):
        return False
    size = spec.shape[axis]
    return size in symbols if isinstance(size, str) else size is None and axis == 0 and len(spec.shape) > 1
