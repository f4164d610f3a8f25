"""Runs a pipeline on an ONNX model: from file to file, as the commands one after the other would."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from graphmorph.errors import ModelFileError
from graphmorph.graph import Graph
from graphmorph.layer_insertion.job import InsertResult
from graphmorph.manager import Progress
from graphmorph.model_file import as_file
from graphmorph.onnx_door import load, stage
from graphmorph.pipeline import FuseResult
from graphmorph.proof import Proof, ProofOptions, ProofSession
from graphmorph.pruning.job import PruneResult
from graphmorph.report import Report
from graphmorph.steps.pipeline import Pipeline
from graphmorph.steps.report import PipelineReport, StepReport
from graphmorph.steps.telling import progress_of, told

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

StepResult = FuseResult | PruneResult | InsertResult


@dataclass(frozen=True)
class PipelineResult:
    """graph: what the last step made. last: what the step that ran last gave; where it failed it says why. exit_code:
    0 where every step and the whole are proven, 1 where one is not, 2 where something could not be compared."""

    graph: Graph
    report: PipelineReport
    last: StepResult
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


def run_on_file(model: Model, pipeline: Pipeline, target: Path | None, progress: Progress | None) -> PipelineResult:
    """Each step on the result of the one before; the last result is written if all of it is proven."""
    started = time.perf_counter()
    if target is not None:
        _spare_weights(model, target)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="graphmorph-")))
        steps, last = _run_steps(model, pipeline, folder, progress)
        name = str(model) if isinstance(model, str | os.PathLike) else "model"
        report = PipelineReport(name, pipeline.name, steps)
        for one in steps:
            one.report.model, one.report.files = name, []  # not those of a folder that is gone
        if last.exit_code:
            report.seconds = time.perf_counter() - started
            return PipelineResult(last.graph, report, last, last.exit_code)
        made = _made(folder, steps[-1].number)
        graph = load(made)
        staged = stack.enter_context(stage(graph, target)) if target is not None else None
        if pipeline.shared.get("verify", True):
            result = made if staged is None else staged.path
            report.whole = already_proven(steps) or _prove(model, result, pipeline, report.exact, progress, stack)
        exit_code = _judged(report)
        if exit_code == 0 and staged is not None and target is not None:
            report.files = [str(path) for path in staged.commit()]
            graph = load(target)
        report.seconds = time.perf_counter() - started
        return PipelineResult(graph, report, last, exit_code)


def _run_steps(
    model: Model, pipeline: Pipeline, folder: Path, progress: Progress | None
) -> tuple[list[StepReport], StepResult]:
    steps: list[StepReport] = []
    source: Model = model
    for step in pipeline.steps:
        begun = time.perf_counter()
        made = _made(folder, step.number)
        saying = progress_of(step, len(pipeline.steps), progress)
        with told(step):
            last: StepResult = step.kind.run(source, made, step.options, pipeline.shared, progress=saying)
        seconds = time.perf_counter() - begun
        steps.append(StepReport(step.number, step.kind.name, step.asked, last.report, last.exit_code, seconds))
        if last.exit_code:
            break
        for path in steps[-2].report.files if len(steps) > 1 else ():
            Path(path).unlink()  # large models: two of them at a time are enough
        source = made
    return steps, last


def _made(folder: Path, number: int) -> Path:
    return folder / f"step-{number}.onnx"


def already_proven(steps: list[StepReport]) -> Proof | None:
    """One step alone that was held against its own input is the whole."""
    return steps[0].proof if len(steps) == 1 and isinstance(steps[0].report, Report) else None


def _prove(
    model: Model, result: Path, pipeline: Pipeline, exact: bool, progress: Progress | None, stack: ExitStack
) -> Proof:
    options = proof_options(pipeline.shared)
    reference = as_file(model, "original", stack)
    session = stack.enter_context(ProofSession(reference, options, progress=progress_of("the whole", None, progress)))
    return session.judge(result, localise=exact)


def proof_options(shared: Mapping[str, Any]) -> ProofOptions:
    """How the whole is compared: as each of its steps was."""
    known = {one.name for one in fields(ProofOptions)}
    return ProofOptions(**{name: value for name, value in shared.items() if name in known})


def _judged(report: PipelineReport) -> int:
    """The exit code of a pipeline whose steps all passed."""
    whole = report.whole
    if whole is None or whole.verdict == "equal":
        return 0
    if whole.unsupported and report.exact:
        report.notes.append(f"{whole.reason}; the steps were certified instead, one by one")
        return 0
    return 0 if whole.verdict == "different" and not report.exact else whole.exit_code


def _spare_weights(model: Model, target: Path) -> None:
    """See that what is written does not fall on weights of the original: the last step does not know them.

    Raises:
        ModelFileError: the data file of the target holds them.
    """
    data = target.with_name(f"{target.name}.data")
    if not isinstance(model, str | os.PathLike) or not data.exists() or (target.exists() and target.samefile(model)):
        return
    status = data.stat()
    record = load(model).record
    if record is not None and (status.st_dev, status.st_ino) in {
        one.identity for one in record.tensors.external.storages
    }:
        raise ModelFileError(f"{data}: is the data of {model}; choose another name for the output")
