"""Where the windows of a pooling layer lie, in torch's arithmetic: one record for all its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_graphsurgeon as gs
from torch import nn

from graphmorph.torch_door.builder import SiteBuilder
from graphmorph.torch_door.traced_numbers import static_sizes

#: Why pooling does not give indices.
INDICES = "return_indices: ONNX counts indices through the whole tensor, torch through each plane"


@dataclass(frozen=True)
class PoolingWindows:
    """Sizes, kernel, strides, pads and dilations of each pooled axis; torch pads both ends alike."""

    sizes: Sequence[int]
    kernel: Sequence[int]
    strides: Sequence[int]
    pads: Sequence[int]
    dilations: Sequence[int]

    def attributes(self) -> dict[str, list[int]]:
        """What ONNX calls them."""
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.strides),
            "pads": [*self.pads, *self.pads],
        }

    @property
    def volume(self) -> int:
        """Taps of one window."""
        return math.prod(self.kernel)

    def _room(self, axis: int) -> int:
        """How far the first window can move."""
        span = self.dilations[axis] * (self.kernel[axis] - 1) + 1
        return self.sizes[axis] + 2 * self.pads[axis] - span

    def overhanging(self, axis: int) -> bool:
        """Whether rounding up gives one window more than rounding down, before torch drops any."""
        return self._room(axis) % self.strides[axis] != 0

    def dropped(self, axis: int) -> bool:
        """Whether that window would start behind the last element and its padding at the front: torch drops it."""
        start = math.ceil(self._room(axis) / self.strides[axis]) * self.strides[axis]
        return self.overhanging(axis) and start >= self.sizes[axis] + self.pads[axis]

    def empty(self, axis: int, count: int) -> bool:
        """Whether one of the first `count` windows sees nothing but padding, as a dilated one can."""
        starts = [index * self.strides[axis] - self.pads[axis] for index in range(count)]
        taps = [tap * self.dilations[axis] for tap in range(self.kernel[axis])]
        return any(all(not 0 <= start + tap < self.sizes[axis] for tap in taps) for start in starts)


def pooled_sizes(site: SiteBuilder, spatial: int, input: gs.Tensor) -> list[int]:
    """Sizes of the pooled axes of (N, C, ...).

    Raises:
        Unsupported: the input has no batch dimension, or these sizes follow the batch.
    """
    site.require(site.rank(input) == spatial + 2, "pooling of an input without a batch dimension")
    return static_sizes(site, input, 2, "the sizes that are pooled")


def dimensions(module: nn.Module) -> int:
    """1, 2 or 3: torch names its pooling modules so."""
    return int(type(module).__name__[-2])
