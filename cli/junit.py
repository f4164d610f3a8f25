"""Verdicts as JUnit XML, the form that CI servers show: one test case an output and run, one a rewrite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from graphmorph.cli.numbers import plural
from graphmorph.cli.outcome import fusible

if TYPE_CHECKING:
    from graphmorph.layer_insertion.report import InsertReport
    from graphmorph.proof.report import CaseReport, OutputReport, Proof
    from graphmorph.pruning.report import PruneReport
    from graphmorph.report import Report

# XML 1.0 has no way at all to write the other control characters; names in hostile files may hold them.
UNWRITABLE = {code: "\N{REPLACEMENT CHARACTER}" for code in range(32) if chr(code) not in "\t\n\r"}


def write_junit(suites: Iterable[Element], target: Path) -> None:
    """Write test suites as one JUnit file."""
    root = Element("testsuites", name="graphmorph")
    root.extend(suites)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)


def fuse_suites(report: Report, *, proven: bool = True, check: bool = False) -> list[Element]:
    """The suites of one `fuse` run: its rewrites (rolled back means failed), and the proof.

    proven: whether the run as a whole is, if by certificates. check: with a suite that fails when the model
    is not in deploy form.
    """
    rewrites = Element("testsuite", name=_clean(f"rewrites of {report.model}"))
    for rewrite in report.rewrites:
        case = _case(rewrites, rewrite.pass_name, rewrite.root)
        if rewrite.certificate is not None and rewrite.certificate.verdict == "different":
            _problem(case, "failure", f"the certificate failed: {rewrite.summary}")
    for rewrite in report.rolled_back:
        _problem(_case(rewrites, rewrite.pass_name, rewrite.root), "failure", f"rolled back: {rewrite.summary}")
    for refusal in report.refusals:
        _problem(_case(rewrites, refusal.pass_name, refusal.node), "skipped", refusal.reason)
    suites = [_counted(rewrites, report.seconds)]
    if report.proof is not None and not report.approximate:
        suites.append(proof_suite(report.proof, inconclusive="skipped" if proven else "error"))
    if check:
        suites.append(_deploy_form(report))
    return suites


def prune_suites(report: PruneReport) -> list[Element]:
    """The suites of one `prune` run: its groups, with those that stayed whole skipped, and the proof of the removal."""
    groups = Element("testsuite", name=f"groups of {_clean(report.model)}")
    for group in report.groups:
        case = _case(groups, "groups", group.name)
        if not group.removed:
            _problem(case, "skipped", group.limit or "nothing of it was to go")
    for wall in report.walls:
        _problem(_case(groups, "walls", wall.node), "skipped", f"keeps its {wall.channels} channels: {wall}")
    if report.nothing is not None:
        _problem(_case(groups, "removal", report.model), "error", report.nothing)
    suites = [_counted(groups, sum(report.seconds.values()))]
    return suites if report.removal is None else [*suites, proof_suite(report.removal)]


def insert_suites(report: InsertReport, failure: str) -> list[Element]:
    """The suites of one `insert` run: the new layer, failed with the complaint that there is, and the proof."""
    suite = Element("testsuite", name=f"layer of {_clean(report.model)}")
    case = _case(suite, report.layer.algorithm, report.layer.name)
    if failure:
        _problem(case, "failure", failure)
    suites = [_counted(suite, sum(report.seconds.values()))]
    return suites if report.proof is None else [*suites, proof_suite(report.proof)]


def _deploy_form(report: Report) -> Element:
    suite = Element("testsuite", name="deploy form")
    case = _case(suite, "deploy form", report.model)
    if not report.deploy_form:
        _problem(case, "failure", f"not in deploy form: {plural(fusible(report), 'rewrite')} possible")
    return _counted(suite, report.seconds)


def proof_suite(proof: Proof, *, inconclusive: str = "error") -> Element:
    """The suite of one proof; different is a failure of the outputs that differ."""
    suite = Element("testsuite", name="proof")
    for index, case in enumerate(proof.cases):
        for run, outputs in (("as written", case.as_written), ("as deployed", case.as_deployed or ())):
            for output in outputs:
                entry = _case(suite, f"proof.{_inputs(case, index)}", f"{output.name}, {run}")
                if not output.passed:
                    _problem(entry, "failure", _failure(output))
    if proof.verdict == "inconclusive":
        _problem(_case(suite, "proof", "comparison"), inconclusive, proof.reason)
    return _counted(suite, proof.seconds)


def _inputs(case: CaseReport, index: int) -> str:
    sizes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in case.shapes.items())
    return f"inputs {index + 1} ({case.source}; {sizes})"


def _failure(output: OutputReport) -> str:
    numbers = f"tolerance {output.tolerance:.3g}, noise floor {output.noise_floor:.3g}"
    return f"{output.problem}; {numbers}, would pass at {output.required_atol:.3g}"


def _case(suite: Element, group: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=_clean(group), name=_clean(name))


def _problem(case: Element, kind: str, message: str) -> None:
    SubElement(case, kind, message=_clean(message))


def _counted(suite: Element, seconds: float) -> Element:
    """The suite with the totals that readers of the format expect."""
    suite.set("tests", str(len(suite)))
    for total, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(total, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("time", f"{seconds:.3f}")
    return suite


def _clean(text: str) -> str:
    return text.translate(UNWRITABLE)
