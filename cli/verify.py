"""`graphmorph verify`: two models on the same inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.cli.options import INPUT_FILE, proof_options, report_options
from graphmorph.cli.reporting import Ending, ReportOptions, run_and_report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar
    from graphmorph.proof import Proof


@click.command("verify")
@click.argument("reference", type=INPUT_FILE)
@click.argument("candidate", type=INPUT_FILE)
@proof_options
@click.option("--float64", is_flag=True, help="Measure both models against a float64 run of REFERENCE (slow).")
@report_options
def verify(
    reference: Path,
    candidate: Path,
    json_file: str | None,
    junit_file: Path | None,
    quiet: bool,
    verbose: bool,
    labels: str | None,
    **engine_options: Any,
) -> int:
    """Run two models on the same inputs, and judge the difference by the rounding noise of REFERENCE.

    Each model runs as written, with onnxruntime's optimizations off, and as deployed, with them on.
    """
    from graphmorph.runtime.spawn import spawn_ahead

    spawn_ahead("sessions")  # it imports while we do
    from graphmorph.proof.labels import read_labels

    def run(progress: ProgressBar) -> Proof:
        import graphmorph

        classes = read_labels(labels, engine_options["inputs"])
        return graphmorph.verify(reference, candidate, labels=classes, progress=progress, **engine_options)

    report = ReportOptions(json_file, junit_file, quiet, verbose)
    return run_and_report(run, lambda proof: ending_of(proof, verbose=verbose), report)


def ending_of(proof: Proof, *, verbose: bool) -> Ending:
    """What a comparison ended with."""
    from graphmorph.cli.junit import proof_suite

    def rendered() -> RenderableType:
        from rich.console import Group

        from graphmorph.cli.render_proof import render_proof

        return Group(*render_proof(proof, verbose=verbose))

    complaint = proof.reason if proof.exit_code else ""
    return Ending(proof.exit_code, complaint, proof.to_json, rendered, lambda: [proof_suite(proof)])
