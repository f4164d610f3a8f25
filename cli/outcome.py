"""What a run ends with: its exit code, and the line on stderr that explains a code other than 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphmorph.cli.numbers import plural

if TYPE_CHECKING:
    from graphmorph.pipeline import FuseResult
    from graphmorph.pruning.job import PruneResult
    from graphmorph.report import Report

NOT_IN_DEPLOY_FORM = 3
EXACT_PRUNE = "remove-channels"


def fusible(report: Report) -> int:
    """How many rewrites the model had in it; clean-up is not counted."""
    return sum(len(one.rewrites) for one in report.passes if not one.cleanup)


def outcome(result: FuseResult, *, check: bool) -> tuple[int, str]:
    """Exit code and complaint, which is empty for 0. With `check`, it is the model that is judged."""
    report = result.report
    if check:
        if report.deploy_form:
            return 0, ""
        return (
            NOT_IN_DEPLOY_FORM,
            f"{report.model} is not in deploy form: {plural(fusible(report), 'rewrite')} possible",
        )
    if result.exit_code == 0:
        return 0, ""
    if report.rolled_back:
        return result.exit_code, rolled_back_text(report)
    reason = report.proof.reason if report.proof is not None else "the result could not be proven"
    return result.exit_code, reason


def rolled_back_text(report: Report) -> str:
    """Which rewrites the proof found wrong."""
    roots = ", ".join(f"{rewrite.pass_name} at {rewrite.root}" for rewrite in report.rolled_back)
    return f"the proof failed until {plural(len(report.rolled_back), 'rewrite')} had been rolled back: {roots}"


def outcome_of_pruning(result: PruneResult) -> tuple[int, str]:
    """Exit code and complaint, which is empty for 0."""
    report = result.report
    if result.exit_code == 0:
        return 0, ""
    if report.nothing is not None:
        return result.exit_code, report.nothing
    assert report.removal is not None  # nothing else fails
    if report.removal.verdict == "different":
        return result.exit_code, f"the smaller model is not the masked original: {report.removal.reason}"
    return result.exit_code, report.removal.reason
