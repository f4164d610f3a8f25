"""One module on its way into one file: fuse, export, clean up, prove, write. torch is imported when it is asked for."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphmorph.errors import GraphmorphError, ModelRunError, UsageError, VerificationError
from graphmorph.export_report import ExportError, ExportReport, Step
from graphmorph.graph import Graph
from graphmorph.inspection import port_of
from graphmorph.manager import PassManager, RunResult
from graphmorph.module_pipeline import rewrite_module
from graphmorph.onnx_door import load, model_bytes, stage
from graphmorph.onnx_door.writer import StagedModel
from graphmorph.pipeline import passes_for
from graphmorph.report import Report
from graphmorph.rewrite_options import RewriteSettings
from graphmorph.runtime import Runtime

if TYPE_CHECKING:
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.exporters import ExportedFile, ExportSettings
    from graphmorph.torch_door.file_proof import FileProof

LINES_SHOWN = 4

#: Drawn inputs, at least, where values decided something in forward: another decision has to be met.
SAMPLES_OF_DECISIONS = 16

STEPS = ("fusing", "exporting", "cleaning up", "proving")

_BLAME: dict[Step, str] = {
    "torch fusion": "the module that was fused in torch computes something else",
    "exporter": "the file that torch exported computes something else than the module",
    "clean-up": "the file computes something else after clean-up",
}
_ADVICE: dict[Step, str] = {
    "torch fusion": "fuse=False (--no-fuse) exports without fusion",
    "exporter": "try the other exporter, and look for branches or numbers in forward that depend on values or sizes",
    "clean-up": "cleanup=False (--no-cleanup) takes the file as torch exported it",
}


class ExportJob:
    """What an export knows and holds; the stack gives everything back at its end."""

    def __init__(
        self, module: nn.Module, target: Path, options: RewriteSettings, settings: ExportSettings, stack: ExitStack
    ) -> None:
        import torch

        from graphmorph.torch_door.module_proof import evaluation
        from graphmorph.torch_door.restoring import restored

        _require_module(module)
        self.module, self.target, self.options, self.settings, self.stack = module, target, options, settings, stack
        self.notes: list[str] = []
        self.seconds: dict[str, float] = {}
        modes = [one.training for one in module.modules()]
        if any(modes):
            which = "the module was" if all(modes) else f"{sum(modes)} of {len(modes)} modules were"
            self.notes.append(f"{which} in training mode: a copy in evaluation mode was exported")
        stack.enter_context(restored(module))
        stack.enter_context(evaluation(module))
        stack.enter_context(torch.no_grad())
        self.runtime = stack.enter_context(Runtime())
        self.runtime.start()
        folder = tempfile.TemporaryDirectory(prefix=".graphmorph-", dir=target.parent)
        self.folder = Path(stack.enter_context(folder))

    def describe(
        self,
        example_inputs: ExampleInputs | None,
        input_names: Sequence[str] | None,
        output_names: Sequence[str] | None,
        dynamic_batch: bool,
        dynamic_shapes: Mapping[str, Any] | None,
    ) -> None:
        """Find out what goes in and comes out, and which of its axes are free.

        Raises:
            UsageError: the example inputs, names or axes do not fit the module.
        """
        from graphmorph.torch_door.examples import bound_inputs
        from graphmorph.torch_door.flat_module import interface_of
        from graphmorph.torch_door.free_axes import free_axes
        from graphmorph.torch_door.guessed_inputs import guessed_inputs

        given = guessed_inputs(self.module) if example_inputs is None else example_inputs
        self.inputs = bound_inputs(self.module, given)
        self.interface = interface_of(self.module, self.inputs, input_names, output_names)
        self.free = free_axes(self.interface, dynamic_batch=dynamic_batch, dynamic_shapes=dynamic_shapes)
        self.notes += self.interface.notes

    def run(self, *, fuse: bool, cleanup: bool, external_data: bool | None) -> ExportReport:
        """All steps.

        Raises:
            VerificationError: one of them changed what is computed.
            GraphmorphError: one of them failed.
        """
        with self._step(0):
            deployed, fusion = self._fused() if fuse else (self._copy(), None)
        with self._step(1):
            exported, graph = self._exported(deployed)
        with self._step(2):
            result = self._cleaned(graph, exported, fuse=fuse, cleanup=cleanup)
            staged = self.stack.enter_context(stage(graph, self.target, external_data=external_data))
            self.runtime.submit_check(model_bytes(load(staged.path))).result()
        report = self._report(result, fusion)
        with self._step(3):
            if self.options.verify:
                self._prove(report, staged, deployed, exported, cleaned=result.journal.modified)
            else:
                self._require_loading(staged)
        report.files = [str(file) for file in staged.commit()]
        return report

    @contextmanager
    def _step(self, index: int) -> Iterator[None]:
        if self.options.progress is not None:
            self.options.progress(STEPS[index], index, len(STEPS))
        started = time.perf_counter()
        yield
        self.seconds[STEPS[index]] = time.perf_counter() - started

    def _copy(self) -> nn.Module:
        try:
            return copy.deepcopy(self.module)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            self.notes.append(f"the module cannot be copied, and was exported itself: {error}")
            return self.module

    def _fused(self) -> tuple[nn.Module, Report | None]:
        """The module in deploy form, or as it is where torch.fx cannot trace it."""
        candidate = self._copy()
        options = replace(self.options, example_inputs=self.inputs, in_place=candidate is not self.module)
        try:
            fused = rewrite_module(candidate, passes_for(), options)
        except UsageError:
            raise
        except VerificationError as error:
            raise VerificationError(f"torch fusion: {error}. Nothing was written; {_ADVICE['torch fusion']}") from error
        except GraphmorphError as error:
            self.notes.append(f"not fused in torch, but in the file: {error}")
            return self._copy(), None
        report: Report = vars(fused)["report"]  # a child of the module may have that name, too
        self.notes += report.notes
        return fused, report

    def _exported(self, deployed: nn.Module) -> tuple[ExportedFile, Graph]:
        from graphmorph.torch_door.exporters import export_file

        exported = export_file(deployed, self.interface, self.free, self.folder / "exported.onnx", self.settings)
        if exported.frozen:
            lines = ", ".join(exported.frozen[:LINES_SHOWN])
            self.notes.append(
                f"the exporter took values for constants at {lines}: the file does there what the example inputs led to"
            )
        graph = load(exported.path)
        wanted, exporter = self.settings.opset, self.settings.exporter
        if wanted is not None and graph.opset != wanted:
            raise GraphmorphError(
                f"torch's {exporter} exporter wrote opset {graph.opset} instead of {wanted}; nothing was written. "
                f"Take opset={graph.opset}, or the other exporter (dynamo or legacy)"
            )
        return exported, graph

    def _cleaned(self, graph: Graph, exported: ExportedFile, *, fuse: bool, cleanup: bool) -> RunResult:
        """Run the pipeline on the exported graph; without `fuse` only what tidies."""
        passes = [one for one in passes_for() if fuse or one.cleanup] if cleanup else []
        keep = self.options.keep
        kept = [name for name, path in exported.scopes.items() if any(fnmatchcase(path, glob) for glob in keep)]
        manager = PassManager(
            passes,
            keep=[*keep, *map(escape, kept)],
            certify=self.options.certify,
            runtime=self.runtime,
            progress=self.options.progress,
        )
        return manager.run(graph)

    def _prove(
        self, report: ExportReport, staged: StagedModel, deployed: nn.Module, exported: ExportedFile, *, cleaned: bool
    ) -> None:
        judging = self._proof(exported)
        if judging.cases.unproven:
            axes = ", ".join(judging.cases.unproven)
            raise GraphmorphError(
                f"{axes} was to be free, but the module itself runs at no other size that was tried. Nothing was "
                "written; leave it fixed, or give verify=False (--no-verify)"
            )
        proof = report.proof = judging.judge(self.module, staged.path)
        if proof.verdict == "inconclusive":
            raise GraphmorphError(
                f"the file could not be proven: {proof.reason}; verify=False (--no-verify) writes it unproven"
            )
        if proof.verdict == "different":
            fused = deployed if report.fusion is not None else None
            step = report.failed_step = _guilty_step(judging, self.module, fused, exported.path, cleaned=cleaned)
            raise ExportError(f"{_BLAME[step]}: {proof.reason}. Nothing was written; {_ADVICE[step]}", report)

    def _proof(self, exported: ExportedFile) -> FileProof:
        from graphmorph.torch_door.file_cases import cases_for
        from graphmorph.torch_door.file_proof import FileProof

        options, progress = self.options.proof, self.options.progress
        samples = max(options.samples, SAMPLES_OF_DECISIONS) if exported.frozen else options.samples
        cases = cases_for(self.module, self.interface, self.free, samples=samples, seed=options.seed)
        return FileProof(self.interface, self.free, cases, self.runtime, options.limits, options.seed, progress)

    def _require_loading(self, staged: StagedModel) -> None:
        """Without a proof: onnxruntime must at least load the file, unless it lacks an operator."""
        try:
            self.runtime.close(self.runtime.open_session(staged.path, optimized=False))
        except ModelRunError as error:
            if not error.unsupported:
                raise
            self.notes.append(f"onnxruntime cannot load the file, so it was checked by onnx.checker only: {error}")

    def _report(self, result: RunResult, fusion: Report | None) -> ExportReport:
        return ExportReport(
            model=type(self.module).__name__,
            exporter=self.settings.exporter,
            opset=result.graph.opset or 0,
            inputs=[port_of(tensor) for tensor in result.graph.inputs],
            outputs=[port_of(tensor) for tensor in result.graph.outputs],
            before=result.before if fusion is None else fusion.before,
            exported=result.before,
            after=result.after,
            passes=result.passes,
            fusion=fusion,
            notes=self.notes,
            seconds=self.seconds,
        )


def _require_module(module: object) -> None:
    import torch

    if not isinstance(module, torch.nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise UsageError(f"{type(module).__name__} is no torch module written in Python: only such can be exported")


def _guilty_step(
    judging: FileProof, module: nn.Module, fused: nn.Module | None, exported: Path, *, cleaned: bool
) -> Step:
    """Which step changed the outputs, found by proving the file and the module in between."""
    if cleaned and judging.judge(module, exported).verdict == "equal":
        return "clean-up"
    if fused is not None and judging.judge(fused, exported).verdict == "equal":
        return "torch fusion"
    return "exporter"
