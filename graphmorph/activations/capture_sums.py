"""Sums over activations by the name of a tensor: in this process, or mapped over several and added up."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from graphmorph.activations.capture import capture
from graphmorph.activations.listening import Accumulator
from graphmorph.activations.rows import Sampling
from graphmorph.activations.shards import Settings, Shard, captured_shard, shards_of
from graphmorph.activations.watches import SumsByTensor, Tensors, Watch, Watching, watches_of
from graphmorph.activations.workers import Executor, LocalWorkers
from graphmorph.errors import UsageError
from graphmorph.model_file import as_file
from graphmorph.proof.inputs import InputSpec, input_specs
from graphmorph.proof.sample_rows import row_count, stacked_inputs
from graphmorph.proof.user_data import UserData, are_arrays, user_arrays
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    from graphmorph.graph import Graph

    Model = str | os.PathLike[str] | Graph

#: Into so many shards are data cut for an executor, of which it is not known how many workers it has.
SHARDS = 16

#: Called with the number of samples done, and of all where that is known.
SampleProgress = Callable[[int, int | None], None]


def capture_sums(
    model: str | os.PathLike[str] | Graph,
    tensors: Tensors,
    data: UserData,
    *,
    gram: bool = True,
    positions: int | None = None,
    seed: int = 0,
    batch: int = 32,
    workers: int = 1,
    executor: Executor | None = None,
    shards: int | None = None,
    optimized: bool = True,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    custom_ops: Sequence[str] = (),
    threads: int | None = None,
    progress: SampleProgress | None = None,
) -> SumsByTensor:
    """Run a model on data and sum over the rows of tensors, in float64; memory does not grow with the samples.

    With several workers the data are cut into shards, the shards are mapped over processes, and their sums are added up
    in order. The positions that are drawn depend on the seed and on a sample's number in the data alone, so that the
    sums are those of one worker, but for the rounding of additions.

    Args:
        model: a file (with an executor: one that all workers can read) or a graph; that of a traced module is run in
            torch, by one worker.
        tensors: names, for `Moments` of their channels (axis 1); pairs of names, for `CrossMoments` of their rows at
            the same positions; or a dict from these to what makes the rows, such as
            `{("r1", "y"): (PatchRows((3, 3)), ChannelRows())}` for a convolution's patches and its outputs.
        data: files, a folder of arrays or of images, `Images`, arrays by input, or, for one worker, an iterable of
            feeds or a DataLoader.
        gram: whether single tensors get a Gram matrix; pairs always do.
        positions: how many positions of each sample become rows, drawn from `seed`; None for all.
        batch: how many samples run at once, where the batch is free.
        workers: how many processes of this machine take part (joblib, of the extra `distributed`).
        executor: what to map shards over instead: a concurrent.futures executor, or `client.get_executor()` of a Dask
            client. What becomes of a worker that dies is its affair: Dask runs the shard again.
        shards: how many parts the data are cut into, four a worker by default, 16 with an executor.
        threads: of onnxruntime in each worker: 2 for one, 1 for several by default.
        progress: called with the number of samples done, after every batch, or after every shard.

    Returns:
        the sums by what was asked for.

    Raises:
        UsageError: an unknown tensor, data that do not fit or cannot be cut, activations that cannot be summed.
        ModelRunError, RuntimeCrashError: onnxruntime cannot run the model, or workers keep dying.
    """
    sampling = None if positions is None else Sampling(positions, seed)
    watches = watches_of(tensors, gram=gram, sampling=sampling)
    if workers < 1 or batch < 1 or (positions is not None and positions < 1) or (shards is not None and shards < 1):
        raise UsageError("capture: workers, batch, positions and shards are at least 1")
    alone = workers == 1 and executor is None
    libraries = tuple(os.fspath(library) for library in custom_ops)
    settings = Settings(batch, optimized, tuple(providers), libraries, threads or (2 if alone else 1))
    if alone:
        return _by_one(model, watches, data, settings, progress)
    if not isinstance(model, str | os.PathLike) and model.traced is not None:
        raise UsageError("a traced module is captured by one worker: export it to a file for several")
    with ExitStack() as stack:
        path = as_file(model, "model", stack)
        count = shards or (4 * workers if executor is None else SHARDS)
        parts = shards_of(path, watches, data, _specs(path, settings), settings, count)
        return _by_several(parts, executor or LocalWorkers(workers), progress)


def _by_one(
    model: Model, watches: tuple[Watch, ...], data: UserData, settings: Settings, progress: SampleProgress | None
) -> SumsByTensor:
    taken = {watch: Watching(watch) for watch in watches}
    listeners: dict[str | tuple[str, ...], list[Accumulator]] = {watch.names: [taken[watch]] for watch in watches}
    if progress is not None:
        specs = _specs(model, settings)
        counter = _Counter(progress, _sample_count(data, specs))
        if isinstance(model, str | os.PathLike) or model.traced is None:
            listeners.setdefault((specs[0].name,), []).append(counter)
        else:  # where arguments and tensors have names of their own
            listeners.setdefault((str(model.inputs[0].name),), []).append(counter)
    capture(
        model,
        listeners,
        data,
        batch=settings.batch,
        optimized=settings.optimized,
        providers=settings.providers,
        custom_ops=settings.custom_ops,
        threads=settings.threads,
    )
    return {watch.key: one.sums for watch, one in taken.items()}


def _by_several(parts: Sequence[Shard], executor: Executor, progress: SampleProgress | None) -> SumsByTensor:
    """The reduce: shards' sums are added in order, so that the same shards always give the same bits."""
    total, done = sum(part.samples for part in parts), 0
    reduced: SumsByTensor = {}
    for part, sums in zip(parts, executor.map(captured_shard, parts), strict=True):
        if not isinstance(sums, Mapping):
            raise UsageError(
                f"the executor's map gives a {type(sums).__name__}, not what the function returns: of a Dask client, "
                "give client.get_executor()"
            )
        if not reduced:
            reduced = dict(sums)
        else:
            for key, one in sums.items():
                reduced[key].merge(one)
        done += part.samples
        if progress is not None:
            progress(done, total)
    return reduced


class _Counter:
    """Counts the samples of an input's batches."""

    def __init__(self, progress: SampleProgress, total: int | None) -> None:
        self._progress, self._total = progress, total
        self._done = 0

    def update(self, given: NDArray[Any]) -> None:
        """One batch."""
        self._done += len(given) if given.ndim else 1
        self._progress(self._done, self._total)


def _sample_count(data: UserData, specs: Sequence[InputSpec]) -> int | None:
    arrays = user_arrays(data, specs) if are_arrays(data) else None
    if arrays is None or stacked_inputs(arrays, specs):
        return None
    return row_count(arrays)


def _specs(model: Model, settings: Settings) -> Sequence[InputSpec]:
    """The inputs of a model."""
    with ExitStack() as stack:
        if not isinstance(model, str | os.PathLike) and model.traced is not None:
            from graphmorph.torch_door.capturing import argument_specs

            return argument_specs(model.traced)
        runtime = stack.enter_context(Runtime())
        opened = runtime.submit_open(
            as_file(model, "model", stack),
            optimized=False,
            providers=settings.providers,
            custom_ops=settings.custom_ops,
            threads=1,
        )
        return input_specs(opened.result().header["inputs"])
