"""Proof for exported files: the module in torch, in evaluation mode, against the file in onnxruntime.

The judgement is that of `graphmorph.proof`: rounding alone first, with onnxruntime's optimizations off and on; where
that does not suffice, the noise of the module, measured by moving what it reads in the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from graphmorph.errors import ModelRunError, RuntimeCrashError
from graphmorph.manager import Progress
from graphmorph.proof.noise import noise_floor
from graphmorph.proof.report import CaseReport, OutputReport, Proof, Verdict
from graphmorph.proof.verdict import Limits, judge_outputs, overall
from graphmorph.runtime import Runtime
from graphmorph.torch_door.element_types import array_of
from graphmorph.torch_door.file_cases import FileCase, FileCases
from graphmorph.torch_door.flat_module import Interface
from graphmorph.torch_door.free_axes import FreeAxes
from graphmorph.torch_door.module_noise import moved_outputs
from graphmorph.torch_door.module_proof import blind_outputs
from graphmorph.torch_door.opened_file import Arrays, OpenedFile


class _UndecidedError(Exception):
    """Nothing can be proven; the message says why."""


@dataclass(frozen=True)
class FileProof:
    """Judges files against modules, which must be in evaluation mode, without gradients."""

    interface: Interface
    free: FreeAxes
    cases: FileCases
    runtime: Runtime
    limits: Limits
    seed: int = 0
    progress: Progress | None = None

    def judge(self, module: nn.Module, path: Path) -> Proof:
        """Run a file and compare. A file that does not run is different, a missing operator is inconclusive."""
        begun = time.perf_counter()
        try:
            with OpenedFile(path, self.interface, self.runtime) as file:
                proof = self._compared(module, file)
        except _UndecidedError as reason:
            proof = Proof("inconclusive", str(reason))
        except (ModelRunError, RuntimeCrashError) as error:
            unsupported = isinstance(error, ModelRunError) and error.unsupported
            verdict: Verdict = "inconclusive" if unsupported else "different"
            proof = Proof(verdict, f"onnxruntime does not load the file: {error}", unsupported=unsupported)
        return replace(
            proof,
            seconds=time.perf_counter() - begun,
            reference=type(module).__name__,
            candidate=path.name,
            providers=("torch", "CPUExecutionProvider"),
        )

    def _compared(self, module: nn.Module, file: OpenedFile) -> Proof:
        problem = file.ports_problem(self.free)
        if problem is not None:
            return Proof("different", problem)
        reports: list[CaseReport] = []
        for index, case in enumerate(self.cases.cases):
            expected = self._named(self.interface.run(module, case.tensors))
            try:
                got = file.run(case.tensors)
            except (ModelRunError, RuntimeCrashError) as error:
                reason = f"the module runs on {case.text(self.interface.input_names)}, the file does not: {error}"
                return Proof("different", reason, tuple(reports))
            reports.append(self._judged(module, case, expected, got))
            if self.progress:
                self.progress("proof", index + 1, len(self.cases.cases))
        verdict, reason = overall(reports, blind_outputs(reports))
        unused = [f"the outputs do not depend on {name}: the file has no such input" for name in file.unused]
        return Proof(verdict, reason, tuple(reports), notes=tuple(unused))

    def _named(self, outputs: Sequence[torch.Tensor]) -> Arrays:
        if len(outputs) != len(self.interface.output_names):
            names = ", ".join(self.interface.output_names)
            raise _UndecidedError(f"the module does not always return the same number of tensors ({names})")
        return {name: array_of(tensor) for name, tensor in zip(self.interface.output_names, outputs, strict=True)}

    def _judged(self, module: nn.Module, case: FileCase, expected: Arrays, got: tuple[Arrays, Arrays]) -> CaseReport:
        floors = {name: noise_floor(array, None) for name, array in expected.items()}
        judged = [judge_outputs(expected, one, floors, self.limits) for one in got]
        if not self.limits.given and any(_may_be_noise(report) for reports in judged for report in reports):
            self._require_steadiness(module, case, expected, floors)
            other = self._named(moved_outputs(module, self.interface, case.tensors, self.seed))
            raised = {name: np.maximum(floors[name], noise_floor(a, other[name])) for name, a in expected.items()}
            judged = [judge_outputs(expected, one, raised, self.limits, second_opinion=True) for one in got]
        shapes = {name: tuple(t.shape) for name, t in zip(self.interface.input_names, case.tensors, strict=True)}
        seed = self.seed if case.source == "seeded" else None
        return CaseReport(shapes, case.source, "normal", case.sample, seed, judged[0], judged[1])

    def _require_steadiness(self, module: nn.Module, case: FileCase, expected: Arrays, floors: Arrays) -> None:
        """A module that draws random numbers differs from itself: its noise would excuse everything."""
        again = self._named(self.interface.run(module, case.tensors))
        judged = judge_outputs(expected, again, floors, self.limits)
        unsteady = [report.name for report in judged if not report.passed]
        if unsteady:
            raise _UndecidedError(
                f"the module gives another {', '.join(unsteady)} each time that it runs on the same inputs: something "
                "in it is random in evaluation mode too (a dropout that ignores the mode, for instance)"
            )


def _may_be_noise(report: OutputReport) -> bool:
    return not report.passed and report.metrics is not None and report.metrics.nonfinite_mismatches == 0
