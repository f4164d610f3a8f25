"""One branch of a block: which taps of the square kernel it covers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Branch:
    """A kernel of `size` whose first tap is tap `begin` of the square, or the identity where `size` is None.

    `name` is the suffix of its nodes, empty for the square itself. `part` is how much of the kernel under it moves to
    it, as a multiple of the share asked for: branches that lie on the same taps divide one share.
    """

    name: str
    size: tuple[int, int] | None
    begin: tuple[int, int] = (0, 0)
    part: float = 1.0

    @property
    def is_identity(self) -> bool:
        return self.size is None


def square(size: int) -> Branch:
    """The branch that every block keeps."""
    return Branch("", (size, size))


def pointwise(size: int) -> Branch:
    """A 1 x 1 kernel on the centre of a square one."""
    return Branch("pointwise", (1, 1), (size // 2, size // 2))


def identity(size: int) -> Branch:
    """The input itself, which is a one on the centre of the square."""
    return Branch("identity", None, (size // 2, size // 2))
