"""Judge one candidate against what the reference said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphmorph.errors import ModelRunError, RuntimeCrashError
from graphmorph.proof.accuracy import share_right
from graphmorph.proof.compare import elementwise, is_discrete
from graphmorph.proof.inputs import jitter
from graphmorph.proof.localise import first_difference
from graphmorph.proof.noise import noise_floor, slice_size
from graphmorph.proof.options import ProofOptions
from graphmorph.proof.precision import shrinks
from graphmorph.proof.reference import Outputs, Progress, ReferenceRun, run_cases, run_model, run_optimized
from graphmorph.proof.report import CaseReport, OutputReport, Proof
from graphmorph.proof.signature import lost_defaults, signature_difference
from graphmorph.proof.verdict import judge_outputs, overall
from graphmorph.runtime import Runtime

Floors = dict[str, np.ndarray]

#: How much more than the noise of the reference a difference may be that is known to be rounding.
_ROUNDING_FLOORS = 32.0


class Judge:
    """Runs a candidate and compares; one judge serves one candidate."""

    def __init__(
        self,
        runtime: Runtime,
        reference_path: str,
        reference: ReferenceRun,
        options: ProofOptions,
        progress: Progress | None,
    ) -> None:
        self._runtime = runtime
        self._reference_path = reference_path
        self._reference = reference
        self._options = options
        self._progress = progress
        self._notes: list[str] = []
        self._volatile: list[str] = []
        self._float64_error: dict[str, dict[str, float]] | None = None

    def judge(self, path: str, *, localise: bool) -> Proof:
        """The proof for a candidate's file.

        A candidate that differs by no more than rounding at the outputs' size is equal, as written and as deployed,
        whatever the noise of the reference. Only for one that differs by more is that noise measured.
        """
        try:
            difference, off = self._run_as_written(path)
        except (ModelRunError, RuntimeCrashError) as error:
            return self._does_not_run("optimizations off", error)
        if difference is not None:
            return Proof("different", difference, notes=(*self._reference.notes, *self._notes))
        on, failure = self._run_as_deployed(path)
        if on is not None and not self._options.float64:
            reports = [self._strict_report(index, off, on) for index in range(len(off))]
            if all(output.passed for report in reports for output in report.outputs):
                return self._proof(path, reports, off, localise)
        run_optimized(self._runtime, self._reference_path, self._reference, self._options, self._progress)
        self._volatile = self._reference.volatile()
        if failure is not None and self._reference.on is not None:
            return self._does_not_run("optimizations on", failure)
        return self._proof(path, self._measured_reports(path, off, on), off, localise)

    def _does_not_run(self, stage: str, error: Exception) -> Proof:
        reason = f"the reference runs in onnxruntime, the candidate does not ({stage}): {error}"
        return Proof("different", reason, notes=(*self._reference.notes, *self._notes))

    def _run_as_deployed(self, path: str) -> tuple[list[Outputs] | None, Exception | None]:
        try:
            cases, options = self._reference.cases, self._options
            return run_model(self._runtime, path, cases, options, optimized=True, progress=self._progress), None
        except (ModelRunError, RuntimeCrashError) as error:
            return None, error

    def _run_as_written(self, path: str) -> tuple[str | None, list[Outputs]]:
        header = self._runtime.submit_open(path, optimized=False, **self._options.session()).result().header
        session = int(header["session"])
        try:
            difference = signature_difference(self._reference.signature, header)
            if difference is not None:
                return difference, []
            lost = lost_defaults(self._reference.signature, header)
            if lost:
                self._notes.append(f"the candidate has no input {', '.join(lost)} any more (default value used)")
            return None, run_cases(self._runtime, session, self._reference.cases, "candidate", self._progress)
        finally:
            self._runtime.close(session)

    def _strict_report(self, index: int, off: list[Outputs], on: list[Outputs]) -> CaseReport:
        """Both runs of the candidate against the reference as it is written, with the floor of rounding alone."""
        floors = {name: noise_floor(array, None) for name, array in self._reference.off[index].items()}
        as_written = self._judge_outputs(index, self._reference.off, off, floors, second_opinion=False)
        as_deployed = self._judge_outputs(index, self._reference.off, on, floors, second_opinion=False)
        return self._case_report(index, as_written, as_deployed)

    def _measured_reports(self, path: str, off: list[Outputs], on: list[Outputs] | None) -> list[CaseReport]:
        floors = [self._floors(index) for index in range(len(off))]
        if self._options.float64:
            self._measure_in_double(floors, off)
        reports = [self._report(index, floors[index], off, on) for index in range(len(off))]
        if self._options.jitter and not self._options.limits.given:
            reports = self._second_opinion(reports, floors, off, on)
        if self._options.same_weights and not self._options.limits.given:
            reports = [self._in_double(path, index, report, floors, off, on) for index, report in enumerate(reports)]
        return reports

    def _proof(self, path: str, reports: list[CaseReport], off: list[Outputs], localise: bool) -> Proof:
        for name in self._volatile:
            self._notes.append(f"output {name} changes its shape with rounding alone: not compared")
        for name in self._reference.flat():
            self._notes.append(f"output {name} of the reference has one value everywhere: the inputs do not reach it")
        verdict, reason = overall(reports, [*self._reference.blind(), *self._volatile])
        first = None
        if verdict == "different" and localise:
            first = self._localise(path, reports)
        return Proof(
            verdict,
            reason,
            tuple(reports),
            first_difference=first,
            notes=(*self._reference.notes, *self._notes),
            accuracy=self._accuracy(off),
            float64_error=self._float64_error,
        )

    def _floors(self, index: int) -> Floors:
        off = self._reference.off[index]
        on = self._reference.on[index] if self._reference.on is not None else {}
        return {name: noise_floor(array, on.get(name)) for name, array in off.items()}

    def _report(
        self,
        index: int,
        floors: Floors,
        off: Sequence[Outputs],
        on: Sequence[Outputs] | None,
        *,
        second_opinion: bool = False,
    ) -> CaseReport:
        as_written = self._judge_outputs(index, self._reference.off, off, floors, second_opinion)
        as_deployed = None
        if on is not None and self._reference.on is not None:
            as_deployed = self._judge_outputs(index, self._reference.on, on, floors, second_opinion)
        return self._case_report(index, as_written, as_deployed)

    def _case_report(
        self, index: int, as_written: tuple[OutputReport, ...], as_deployed: tuple[OutputReport, ...] | None
    ) -> CaseReport:
        case = self._reference.cases[index]
        seed = case.seed if case.source == "seeded" else None
        return CaseReport(dict(case.shapes), case.source, case.style, case.sample, seed, as_written, as_deployed)

    def _judge_outputs(
        self,
        index: int,
        reference: Sequence[Outputs],
        candidate: Sequence[Outputs],
        floors: Floors,
        second_opinion: bool,
    ) -> tuple[OutputReport, ...]:
        steady = {name: array for name, array in reference[index].items() if name not in self._volatile}
        compared = {name: array for name, array in candidate[index].items() if name not in self._volatile}
        return judge_outputs(
            steady,
            compared,
            floors,
            self._options.limits,
            unstable=self._reference.unstable(index),
            second_opinion=second_opinion,
        )

    def _second_opinion(
        self,
        reports: list[CaseReport],
        floors: Sequence[Floors],
        off: Sequence[Outputs],
        on: Sequence[Outputs] | None,
    ) -> list[CaseReport]:
        """Judge failed cases again, with the noise that the last bit of the inputs makes in the reference."""
        failed = [i for i, report in enumerate(reports) if any(_is_numeric_failure(r) for r in report.outputs)]
        if not failed:
            return reports
        try:
            precision = self._runtime.outline(self._reference_path)["precision"]
            jittered = self._run_jittered(failed, precision)
        except (ModelRunError, RuntimeCrashError) as error:
            self._notes.append(f"no second opinion: {error}")
            return reports
        again = list(reports)
        for index, other in zip(failed, jittered, strict=True):
            raised = {
                name: np.maximum(floors[index][name], noise_floor(array, other.get(name)))
                for name, array in self._reference.off[index].items()
            }
            again[index] = self._report(index, raised, off, on, second_opinion=True)
        return again

    def _in_double(
        self,
        path: str,
        index: int,
        report: CaseReport,
        floors: Sequence[Floors],
        off: Sequence[Outputs],
        on: Sequence[Outputs] | None,
    ) -> CaseReport:
        """Judge a failed case once more: with a larger floor, if its error is rounding."""
        if not any(_is_numeric_failure(output) for output in report.outputs):
            return report
        feeds = self._reference.cases[index].feeds()
        try:
            first, second = (self._runtime.run_in_double(one, feeds) for one in (self._reference_path, path))
        except (ModelRunError, RuntimeCrashError) as error:
            self._notes.append(f"no opinion in float64: {error}")
            return report
        if not shrinks((self._reference.off[index], off[index]), (first, second)):
            return report
        self._notes.append("both models are the same in float64: what they differ by is rounding")
        raised = {name: _ROUNDING_FLOORS * floor for name, floor in floors[index].items()}
        return self._report(index, raised, off, on, second_opinion=True)

    def _run_jittered(self, failed: Sequence[int], precision: str | None) -> list[Outputs]:
        step = {"bfloat16": 2.0**-7, "float16": 2.0**-10}.get(precision or "")
        cases = [
            replace(case, source="given", given=jitter(case.feeds(), self._options.seed, step))
            for case in (self._reference.cases[index] for index in failed)
        ]
        return run_model(self._runtime, self._reference_path, cases, self._options, optimized=False)

    def _measure_in_double(self, floors: Sequence[Floors], off: Sequence[Outputs]) -> None:
        """Distance of both models from the reference in float64, on the first case; raises its floor."""
        try:
            exact = self._runtime.run_in_double(self._reference_path, self._reference.cases[0].feeds())
        except (ModelRunError, RuntimeCrashError) as error:
            self._notes.append(f"no float64 reference: {error}")
            return
        self._float64_error = {}
        for name, array in self._reference.off[0].items():
            truth = exact.get(name)
            other = off[0].get(name)
            if truth is None or other is None or truth.shape != array.shape or is_discrete(array):
                continue
            own = elementwise(truth, array.astype(np.float64)).error
            floors[0][name] = np.maximum(floors[0][name], slice_size(own))
            self._float64_error[name] = {"reference": _largest(own)}
            if other.shape == array.shape:
                self._float64_error[name]["candidate"] = _largest(elementwise(truth, other.astype(np.float64)).error)

    def _localise(self, path: str, reports: Sequence[CaseReport]) -> str | None:
        for index, report in enumerate(reports):
            if any(not output.passed for output in report.as_written):
                case = self._reference.cases[index]
                return first_difference(self._runtime, self._reference_path, path, case, self._options)
        return None

    def _accuracy(self, off: Sequence[Outputs]) -> dict[str, float] | None:
        """Share of rows of the first output whose largest element is the label, before and after."""
        if self._options.labels is None:
            return None
        labels = np.asarray(self._options.labels).ravel()
        return {"before": share_right(self._reference.off, labels), "after": share_right(off, labels)}


def _is_numeric_failure(report: OutputReport) -> bool:
    return not report.passed and report.metrics is not None and report.metrics.nonfinite_mismatches == 0


def _largest(array: np.ndarray) -> float:
    return float(array.max(initial=0.0))
