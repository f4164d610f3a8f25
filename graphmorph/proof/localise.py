"""Find the first tensor, in topological order, where two models part.

Tensors are looked at by name, where both models have them, a few at a time: a model with every tensor among
its outputs runs differently and may need more memory than there is. From evenly spaced tensors the search
closes in on the stretch between the last good and the first bad one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphmorph.errors import ModelRunError, RuntimeCrashError
from graphmorph.proof.compare import elementwise, excess_over
from graphmorph.proof.inputs import Case
from graphmorph.proof.noise import noise_floor, noise_tolerance
from graphmorph.proof.options import ProofOptions
from graphmorph.proof.reference import Outputs
from graphmorph.runtime import Runtime

_AT_ONCE = 12


def first_difference(runtime: Runtime, reference: str, candidate: str, case: Case, options: ProofOptions) -> str | None:
    """Name of the first shared tensor that differs by more than rounding; None when none is found."""
    try:
        present = set(runtime.outline(candidate)["tensors"])
        shared = [name for name in runtime.outline(reference)["tensors"] if name in present]
        return _close_in(runtime, (reference, candidate), shared, case, options)
    except (ModelRunError, RuntimeCrashError):
        return None  # a model that cannot run with more outputs still has its verdict


def _close_in(
    runtime: Runtime,
    paths: tuple[str, str],
    names: Sequence[str],
    case: Case,
    options: ProofOptions,
) -> str | None:
    found: str | None = None
    while names:
        stride = max(1, -(-len(names) // _AT_ONCE))
        # The last of each stretch: if it is good, what comes before it is taken for good.
        probes = sorted({*range(stride - 1, len(names), stride), len(names) - 1})
        chosen = [names[index] for index in probes]
        first, second = (_tensors(runtime, path, chosen, case, options) for path in paths)
        bad = next((i for i in probes if _differs(first.get(names[i]), second.get(names[i]))), None)
        if bad is None:
            return found
        found = names[bad]
        before = [index for index in probes if index < bad]
        names = names[before[-1] + 1 if before else 0 : bad]
    return found


def _tensors(runtime: Runtime, path: str, names: Sequence[str], case: Case, options: ProofOptions) -> Outputs:
    session = runtime.open_session(path, optimized=False, outputs=names, **options.session())
    try:
        return runtime.run(session, case.feeds())
    finally:
        runtime.close(session)


def _differs(reference: np.ndarray | None, candidate: np.ndarray | None) -> bool:
    if reference is None or candidate is None:
        return False
    if reference.shape != candidate.shape or reference.dtype != candidate.dtype:
        return True
    errors = elementwise(reference, candidate)
    if errors.nonfinite_mismatch.any():
        return True
    tolerance = noise_tolerance(noise_floor(reference, None), reference.dtype)
    return bool((excess_over(errors.error, tolerance) > 1.0).any())
