"""Capture: ONNX models run in onnxruntime, in the child process, with the tensors exposed as outputs; traced modules
run in torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from graphmorph.activations.blas_threads import other_cores
from graphmorph.activations.feeds import feed_batches
from graphmorph.activations.listening import Listeners, Listening
from graphmorph.errors import UsageError
from graphmorph.model_file import as_file
from graphmorph.proof.inputs import Feeds, input_specs
from graphmorph.proof.user_data import UserData
from graphmorph.runtime import Runtime
from graphmorph.runtime.protocol import arrays_of

if TYPE_CHECKING:
    from graphmorph.graph import Graph
    from graphmorph.runtime import Ticket

#: Called with a phase, and twice the number of batches done: how many will come is not known.
Progress = Callable[[str, int, int], None]


def capture(
    model: str | os.PathLike[str] | Graph,
    listeners: Listeners,
    data: UserData,
    *,
    batch: int = 8,
    optimized: bool = True,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    custom_ops: Sequence[str] = (),
    threads: int = 2,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
) -> int:
    """Run a model on data and fold tensors into accumulators; returns the number of batches.

    While accumulators take one batch, onnxruntime runs the next. Two batches of the tensors are held, no more.

    Args:
        model: a file (preferred: nothing is copied) or a graph; that of a traced module is run in torch, where only
            listeners, data, batch and progress count.
        listeners: accumulators by the name of a tensor, or by several names: inputs of the graph, outputs of nodes.
        data: as for `graphmorph.verify`; an iterable is read as it goes.
        batch: how many samples run at once, where the batch is free.
        optimized: whether onnxruntime may optimise the model: sums differ by rounding, and come sooner.
        runtime: a child process to use; a fresh one by default.

    Raises:
        UsageError: an unknown tensor, data that do not fit, or activations that the accumulators refuse.
        ModelRunError, RuntimeCrashError: onnxruntime cannot run the model.
    """
    if not isinstance(model, str | os.PathLike) and model.traced is not None:
        from graphmorph.torch_door.capturing import capture_module

        return capture_module(model, listeners, data, batch=batch, progress=progress)
    listening = Listening(listeners)
    with ExitStack() as stack:
        child = runtime or stack.enter_context(Runtime())
        path = as_file(model, "model", stack)
        produced = listening.names & set(child.outline(path)["tensors"])
        opened = (
            child.submit_open(
                path,
                optimized=optimized,
                outputs=sorted(produced) or None,
                providers=providers,
                custom_ops=custom_ops,
                threads=threads,
                many_runs=True,
            )
            .result()
            .header
        )
        session = int(opened["session"])
        stack.callback(child.close, session)
        specs = input_specs(opened["inputs"])
        _require_known(listening.names - produced, [spec.name for spec in specs])
        stack.enter_context(other_cores(threads))
        done = 0
        for feeds, arrays in _runs(child, session, feed_batches(data, specs, batch)):
            listening.begin()
            for name in sorted(listening.names):
                listening.hear(name, arrays[name] if name in produced else feeds[name])
            done += 1
            if progress:
                progress("capture", done, done)
    return done


def _runs(runtime: Runtime, session: int, batches: Iterator[Feeds]) -> Iterator[tuple[Feeds, dict[str, np.ndarray]]]:
    """Feeds and outputs of every batch; the next one is on its way while the caller looks at them."""
    running: tuple[Feeds, Ticket] | None = None
    for feeds in batches:
        following = feeds, runtime.submit("run", session=session, payloads=feeds)
        if running is not None:
            yield running[0], arrays_of(running[1].result())
        running = following
    if running is not None:
        yield running[0], arrays_of(running[1].result())


def _require_known(names: Set[str], inputs: Sequence[str]) -> None:
    unknown = sorted(names - set(inputs))
    if unknown:
        raise UsageError(
            f"capture: the model has no tensor {', '.join(unknown)}: outputs of nodes outside of If and Loop can be "
            f"captured, and its inputs ({', '.join(inputs)})"
        )
