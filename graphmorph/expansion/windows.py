"""Where a branch stands: its own padding, and what is cropped off its input where the square pads less than its margin.

A branch slides over the same windows as the square (ACNet section 3.2). With d rows of dilation and p of padding, a
branch whose first row is row r of the square has padding p - d r before it; a negative one is a crop.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphmorph.expansion.branch import Branch

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """A square two-dimensional convolution; pairs are (rows, columns)."""

    out_channels: int
    in_channels: int
    groups: int
    size: int
    strides: Pair
    dilations: Pair
    pads_begin: Pair
    pads_end: Pair

    @property
    def has_identity(self) -> bool:
        """Whether output and input are alike, with the square's centre on the position that it computes."""
        centred = tuple(dilation * (self.size // 2) for dilation in self.dilations)
        alike = self.out_channels == self.in_channels and self.strides == (1, 1)
        return alike and self.size % 2 == 1 and self.pads_begin == self.pads_end == centred

    def kernel_shape(self, branch: Branch) -> tuple[int, int, int, int]:
        """(out, in/groups, *size) of a branch's weights."""
        height, width = branch.size or (1, 1)
        return (self.out_channels, self.in_channels // self.groups, height, width)


@dataclass(frozen=True)
class Window:
    """Padding of a branch's convolution, and before it zeros and then crops of its input; pairs are (rows, columns).

    Where one side of an axis is padded and the other cropped, the zeros come first: a small input has fewer positions
    than are cropped.
    """

    pads_begin: Pair
    pads_end: Pair
    zeros_begin: Pair
    zeros_end: Pair
    crop_begin: Pair
    crop_end: Pair

    @property
    def pads_first(self) -> bool:
        return any((*self.zeros_begin, *self.zeros_end))

    @property
    def crops(self) -> bool:
        return any((*self.crop_begin, *self.crop_end))


def window(geometry: Geometry, branch: Branch) -> Window:
    """The window of a branch that is a convolution."""
    sizes = branch.size or (1, 1)
    sides = []
    for axis in (0, 1):
        first, dilation = branch.begin[axis], geometry.dilations[axis]
        rest = geometry.size - sizes[axis] - first
        begin = geometry.pads_begin[axis] - dilation * first
        end = geometry.pads_end[axis] - dilation * rest
        padded, mixed = (max(begin, 0), max(end, 0)), min(begin, end) < 0
        own, zeros = ((0, 0), padded) if mixed else (padded, (0, 0))
        sides.append((own[0], own[1], zeros[0], zeros[1], max(-begin, 0), max(-end, 0)))
    return Window(*((row, column) for row, column in zip(*sides, strict=True)))
