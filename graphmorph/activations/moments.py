"""Sums over the rows of a matrix, in float64, and sums over pairs of rows of two: AᵀA and AᵀO.

Sums of several workers add up (`merge`), so that calibration is a map and a reduce. What they cost in memory depends
on the numbers of columns alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from graphmorph.activations.row_products import RowProducts
from graphmorph.errors import UsageError

Array = NDArray[np.float64]


class Moments:
    """Sums over the rows of A (rows, columns).

    Attributes:
        count: the number of rows.
        total, absolute, squares: (columns,) sums of a, |a| and a².
        zeros: (columns,) how many numbers were exactly 0.
        minimum, maximum: (columns,); inf and -inf before the first row.
    """

    def __init__(self, columns: int, *, gram: bool = True) -> None:
        self.columns = columns
        self.count = 0
        self.total = np.zeros(columns)
        self.absolute = np.zeros(columns)
        self.squares = np.zeros(columns)
        self.zeros = np.zeros(columns, np.int64)
        self.minimum = np.full(columns, np.inf)
        self.maximum = np.full(columns, -np.inf)
        self._gram = RowProducts(columns) if gram else None

    @property
    def gram(self) -> Array:
        """(columns, columns) AᵀA.

        Raises:
            UsageError: these moments were made without one.
        """
        if self._gram is None:
            raise UsageError("these moments were taken without a Gram matrix: ask for one with gram=True")
        return self._gram.total

    @property
    def mean(self) -> Array:
        """(columns,) mean."""
        return self.total / self._rows()

    @property
    def variance(self) -> Array:
        """(columns,) mean square distance from the mean."""
        return np.maximum(self.squares / self._rows() - self.mean**2, 0.0)

    @property
    def covariance(self) -> Array:
        """(columns, columns) AᵀA / count, less the means."""
        return self.gram / self._rows() - np.outer(self.mean, self.mean)

    @property
    def share_of_zeros(self) -> Array:
        """(columns,) APoZ: the share of exact zeros (Hu et al. 2016, network trimming)."""
        return self.zeros / self._rows()

    def update(self, rows: ArrayLike) -> None:
        """Add rows (any number, columns), of any type.

        Raises:
            UsageError: another number of columns, or numbers that are not finite; nothing was added then.
        """
        array = as_rows(rows, self.columns)
        if not len(array):
            return
        self.count += len(array)
        self.total += array.sum(axis=0)
        self.absolute += np.abs(array).sum(axis=0)
        self.squares += np.einsum("rc,rc->c", array, array)
        self.zeros += (array == 0).sum(axis=0)
        np.minimum(self.minimum, array.min(axis=0), out=self.minimum)
        np.maximum(self.maximum, array.max(axis=0), out=self.maximum)
        if self._gram is not None:
            self._gram.add(array)

    def merge(self, other: Moments) -> None:
        """Add what another worker has seen.

        Raises:
            UsageError: the other has other columns, or only one of the two has a Gram matrix.
        """
        if other.columns != self.columns or (other._gram is None) != (self._gram is None):
            raise UsageError(f"moments of {self.columns} and {other.columns} columns, or of two kinds, do not add up")
        self.count += other.count
        self.total += other.total
        self.absolute += other.absolute
        self.squares += other.squares
        self.zeros += other.zeros
        np.minimum(self.minimum, other.minimum, out=self.minimum)
        np.maximum(self.maximum, other.maximum, out=self.maximum)
        if self._gram is not None:
            self._gram.total += other.gram

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays by name; `from_arrays` makes the same again."""
        named: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _FIELDS}
        named["count"] = np.array(self.count)
        return named if self._gram is None else {**named, "gram": self._gram.total}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The moments that `arrays` were taken of."""
        made = cls(arrays["total"].size, gram="gram" in arrays)
        made.count = int(arrays["count"])
        for name in _FIELDS:
            setattr(made, name, np.array(arrays[name]))
        if made._gram is not None:
            made._gram.total = np.array(arrays["gram"])
        return made

    def _rows(self) -> int:
        if not self.count:
            raise UsageError("no rows were seen: there is no mean of nothing")
        return self.count


_FIELDS = ("total", "absolute", "squares", "zeros", "minimum", "maximum")


class CrossMoments:
    """Sums over pairs of rows of A (rows, columns) and O (rows, outputs).

    Attributes:
        inputs: moments of A, with its Gram matrix. outputs: moments of O, without.
    """

    def __init__(self, columns: int, outputs: int) -> None:
        self.inputs = Moments(columns)
        self.outputs = Moments(outputs, gram=False)
        self._cross = RowProducts(columns, outputs)

    @property
    def cross(self) -> Array:
        """(columns, outputs) AᵀO."""
        return self._cross.total

    @property
    def covariance(self) -> Array:
        """(columns, outputs) AᵀO / count, less the means."""
        return self.cross / max(self.inputs.count, 1) - np.outer(self.inputs.mean, self.outputs.mean)

    def update(self, rows: ArrayLike, outputs: ArrayLike) -> None:
        """Add as many rows of A (any number, columns) as of O (the same number, outputs).

        Raises:
            UsageError: shapes that do not fit, or numbers that are not finite; nothing was added then.
        """
        left = as_rows(rows, self.inputs.columns)
        right = as_rows(outputs, self.outputs.columns)
        if len(left) != len(right):
            raise UsageError(f"{len(left)} rows cannot be paired with {len(right)}")
        self.inputs.update(left)
        self.outputs.update(right)
        self._cross.add(left, right)

    def merge(self, other: CrossMoments) -> None:
        """Add what another worker has seen.

        Raises:
            UsageError: the other has other columns or outputs.
        """
        if other.cross.shape != self.cross.shape:
            raise UsageError(f"cross moments {self.cross.shape} and {other.cross.shape} do not add up")
        self.inputs.merge(other.inputs)
        self.outputs.merge(other.outputs)
        self._cross.total += other.cross

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything, as arrays by name; `from_arrays` makes the same again."""
        inputs = {f"inputs.{name}": array for name, array in self.inputs.arrays().items()}
        outputs = {f"outputs.{name}": array for name, array in self.outputs.arrays().items()}
        return {**inputs, **outputs, "cross": self.cross}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The cross moments that `arrays` were taken of."""
        made = cls(*arrays["cross"].shape)
        made._cross.total = np.array(arrays["cross"])
        made.inputs = Moments.from_arrays(_below("inputs.", arrays))
        made.outputs = Moments.from_arrays(_below("outputs.", arrays))
        return made


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def as_rows(rows: ArrayLike, columns: int) -> Array:
    """Rows (any number, columns) in float64.

    Raises:
        UsageError: another number of columns, or numbers that are not finite.
    """
    array = np.asarray(rows, np.float64)
    if array.ndim != 2 or array.shape[1] != columns:
        raise UsageError(f"rows of {columns} columns were expected, not an array {array.shape}")
    if not np.isfinite(array).all():
        raise UsageError("the activations hold NaN or infinity, which no sum survives: look at the model and the data")
    return array
