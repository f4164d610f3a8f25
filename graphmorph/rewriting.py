"""The main job: load, rewrite, prove, write. The reference runs in a child process while the graph is rewritten."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from graphmorph.destination import target_of
from graphmorph.graph import Graph
from graphmorph.model_job import ModelJob, Outcome
from graphmorph.module_pipeline import is_module, module_settings, only_for_modules, rewrite_module
from graphmorph.pipeline import FuseResult
from graphmorph.proof import ProofSession
from graphmorph.proving import prove
from graphmorph.report import Report
from graphmorph.rewrite import Rewrite
from graphmorph.rewrite_options import RewriteSettings

if TYPE_CHECKING:
    import onnx

    from graphmorph.torch_door.morphed_module import MorphedModule

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

WRITE_MODULES = "a torch module is rewritten in memory; to write an ONNX file use graphmorph.export"


def rewrite_model(
    model: Any, output: Any, passes: Sequence[Rewrite], settings: RewriteSettings
) -> FuseResult | MorphedModule:
    """Run passes on a model, prove what they made of it, and write it.

    Raises:
        UsageError: options for another kind of model.
    """
    if is_module(model):
        return rewrite_module(model, passes, module_settings(settings, output, WRITE_MODULES))
    only_for_modules(settings)
    return _rewrite_file(model, output, passes, settings)


def _rewrite_file(
    model: Model, output: str | os.PathLike[str] | None, passes: Sequence[Rewrite], settings: RewriteSettings
) -> FuseResult:
    started = time.perf_counter()
    with ExitStack() as stack:
        job = ModelJob(model, target_of(model, output, in_place=settings.in_place), passes, settings, stack)
        session = None
        if settings.verify:
            session = stack.enter_context(ProofSession(job.reference(), settings.proof, progress=settings.progress))
            session.start()
        result = job.run(certify=settings.certify)
        outcome = prove(job, result, session) if session is not None else Outcome(result, job.stage(result))
        if session is None:
            job.check(outcome)
        report = _report(job, outcome, time.perf_counter() - started)
        proven = outcome.exit_code == 0 or outcome.rolled_back
        if proven and outcome.staged is not None and job.target is not None:
            report.files = [str(path) for path in outcome.staged.commit()]
        report.seconds = time.perf_counter() - started
        return FuseResult(outcome.result.graph, report, outcome.exit_code)


def _report(job: ModelJob, outcome: Outcome, seconds: float) -> Report:
    result = outcome.result
    return Report(
        model=job.name,
        before=result.before,
        after=result.after,
        passes=result.passes,
        rolled_back=list(outcome.rolled_back),
        proof=outcome.proof,
        notes=[*result.notes, *([outcome.note] if outcome.note else [])],
        seconds=seconds,
    )
