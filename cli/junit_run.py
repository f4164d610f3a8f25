"""The verdicts of a pipeline as JUnit suites: those of each step, with its number, and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from graphmorph.cli.junit import fuse_suites, proof_suite, prune_suites
from graphmorph.pruning.report import PruneReport
from graphmorph.report import Report

if TYPE_CHECKING:
    from graphmorph.steps.report import PipelineReport, StepReport


def pipeline_suites(report: PipelineReport) -> list[Element]:
    """The suites of one `run`. Where a step is meant to change outputs, the whole is measured, and is no test."""
    suites = [suite for step in report.steps for suite in _of_step(step)]
    if report.whole is not None and report.exact:
        suites.append(_named(proof_suite(report.whole), "the whole"))
    return suites


def _of_step(step: StepReport) -> list[Element]:
    if isinstance(step.report, PruneReport):
        found = prune_suites(step.report)
    elif isinstance(step.report, Report):
        found = fuse_suites(step.report, proven=step.exit_code == 0)
    else:
        found = [proof_suite(step.report.proof)] if step.report.proof is not None else []
    return [_named(suite, f"step {step.number} ({step.run})") for suite in found]


def _named(suite: Element, prefix: str) -> Element:
    suite.set("name", f"{prefix}: {suite.get('name')}")
    return suite
