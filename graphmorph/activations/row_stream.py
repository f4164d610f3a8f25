"""Activation tensors in, rows into sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.rows import ChannelRows, RowMaker, Sampling, all_rows, sampled_rows
from graphmorph.errors import UsageError


class RowStream:
    """Folds tensors into `sums`: one tensor into `Moments`, two, paired position by position, into `CrossMoments`.

    Args:
        makers: how each tensor becomes rows.
        sampling: which positions; None for all.
        first_sample: the number of the first sample, where other workers have the earlier ones.
    """

    def __init__(
        self,
        sums: Moments | CrossMoments,
        makers: Sequence[RowMaker] = (ChannelRows(),),
        *,
        sampling: Sampling | None = None,
        first_sample: int = 0,
    ) -> None:
        wanted = 1 if isinstance(sums, Moments) else 2
        if len(makers) != wanted:
            raise UsageError(f"{type(sums).__name__} take the rows of {wanted} tensors, not of {len(makers)}")
        self.sums = sums
        self._makers = tuple(makers)
        self._sampling = sampling
        self._next_sample = first_sample

    def update(self, *activations: NDArray[Any]) -> None:
        """Add one batch: as many tensors as there are makers, with the same samples and positions.

        Raises:
            UsageError: tensors that do not fit the makers, each other or the sums; numbers that are not finite.
        """
        views = [maker.view(array) for maker, array in zip(self._makers, activations, strict=True)]
        places = {view.shape[: view.ndim - maker.column_axes] for view, maker in zip(views, self._makers, strict=True)}
        if len(places) > 1:
            shapes = " and ".join(str(array.shape) for array in activations)
            raise UsageError(f"tensors of shapes {shapes} have no rows in common: their positions differ")
        if self._sampling is None:
            blocks = all_rows(views, self._makers)
        else:
            blocks = sampled_rows(views, self._makers, self._sampling, self._next_sample)
        for rows in blocks:
            self.sums.update(*rows)
        self._next_sample += len(views[0])
