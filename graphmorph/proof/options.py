"""Options of a proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphmorph.errors import UsageError
from graphmorph.option_values import require_finite, require_whole
from graphmorph.proof.user_data import UserData
from graphmorph.proof.verdict import Limits


@dataclass(frozen=True)
class ProofOptions:
    """How to compare.

    Args:
        inputs: the user's data, see `graphmorph.proof.user_data`; None to draw inputs.
        shapes: sizes of inputs, by name, where they are free.
        samples: how many inputs are drawn at each size.
        seed: of everything that is drawn.
        rtol, atol: tolerances; None for both to measure the noise of the reference instead.
        providers: onnxruntime's execution providers.
        float64: also run the reference in float64, and report the distance of both models from it.
        custom_ops: shared libraries with custom operators.
        labels: (samples,) class indices for `inputs`, to report the accuracy before and after.
        jitter: when a case fails, run the reference once more on inputs moved by their last bit.
        threads: of onnxruntime.
        same_weights: the candidate has the reference's own weights, unrounded. Where it differs by little more than
            the noise, both are run in float64, and are equal if the difference shrinks as rounding does.
    """

    inputs: UserData | None = None
    shapes: Mapping[str, Sequence[int]] | None = None
    samples: int = 1
    seed: int = 0
    rtol: float | None = None
    atol: float | None = None
    providers: Sequence[str] = ("CPUExecutionProvider",)
    float64: bool = False
    custom_ops: Sequence[str] = ()
    labels: np.ndarray | Sequence[int] | None = None
    jitter: bool = True
    threads: int = 2
    same_weights: bool = False

    def __post_init__(self) -> None:
        require_whole("--samples", self.samples, least=1)
        require_whole("--seed", self.seed, least=0)
        for flag, value in (("--rtol", self.rtol), ("--atol", self.atol)):
            if value is not None:
                require_finite(flag, value)
        if self.labels is not None and self.inputs is None:
            raise UsageError("labels need the inputs that they belong to: give --inputs")
        if self.labels is not None and np.asarray(self.labels).dtype.kind not in "iu":
            raise UsageError("labels are numbers of classes: give integers")

    @property
    def limits(self) -> Limits:
        """The user's tolerances."""
        return Limits(self.rtol, self.atol)

    def session(self) -> dict[str, Any]:
        """What to open sessions with."""
        return {
            "providers": tuple(self.providers),
            "custom_ops": tuple(self.custom_ops),
            "threads": self.threads,
        }
