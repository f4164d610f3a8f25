"""How many elements the windows of a pool hold, beside zeros of the padding that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphmorph.channels.values.fact import Fact
from graphmorph.channels.values.view import View


@dataclass(frozen=True)
class Windows:
    """The windows of AveragePool-22 or MaxPool-22 along one axis. size: of the input, None where it differs between
    runs; count: of the output. counted: whether zeros of the padding count."""

    size: int | None
    count: int
    taps: int
    stride: int
    apart: int
    pads: tuple[int, int]
    ceil: bool
    counted: bool

    @property
    def hang_over(self) -> bool:
        """Whether the last window may lie in part beyond the input and its padding, as one larger than these does."""
        if self.size is None:
            return self.ceil and self.stride > 1
        return (self.count - 1) * self.stride + (self.taps - 1) * self.apart >= self.size + sum(self.pads)

    def part(self) -> float | None:
        """Elements as a part of all that is counted, if every window has some and the part is the same for all.

        What hangs over counts as zeros in onnxruntime 1.20 where padding does, and does not in torch and later ones.
        """
        if self.counted and self.hang_over:
            return None
        if self.size is None:
            return 1.0 if self._hold_elements and not (self.counted and any(self.pads)) else None
        places = np.arange(self.count)[:, np.newaxis] * self.stride - self.pads[0] + np.arange(self.taps) * self.apart
        inside = np.asarray((places >= 0) & (places < self.size)).sum(axis=1)
        if not inside.all() or (self.counted and (inside != inside[0]).any()):
            return None
        return float(inside[0]) / self.taps if self.counted else 1.0

    @property
    def _hold_elements(self) -> bool:
        """Whether every window begins in front of the end and ends behind the beginning, however large the input is."""
        dense = self.apart == 1 or not any(self.pads)
        return dense and self.pads[0] < self.taps and self.pads[1] + (self.stride if self.ceil else 1) <= self.taps


def part_of_constant(view: View, x: Fact) -> float | None:
    """What the mean of a constant is in every window, as a part of it; None where windows differ, or hold nothing, or
    may."""
    counted = bool(int(view.attribute("count_include_pad", 0)))
    if str(view.attribute("auto_pad", "NOTSET")).startswith("SAME"):
        return None if counted or any(int(n) != 1 for n in view.attribute("dilations", ())) else 1.0
    parts = [windows.part() for windows in _windows(view, x, counted=counted)]
    return None if None in parts else float(np.prod([part for part in parts if part is not None]))


def _windows(view: View, x: Fact, *, counted: bool) -> list[Windows]:
    kernel = [int(n) for n in view.attribute("kernel_shape")]
    ones, output = [1] * len(kernel), view.output_outline()
    pads = [int(n) for n in view.attribute("pads", [0] * 2 * len(kernel))]
    strides, dilations = ([int(n) for n in view.attribute(name, ones)] for name in ("strides", "dilations"))
    ceil = bool(int(view.attribute("ceil_mode", 0)))
    return [
        Windows(
            None if axis in x.free else x.sizes[axis],
            output.sizes[axis],
            taps,
            strides[place],
            dilations[place],
            (pads[place], pads[len(kernel) + place]),
            ceil,
            counted,
        )
        for place, (axis, taps) in enumerate(zip(range(2, x.rank), kernel, strict=True))
    ]
