"""What is captured for a new layer: sums over what it reads, and over what the next layer would read of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.listening import Listeners
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import ChannelRows, PatchRows, RowMaker, Sampling
from graphmorph.errors import ModelRunError, RefusedError, UsageError
from graphmorph.layer_insertion.branch import RESULT, SOURCE, branch
from graphmorph.layer_insertion.emission import same_pads
from graphmorph.layer_insertion.new_layer import FirstHalf
from graphmorph.layer_insertion.place import Place
from graphmorph.model_file import as_file
from graphmorph.runtime import Runtime

#: Streams calibration data through a model, and tensors by name into accumulators.
Capturing = Callable[[Listeners], object]

#: A Gram matrix of more columns than this is not made: 512 MiB.
WIDEST = 8192


@dataclass(frozen=True, eq=False)
class Source:
    """Where sums come from. opset, dtype: of the graph, and of the tensor. sampling: None for all positions."""

    place: Place
    capturing: Capturing
    runtime: Runtime
    opset: int
    dtype: np.dtype[Any]
    sampling: Sampling | None = None

    def inputs(self, kernel: tuple[int, ...]) -> Moments:
        """Sums over what the new layer reads: columns are (D_1, *kernel), as in its weight.

        Raises:
            UsageError: too many columns, or data that do not fit.
        """
        columns = self.place.channels * int(np.prod(kernel, dtype=np.int64))
        _require_narrow(columns, f"a kernel {kernel} over {self.place.channels} channels")
        sums = Moments(columns)
        self.capturing({self.place.after: RowStream(sums, (self._read_by_new(kernel),), sampling=self.sampling)})
        return sums

    def pairs(self, first: FirstHalf) -> CrossMoments:
        """Sums over pairs of rows: what the next layer would read of a new layer, and what it gave so far.

        Columns are (channels, *positions, *taps) in C order, as in `NewLayer.next_weight`.

        Raises:
            UsageError: too many columns, or data that do not fit.
            RefusedError: onnxruntime has no operator of the new layer for its type.
        """
        layer = self.place.next_layer
        columns = layer.matrix().shape[0] // self.place.channels * first.channels
        _require_narrow(columns, f"{first.channels} channels, read by {layer.node.op} {layer.node.name}")
        sums = CrossMoments(columns, layer.outputs)
        stream = _BranchStream(self, first, sums)
        try:
            self.capturing({(self.place.after, layer.output): stream})
        finally:
            stream.close()
        return sums

    def _read_by_new(self, kernel: tuple[int, ...]) -> RowMaker:
        if self.place.kind == "convolution":
            return PatchRows(kernel, pads=tuple(same_pads(kernel)))
        return ChannelRows(self.place.axis)

    def next_rows(self) -> tuple[RowMaker, RowMaker]:
        """Rows of what the next layer reads, and of what it gives."""
        node = self.place.next_layer.node
        if node.op != "Conv":
            axis = self.place.axis if self.place.kind == "tokens" else 1
            return ChannelRows(axis), ChannelRows(axis)
        strides, pads, dilations = (tuple(node.attrs.get(key) or ()) for key in ("strides", "pads", "dilations"))
        return PatchRows(self.place.next_layer.kernel, strides, pads, dilations), ChannelRows(1)


class _BranchStream:
    """Takes batches of both tensors, runs the new layer on the first, and folds the rows into sums."""

    def __init__(self, source: Source, first: FirstHalf, sums: CrossMoments) -> None:
        self._runtime = source.runtime
        with ExitStack() as stack:
            path = as_file(branch(source.place, first, source.opset, source.dtype), "branch", stack)
            try:
                opened = self._runtime.submit_open(path, optimized=True, many_runs=True).result()
            except ModelRunError as error:
                if not error.unsupported:
                    raise
                raise RefusedError(
                    f"onnxruntime cannot run the new layer ({first.activation}, {source.dtype.name}): {error}; use "
                    "another activation function, or a model in float32"
                ) from error
        self._session = int(opened.header["session"])
        self._rows = RowStream(sums, source.next_rows(), sampling=source.sampling)

    def update(self, source: NDArray[Any], outputs: NDArray[Any]) -> None:
        """One batch."""
        read = self._runtime.run(self._session, {SOURCE: source})[RESULT]
        self._rows.update(read, outputs)

    def close(self) -> None:
        self._runtime.close(self._session)


def _require_narrow(columns: int, what: str) -> None:
    if columns > WIDEST:
        raise UsageError(
            f"{what}: sums over {columns} columns would take {8e-9 * columns**2:.1f} GB, and {WIDEST} columns are the "
            "most; start with fewer channels, or use compnet-1, which captures those that survive only"
        )
