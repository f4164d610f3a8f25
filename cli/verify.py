"""`graphmorph verify`: two models on the same inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphmorph.cli.options import INPUT_FILE, proof_options, report_options


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
    import graphmorph
    from graphmorph.cli.failures import complain
    from graphmorph.cli.json_output import STDOUT, write_json
    from graphmorph.cli.labels import read_labels
    from graphmorph.cli.progress import ProgressBar

    with ProgressBar(enabled=not quiet) as progress:
        proof = graphmorph.verify(
            reference,
            candidate,
            labels=read_labels(labels, engine_options["inputs"]),
            progress=progress,
            **engine_options,
        )
    if json_file is not None:
        write_json({"exit_code": proof.exit_code, **proof.to_json()}, json_file)
    if junit_file is not None:
        from graphmorph.cli.junit import proof_suite, write_junit

        write_junit([proof_suite(proof)], junit_file)
    if not quiet and json_file != STDOUT:
        from rich.console import Group

        from graphmorph.cli.render_proof import render_proof
        from graphmorph.cli.terminal import report_console

        report_console().print(Group(*render_proof(proof, verbose=verbose)))
    if proof.exit_code:
        complain(proof.reason)
    return int(proof.exit_code)
