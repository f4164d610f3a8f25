"""Run the reference: find inputs that it accepts, and keep what it says on them, optimizations off or on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphmorph.errors import ModelRunError, RuntimeCrashError, UsageError
from graphmorph.proof.compare import elementwise, is_text
from graphmorph.proof.inputs import (
    STYLES,
    Case,
    InputSpec,
    fix_shapes,
    guess_shapes,
    input_specs,
    is_dynamic,
    shape_option,
)
from graphmorph.proof.options import ProofOptions
from graphmorph.proof.user_data import user_cases
from graphmorph.runtime import Runtime

Outputs = dict[str, np.ndarray]
Progress = Callable[[str, int, int], None]

_SIZES_WANTED = 2


class NoInputsError(UsageError):
    """The reference accepts none of the inputs that were tried; the message says what to give."""


@dataclass
class ReferenceRun:
    """What the reference said: outputs of each case, optimizations off, and on (None: it does not run so)."""

    cases: list[Case]
    signature: dict[str, Any]
    off: list[Outputs]
    on: list[Outputs] | None = None
    on_was_tried: bool = False
    notes: list[str] = field(default_factory=list)

    def blind(self) -> list[str]:
        """Outputs in which no case has a finite element."""
        return [name for name in self.off[0] if not any(_has_finite(outputs[name]) for outputs in self.off)]

    def volatile(self) -> list[str]:
        """Outputs whose shape changes with rounding alone, as the boxes of a detector may: not comparable."""
        if self.on is None:
            return []
        pairs = list(zip(self.off, self.on, strict=True))
        return [name for name in self.off[0] if any(a[name].shape != b[name].shape for a, b in pairs)]

    def flat(self) -> list[str]:
        """Outputs that have one value everywhere, whatever the input: agreement on them says little."""
        found = []
        for name, array in self.off[0].items():
            first = array.ravel()[:1]
            if array.size > 1 and all(bool(np.all(outputs[name] == first)) for outputs in self.off):
                found.append(name)
        return found

    def unstable(self, index: int) -> dict[str, np.ndarray]:
        """Elements, by output, where optimizations alone change NaN or Inf."""
        if self.on is None:
            return {}
        off, on = self.off[index], self.on[index]
        return {
            name: elementwise(array, on[name]).nonfinite_mismatch
            for name, array in off.items()
            if array.shape == on[name].shape and array.dtype == on[name].dtype
        }


def run_reference(runtime: Runtime, path: str, options: ProofOptions, progress: Progress | None = None) -> ReferenceRun:
    """Run the reference with optimizations off.

    Raises ModelRunError or RuntimeCrashError when onnxruntime cannot run it, NoInputsError when no guessed
    size fits, UsageError when the user's shapes or data do not.
    """
    signature = runtime.submit_open(path, optimized=False, **options.session()).result().header
    session = int(signature["session"])
    try:
        # Inputs with a default (overridable initializers) are left to it: onnxruntime does not list them.
        specs = fix_shapes(input_specs(signature["inputs"]), options.shapes or {})
        if options.inputs is not None:
            cases = user_cases(options.inputs, specs)
            run = ReferenceRun(cases, signature, run_cases(runtime, session, cases, "reference", progress))
        else:
            run = _search(runtime, session, signature, specs, options)
    finally:
        runtime.close(session)
    return run


def run_optimized(
    runtime: Runtime, path: str, run: ReferenceRun, options: ProofOptions, progress: Progress | None = None
) -> None:
    """Run the reference once more with optimizations on: that measures its noise, and takes most memory."""
    if run.on_was_tried:
        return
    run.on_was_tried = True
    try:
        run.on = run_model(runtime, path, run.cases, options, optimized=True, progress=progress)
    except (ModelRunError, RuntimeCrashError) as error:
        run.notes.append(f"the reference does not run with onnxruntime's optimizations on: {error}")


def run_model(
    runtime: Runtime,
    path: str,
    cases: Sequence[Case],
    options: ProofOptions,
    *,
    optimized: bool,
    progress: Progress | None = None,
) -> list[Outputs]:
    """Open a model, run all cases, close it."""
    session = runtime.open_session(path, optimized=optimized, **options.session())
    try:
        return run_cases(runtime, session, cases, "reference", progress)
    finally:
        runtime.close(session)


def run_cases(
    runtime: Runtime, session: int, cases: Sequence[Case], phase: str, progress: Progress | None = None
) -> list[Outputs]:
    """Outputs of every case."""
    outputs = []
    for index, case in enumerate(cases):
        outputs.append(runtime.run(session, case.feeds()))
        if progress:
            progress(phase, index + 1, len(cases))
    return outputs


def _search(
    runtime: Runtime,
    session: int,
    signature: Mapping[str, Any],
    specs: tuple[InputSpec, ...],
    options: ProofOptions,
) -> ReferenceRun:
    """Find sizes and values that run and give finite numbers; two sizes where sizes are free."""
    wanted = _SIZES_WANTED if is_dynamic(specs) else 1
    run = ReferenceRun([], dict(signature), [])
    blind: ReferenceRun | None = None
    refusal: ModelRunError | None = None
    for style in STYLES:
        for shapes in guess_shapes(specs):
            case = Case(shapes, "seeded", 0, options.seed, style, specs)
            try:
                outputs = runtime.run(session, case.feeds())
            except ModelRunError as error:
                refusal = refusal or error
                continue
            empty = not any(array.size for array in outputs.values())
            if empty or not all(_has_finite(array) for array in outputs.values()):
                blind = blind or ReferenceRun([case], dict(signature), [outputs])
                break  # other sizes would not help, other values may
            run.cases.append(case)
            run.off.append(outputs)
            if len(run.cases) == wanted:
                break
        if run.cases:
            break
    if not run.cases:
        if blind is None:
            raise NoInputsError(
                f"the reference runs at none of the sizes tried ({refusal}); "
                f"give sizes, for instance {shape_option(specs)}, or real data with --inputs"
            )
        run = blind
    elif len(run.cases) < wanted:
        run.notes.append(f"only one size was found at which the reference runs: {run.cases[0].shapes}")
    for case in list(run.cases):
        for sample in range(1, options.samples):
            more = Case(case.shapes, "seeded", sample, options.seed, case.style, specs)
            run.cases.append(more)
            run.off.append(runtime.run(session, more.feeds()))
    return run


def _has_finite(array: np.ndarray) -> bool:
    if is_text(array) or array.dtype.kind in "biu":
        return True
    return bool(np.isfinite(array.astype(np.float64)).any()) or array.size == 0
