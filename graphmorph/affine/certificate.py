"""Certificates: two affine regions compared for all inputs at once, not for a sample of them.

At a given size two affine maps that agree on the zero input and on one dense Gaussian input are equal with
probability 1; `probe_sizes` chooses sizes that stand for all. Both runs are made by the independent float64
evaluator:

1. exact: the new weights before they are rounded. The difference may be rounding of float64 alone, 1e-13 of
   the magnitude sum|K||x| + |b| of each output element, that of the larger side, so that an error of 1e-6 in
   one of thousands of weights is still seen. Border constants that an exporter stored in a smaller type
   (ScatterND) excuse the outputs that they reach, by that type's precision.
2. rounded: each stored weight lies next to its unrounded value, and the outputs agree to the stored
   precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs

from graphmorph.affine.evaluator import EvaluationError, evaluate
from graphmorph.affine.evaluator_arrays import Array
from graphmorph.affine.impulses import localise
from graphmorph.affine.probe_sizes import NoProbeSizeError, Sizes, SourceSpec, probe_sizes
from graphmorph.graph import constant_array

EXACT_TOLERANCE = 1e-13
ROUNDING_STEPS = 4  # units of the stored type's precision that rounding each weight once may cost an output
BORDER_STEPS = 8
MOST_ELEMENTS = 1 << 26  # of the inputs of one probe

Verdict = Literal["equal", "different", "not certified"]


@dataclass(frozen=True)
class Certificate:
    """Outcome for one region. Errors are the worst of all sizes, relative to the magnitude of the output
    element.

    `border_tolerance` is the relative precision granted to outputs that read stored border constants, None if
    there are none.
    """

    root: str
    verdict: Verdict
    reason: str
    shapes: tuple[Mapping[str, tuple[int, ...]], ...] = ()
    exact_error: float = 0.0
    exact_tolerance: float = EXACT_TOLERANCE
    rounded_error: float = 0.0
    rounded_tolerance: float = 0.0
    border_tolerance: float | None = None
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        shapes = [{name: list(shape) for name, shape in feeds.items()} for feeds in self.shapes]
        return {**asdict(self), "shapes": shapes}


@dataclass(frozen=True)
class _Region:
    """One side of the comparison, with its constants read once. Integer constants (pads, indices) keep their
    type.
    """

    nodes: Sequence[gs.Node]
    root: str
    opset: int
    constants: Mapping[str, npt.NDArray[Any]]

    def run(self, feeds: Mapping[str, Array], replaced: Mapping[str, Any] | None = None, **options: bool) -> Array:
        constants = {**self.constants, **(replaced or {})}
        values = evaluate(self.nodes, feeds, self.opset, constants=constants, **options)
        if self.root not in values:
            raise EvaluationError(f"tensor '{self.root}' is produced by none of the {len(self.nodes)} nodes")
        return values[self.root]

    def magnitude(self, feeds: Mapping[str, Array], replaced: Mapping[str, Any] | None = None) -> Array:
        return self.run({name: np.abs(x) for name, x in feeds.items()}, replaced, magnitude=True)


class _Difference(Exception):
    """Ends a certification with the verdict "different"."""


@dataclass
class _Comparison:
    """The two sides and the worst errors so far."""

    original: _Region
    exact: _Region
    rounded: _Region
    precision: float
    border: float | None
    shapes: list[Mapping[str, tuple[int, ...]]] = field(default_factory=list)
    exact_error: float = 0.0
    rounded_error: float = 0.0

    def at(self, feeds: Mapping[str, Array]) -> None:
        """Compare on one set of inputs. Raises _Difference, or EvaluationError where a side cannot be
        evaluated.
        """
        self.shapes.append({name: x.shape for name, x in feeds.items()})
        reference = self.original.run(feeds)
        if not np.isfinite(reference).all():
            raise EvaluationError(f"the original's own values of '{self.original.root}' are not finite")
        values = self._values(self.exact, feeds, reference.shape, "before rounding")
        # Of the larger side: branches that are to add up to little may be large.
        scale = np.maximum(self.original.magnitude(feeds), self.exact.magnitude(feeds))
        slack = 0.0 if self.border is None else self.border * _border_share(self.original, feeds)
        tolerance = EXACT_TOLERANCE * scale + slack
        error = self._judge(self.exact, feeds, values, reference, scale, tolerance, "before rounding")
        self.exact_error = max(self.exact_error, error)
        scale = self.rounded.magnitude(feeds, _lifted(self.rounded, self.exact))
        tolerance = tolerance + ROUNDING_STEPS * self.precision * scale
        values = self._values(self.rounded, feeds, reference.shape, "with rounded weights")
        error = self._judge(self.rounded, feeds, values, reference, scale, tolerance, "with rounded weights")
        self.rounded_error = max(self.rounded_error, error)

    def _values(self, candidate: _Region, feeds: Mapping[str, Array], shape: tuple[int, ...], stage: str) -> Array:
        """What a candidate gives. Raises _Difference where it has no values, or those of another shape."""
        try:
            values = candidate.run(feeds)
        except EvaluationError as failure:
            raise _Difference(f"{stage}, the rewritten region does not evaluate: {failure}") from failure
        if values.shape != shape:
            raise _Difference(f"{stage}, '{candidate.root}' has shape {values.shape} instead of {shape}")
        return values

    def _judge(
        self,
        candidate: _Region,
        feeds: Mapping[str, Array],
        values: Array,
        reference: Array,
        scale: Array,
        tolerance: Array,
        stage: str,
    ) -> float:
        """Worst relative error. Raises _Difference with the place of the worst element."""
        error = np.abs(values - reference)
        wrong = ~(error <= tolerance)  # so that NaN is wrong
        if wrong.any():
            excess = np.where(wrong, np.nan_to_num(error, nan=np.inf) - tolerance, -1.0)
            place = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), error.shape))
            cause = localise(self.original.run, candidate.run, feeds, place)
            raise _Difference(
                f"{stage}, '{candidate.root}' differs at {place} by {error[place]:.3g}"
                f" (magnitude {scale[place]:.3g}): {cause}"
            )
        return float(np.max(error / np.maximum(scale, np.finfo(np.float64).tiny), initial=0.0))


def certify(
    original: Sequence[gs.Node],
    rewritten: Sequence[gs.Node],
    root: str,
    sources: Mapping[str, SourceSpec],
    *,
    exact_constants: Mapping[str, Array],
    opset: int,
    seed: int = 0,
) -> Certificate:
    """Compare what `original` and `rewritten` make of `sources` in tensor `root`.

    `exact_constants` are the new weights in float64 before rounding, by the name of the gs.Constant that
    stores them. Never raises for a model's sake: what cannot be evaluated is "not certified", with the
    reason.
    """
    before, after = _constants(original), _constants(rewritten)
    sides = [
        _Region(nodes, root, opset, constants)
        for nodes, constants in (
            (original, before),
            (rewritten, {**after, **exact_constants}),
            (rewritten, after),
        )
    ]
    comparison = _Comparison(sides[0], sides[1], sides[2], _precision(after.values()), _border_precision(original))
    verdict: Verdict = "equal"
    try:
        reason = _compare_rounding(after, exact_constants)
        for feeds in _inputs(original, sources, opset, seed):
            comparison.at(feeds)
    except _Difference as difference:
        verdict, reason = "different", str(difference)
    except (EvaluationError, NoProbeSizeError) as error:
        verdict, reason = "not certified", str(error)
    if comparison.border is not None and verdict == "equal":
        reason += f", border constants to their stored precision ({comparison.border:.1g})"
    return Certificate(
        root=root,
        verdict=verdict,
        reason=reason,
        shapes=tuple(comparison.shapes),
        exact_error=comparison.exact_error,
        rounded_error=comparison.rounded_error,
        rounded_tolerance=ROUNDING_STEPS * comparison.precision,
        border_tolerance=comparison.border,
        seed=seed,
    )


def _inputs(
    nodes: Sequence[gs.Node], sources: Mapping[str, SourceSpec], opset: int, seed: int
) -> list[dict[str, Array]]:
    """Feeds for all sizes: each sample 0 dense, sample 1 zero; two runs where baked indices fix the batch."""
    generator = np.random.default_rng(seed)
    baked = [node for node in nodes if node.op == "ScatterND"]
    feeds: list[dict[str, Array]] = []
    for sizes in probe_sizes(nodes, sources, opset):
        if baked:
            dense = _dense(sources, sizes, _baked_batch(nodes, sources, sizes, opset), generator)
            feeds += [dense, {name: np.zeros_like(x) for name, x in dense.items()}]
        else:
            dense = _dense(sources, sizes, 2, generator)
            for x in dense.values():
                x[1:] = 0.0
            feeds.append(dense)
    return feeds


def _dense(
    sources: Mapping[str, SourceSpec], sizes: Sizes, batch: int, generator: np.random.Generator
) -> dict[str, Array]:
    shapes = {name: spec.shape(batch, sizes[name]) for name, spec in sources.items()}
    elements = sum(math.prod(shape) for shape in shapes.values())
    if elements > MOST_ELEMENTS:
        raise NoProbeSizeError(f"probing it would take inputs of {elements} elements")
    return {name: generator.standard_normal(shape) for name, shape in shapes.items()}


def _baked_batch(nodes: Sequence[gs.Node], sources: Mapping[str, SourceSpec], sizes: Sizes, opset: int) -> int:
    """The batch size for which the ScatterND indices of the region were made: the first that evaluates."""
    candidates = {1}
    for tensor in (t for node in nodes if node.op == "ScatterND" for t in node.inputs[1:3]):
        candidates.update(int(n) for n in tensor.shape or () if isinstance(n, int) and n > 1)
        if isinstance(tensor, gs.Constant) and tensor.dtype == np.int64 and tensor.shape[-1]:
            candidates.add(int(constant_array(tensor)[..., 0].max(initial=0)) + 1)  # indices that begin with the batch
    for batch in sorted(candidates):
        zeros = {name: np.zeros(spec.shape(batch, sizes[name])) for name, spec in sources.items()}
        try:
            evaluate(nodes, zeros, opset)
        except EvaluationError:
            continue
        return batch
    return 1


def _constants(nodes: Sequence[gs.Node]) -> dict[str, npt.NDArray[Any]]:
    tensors = {t.name: t for node in nodes for t in node.inputs if isinstance(t, gs.Constant)}
    return {name: constant_array(tensor) for name, tensor in tensors.items()}


def _is_float(array: npt.NDArray[Any]) -> bool:
    return array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16


def _precision(arrays: Any) -> float:
    """Machine epsilon of the least precise float type among `arrays`."""
    return max((float(ml_dtypes.finfo(array.dtype).eps) for array in arrays if _is_float(array)), default=0.0)


def _compare_rounding(stored: Mapping[str, npt.NDArray[Any]], exact: Mapping[str, Array]) -> str:
    """Every stored weight has to be next to its unrounded value. Raises _Difference; returns the reason for
    "equal".
    """
    for name in stored.keys() & exact.keys():
        array, wanted = stored[name], np.asarray(exact[name])
        if array.shape != wanted.shape:
            raise _Difference(f"constant '{name}' has shape {array.shape}, its unrounded values {wanted.shape}")
        limits = ml_dtypes.finfo(array.dtype)
        scale = np.maximum(np.abs(wanted), float(limits.smallest_normal))
        wrong = ~(np.abs(array.astype(np.float64) - wanted) <= float(limits.eps) * scale)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise _Difference(f"constant '{name}' stores {array[place]} at {place} for {wanted[place]:.9g}")
    return "equal on the zero input and on a dense Gaussian input at every size tried"


def _lifted(rounded: _Region, exact: _Region) -> dict[str, Array]:
    """Constants raised to their type's smallest normal number, below which rounding is absolute, not
    relative.
    """
    lifted = {}
    for name, array in rounded.constants.items():
        if _is_float(array):
            least = float(ml_dtypes.finfo(array.dtype).smallest_normal)
            wanted = np.abs(np.asarray(exact.constants[name], dtype=np.float64))
            lifted[name] = np.where(wanted > 0.0, np.maximum(wanted, least), 0.0)
    return lifted


def _border_precision(nodes: Sequence[gs.Node]) -> float | None:
    """Relative precision of the border constants that ScatterND nodes write, None if there are none."""
    updates = [
        constant_array(node.inputs[2])
        for node in nodes
        if node.op == "ScatterND" and isinstance(node.inputs[2], gs.Constant)
    ]
    return BORDER_STEPS * _precision(updates) if updates else None


def _border_share(region: _Region, feeds: Mapping[str, Array]) -> Array:
    """Magnitude that stored border constants contribute to each output element.

    A border value b = shift - mean * scale / deviation was rounded where its terms were, so it counts with
    the magnitude of the interior on the zero input, which can be much larger than |b|.
    """
    zeros = {name: np.zeros_like(x) for name, x in feeds.items()}
    values = evaluate(region.nodes, zeros, region.opset, constants=region.constants, magnitude=True)
    borders: dict[str, Array] = {}
    for node in region.nodes:
        if node.op == "ScatterND" and isinstance(node.inputs[2], gs.Constant):
            data, updates = node.inputs[0].name, node.inputs[2].name
            inside = float(np.max(values[data], initial=0.0)) if data in values else 0.0
            borders[updates] = np.maximum(np.abs(np.asarray(region.constants[updates], dtype=np.float64)), inside)
    without = {name: np.zeros_like(border) for name, border in borders.items()}
    return np.maximum(region.magnitude(zeros, borders) - region.magnitude(zeros, without), 0.0)
