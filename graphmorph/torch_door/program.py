"""From a module to a program with shapes: symbolic tracing, then two runs on fake tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from graphmorph.errors import TraceError
from graphmorph.torch_door.examples import (
    ExampleInputs,
    batch_of,
    bound_inputs,
    fixed_arguments,
    unused_variadics,
    with_twice_the_batch,
)
from graphmorph.torch_door.propagation import Execution, FakeRun
from graphmorph.torch_door.restoring import restored
from graphmorph.torch_door.tracer import LeafModules, TracedProgram, trace_program
from graphmorph.torch_door.wrapped_functions import Through

#: What running a program on fake tensors may raise; torch has no common base for it.
_RUN_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, NotImplementedError, AttributeError)


@dataclass(frozen=True)
class ShapedProgram:
    """A traced program, what every node gives on the example, and with twice the batch where that runs."""

    traced: TracedProgram
    executions: Mapping[fx.Node, Execution]
    doubled: Mapping[fx.Node, Execution] | None
    batch: int | None

    def twins(self) -> dict[int, torch.Tensor]:
        """The tensors of the second run by the identity of those of the first."""
        twins: dict[int, torch.Tensor] = {}
        for node, execution in self.executions.items():
            if self.doubled is None:
                break
            first, second = (pytree.tree_leaves(e.value) for e in (execution, self.doubled[node]))
            if len(first) == len(second):
                pairs = zip(first, second, strict=True)
                twins |= {id(a): b for a, b in pairs if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)}
        return twins


def shaped_program(
    root: nn.Module,
    example_inputs: ExampleInputs,
    leaf_modules: LeafModules,
    concrete_args: Mapping[str, Any],
    through: Through | None = None,
) -> ShapedProgram:
    """Trace a module and find the shape of everything; the module is left as it was.

    Raises:
        TraceError: it cannot be traced, or does not run on the example inputs.
        UsageError: the example inputs do not fit forward.
    """
    with restored(root):
        return _shaped_program(root, example_inputs, leaf_modules, concrete_args, through)


def _shaped_program(
    root: nn.Module,
    example_inputs: ExampleInputs,
    leaf_modules: LeafModules,
    concrete_args: Mapping[str, Any],
    through: Through | None,
) -> ShapedProgram:
    given = bound_inputs(root, example_inputs)
    fixed = {**fixed_arguments(root, given), **concrete_args}
    inputs = {**given, **fixed, **unused_variadics(root)}
    first = FakeRun(root, inputs)
    second = _doubled_run(root, inputs, first)

    def examples(node: fx.Node) -> list[Any]:
        try:
            return [run.value_of(node) for run in (first, second) if run is not None]
        except _RUN_ERRORS:
            return []

    traced = trace_program(root, leaf_modules, fixed, examples, through)
    first = _run(first, traced, root, inputs)
    second = _run_quietly(second, traced)
    doubled = None if second is None or first.real else second.done
    return ShapedProgram(traced, first.done, doubled, batch_of(inputs))


def _doubled_run(root: nn.Module, inputs: Mapping[str, Any], like: FakeRun) -> FakeRun | None:
    batch = batch_of(inputs)
    return None if batch is None else FakeRun(root, with_twice_the_batch(inputs, batch), like=like)


def _run(run: FakeRun, traced: TracedProgram, root: nn.Module, inputs: Mapping[str, Any]) -> FakeRun:
    """Run the whole program; on copies of the real tensors where shapes depend on values."""
    run.know(traced.constants)
    try:
        run.run(traced.graph)
        return run
    except _RUN_ERRORS:
        real = FakeRun(root, inputs, real=True)
        real.know(traced.constants)
    try:
        real.run(traced.graph)
        return real
    except _RUN_ERRORS as error:
        node = next(n for n in traced.graph.nodes if n not in real.done)
        raise TraceError(
            f"{type(root).__name__} does not run on the example inputs: {node.op} {node.target} ({node.name}): "
            f"{' '.join(str(error).split())}. Give example_inputs that the module accepts"
        ) from error


def _run_quietly(run: FakeRun | None, traced: TracedProgram) -> FakeRun | None:
    """The run with twice the batch is a bonus: a module may be made for one batch size."""
    if run is None:
        return None
    try:
        run.know(traced.constants)
        run.run(traced.graph)
    except _RUN_ERRORS:
        return None
    return run
