"""Runs a pipeline on a live module: each step gives a module, which the next one takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from graphmorph.errors import GraphmorphError, VerificationError
from graphmorph.manager import Progress
from graphmorph.proof import Proof
from graphmorph.steps.file_run import already_proven, proof_options
from graphmorph.steps.pipeline import Pipeline
from graphmorph.steps.report import PipelineReport, StepReport
from graphmorph.steps.telling import progress_of, told

if TYPE_CHECKING:
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule


def run_on_module(
    module: nn.Module,
    pipeline: Pipeline,
    example_inputs: ExampleInputs | None,
    *,
    leaf_modules: Any,
    in_place: bool,
    progress: Progress | None,
) -> MorphedModule:
    """What the last step makes, with the report of all of them in `.report`.

    Raises:
        VerificationError: the result computes something else although every step was to keep the function.
        GraphmorphError: a step failed, or nothing could be compared.
    """
    from graphmorph.torch_door.guessed_inputs import guessed_inputs

    started = time.perf_counter()
    example = guessed_inputs(module) if example_inputs is None else example_inputs
    running = {"example_inputs": example, "leaf_modules": leaf_modules}
    steps: list[StepReport] = []
    made: Any = module
    for step in pipeline.steps:
        begun = time.perf_counter()
        saying = progress_of(step, len(pipeline.steps), progress)
        with told(step):
            # What an earlier step made is ours alone: it need not be copied.
            made = step.kind.run(
                made, None, step.options, pipeline.shared, in_place=in_place or bool(steps), progress=saying, **running
            )
        seconds = time.perf_counter() - begun
        steps.append(StepReport(step.number, step.kind.name, step.asked, made.report, 0, seconds))
    report = PipelineReport(type(module).__name__, pipeline.name, steps)
    if pipeline.shared.get("verify", True):
        report.whole = already_proven(steps) or _prove(module, made, example, pipeline, exact=report.exact)
    report.seconds = time.perf_counter() - started
    made.__dict__["report"] = report
    result: MorphedModule = made
    return result


def _prove(original: nn.Module, made: nn.Module, example: ExampleInputs, pipeline: Pipeline, *, exact: bool) -> Proof:
    from graphmorph.torch_door.examples import bound_inputs
    from graphmorph.torch_door.module_proof import prove_module

    options = proof_options(pipeline.shared)
    inputs = bound_inputs(original, example)
    proof = prove_module(original, made, inputs, samples=options.samples, seed=options.seed, limits=options.limits)
    if exact and proof.verdict == "different":
        raise VerificationError(f"every step is proven, but the whole computes something else: {proof.reason}")
    if proof.verdict == "inconclusive":
        raise GraphmorphError(f"the whole could not be compared: {proof.reason}; verify=False takes it unproven")
    return proof
