"""What size every tensor of a graph has in one run, and which sizes are free.

Inference answers for graphs without free sizes, and a traced graph carries its own. For the others onnxruntime runs the
model at several sizes, in the child process and with zeros for large weights; nothing but shapes comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_graphsurgeon as gs

from graphmorph.channels.probe_shapes import first_shapes, larger_shapes, other_shapes
from graphmorph.channels.sizes import Sizes
from graphmorph.channels.traced_sizes import traced_sizes
from graphmorph.errors import ModelRunError, RuntimeCrashError, UsageError
from graphmorph.facts import Dimension, Facts
from graphmorph.graph import Graph
from graphmorph.onnx_door import model_bytes
from graphmorph.onnx_door.element_types import numpy_type, onnx_type
from graphmorph.oracle import SHOWN_CONSTANT
from graphmorph.proof.inputs import STYLES, Case, InputSpec, Shapes, fix_shapes, is_dynamic
from graphmorph.runtime import Runtime

#: The sizes of what these give depend on values, so they are run twice, and with the real weights.
_VALUE_DEPENDENT = frozenset({"NonZero", "NonMaxSuppression", "Unique", "Compress", "If", "Loop"})

Measured = Mapping[str, tuple[int, ...]]


def probe_sizes(
    graph: Graph,
    facts: Facts,
    runtime: Runtime,
    shapes: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
) -> Sizes:
    """The sizes of every tensor, and the axes that are free.

    facts: of the graph after constant folding, with which inference knows most. shapes: of inputs, where the guesses
    do not fit the model. Where onnxruntime cannot run the graph, sizes that inference does not know are left out.

    Raises:
        UsageError: `shapes` does not fit the inputs.
    """
    if graph.traced is not None:
        return traced_sizes(facts)
    declared = _input_specs(facts)
    specs = fix_shapes(declared, shapes or {})
    inferred = {tensor.name: facts.shape(tensor) for tensor in _variables(facts)}
    known = {name: whole for name, shape in inferred.items() if (whole := _whole(shape)) is not None}
    unknown = [name for name in inferred if name not in known]
    if not unknown:
        return Sizes(known)
    runs = _Probe(graph, runtime, declared, specs, seed).measure(unknown)
    if not runs:
        return _without_a_run(specs, inferred)
    free = {
        name: frozenset[int]().union(*(_differing(shape, other.get(name)) for other in runs[1:]))
        for name, shape in runs[0].items()
    }
    free |= {spec.name: _open(spec.shape) for spec in declared}
    return Sizes({**known, **runs[0]}, {name: axes for name, axes in free.items() if axes})


class _Probe:
    """Runs one graph at sizes that it accepts. declared, specs: its inputs, and these with what the user fixed."""

    def __init__(
        self,
        graph: Graph,
        runtime: Runtime,
        declared: Sequence[InputSpec],
        specs: Sequence[InputSpec],
        seed: int,
    ) -> None:
        self.graph, self.runtime, self.declared, self.specs, self.seed = graph, runtime, declared, tuple(specs), seed
        self.value_dependent = any(node.op in _VALUE_DEPENDENT for node in graph.nodes)

    def measure(self, wanted: list[str]) -> list[Measured]:
        """Sizes in one run, or several where they may differ; none where the graph does not run."""
        for above in (None,) if self.value_dependent else (SHOWN_CONSTANT, None):
            try:
                model = model_bytes(self.graph, weights_as_inputs_above=above, keep_value_info=False)
                session = self.runtime.open_session(model, optimized=False, outputs=wanted)
            except (ModelRunError, RuntimeCrashError, UsageError):
                continue
            try:
                runs = self._runs(session)
                self.runtime.close(session)
            except RuntimeCrashError:
                continue
            if runs:
                return runs
        return []

    def _runs(self, session: int) -> list[Measured]:
        for style in STYLES:
            first = self._first(session, first_shapes(self.specs), style, sample=0)
            if first is None:
                continue
            shapes, measured = first
            if not is_dynamic(self.declared) and not self.value_dependent:
                return [measured]
            second = self._first(session, larger_shapes(self.declared, shapes), style, sample=1)
            if second is not None:
                return [measured, second[1]]
            alone = (self._first(session, some, style, sample=1) for some in other_shapes(self.declared, shapes))
            return [measured, *(found[1] for found in alone if found is not None)]
        return []

    def _first(
        self, session: int, candidates: Iterable[Shapes], style: str, sample: int
    ) -> tuple[Shapes, Measured] | None:
        """The first of the candidates that the graph accepts, and the sizes of its tensors then."""
        for shapes in candidates:
            case = Case(shapes, "seeded", sample, self.seed, style, self.specs)
            try:
                measured = self.runtime.shapes(session, case.feeds())
            except ModelRunError:
                continue
            return shapes, {**measured, **shapes}
        return None


def _variables(facts: Facts) -> list[gs.Tensor]:
    return [t for t in facts.tensors.values() if not isinstance(t, gs.Constant) and t.name not in facts.overridable]


def _input_specs(facts: Facts) -> tuple[InputSpec, ...]:
    """What must be fed; inputs that are no tensors are left out, and then nothing runs."""
    specs = []
    for tensor in facts.graph.inputs:
        dtype = numpy_type(onnx_type(tensor.dtype)) if tensor.dtype is not None else None
        if dtype is not None and tensor.name not in facts.overridable:
            name = "str" if dtype == np.dtype(object) else dtype.name
            specs.append(InputSpec(tensor.name, name, tuple(facts.shape(tensor) or ())))
    return tuple(specs)


def _whole(shape: tuple[Dimension, ...] | None) -> tuple[int, ...] | None:
    if shape is None or _open(shape):
        return None
    return tuple(size for size in shape if isinstance(size, int))


def _open(shape: Sequence[Dimension]) -> frozenset[int]:
    return frozenset(axis for axis, size in enumerate(shape) if not isinstance(size, int) or size < 0)


def _differing(first: Sequence[int], second: Sequence[int] | None) -> frozenset[int]:
    if second is None or len(first) != len(second):
        return frozenset()
    return frozenset(axis for axis, (one, other) in enumerate(zip(first, second, strict=True)) if one != other)


def _without_a_run(specs: Sequence[InputSpec], inferred: Mapping[str, tuple[Dimension, ...] | None]) -> Sizes:
    """Sizes that are known once the symbols of the inputs are given values."""
    shapes = next(first_shapes(specs))
    symbols = {n: shapes[s.name][axis] for s in specs for axis, n in enumerate(s.shape) if isinstance(n, str)}
    sizes, free = dict(shapes), {spec.name: _open(spec.shape) for spec in specs}
    for name, shape in inferred.items():
        whole = _whole(None if shape is None else tuple(symbols.get(n, n) if isinstance(n, str) else n for n in shape))
        if whole is not None and shape is not None:
            sizes.setdefault(name, whole)
            free[name] = _open(shape)
    return Sizes(sizes, {name: axes for name, axes in free.items() if axes})
