"""Runs a job under a progress bar, and reports what came of it: on the terminal, as JSON, as JUnit, by exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree.ElementTree import Element

if TYPE_CHECKING:
    from rich.console import RenderableType

    from graphmorph.cli.progress import ProgressBar

Result = TypeVar("Result")


@dataclass(frozen=True)
class ReportOptions:
    """The values of `report_options`: where the report goes, and how much of it."""

    json_file: str | None
    junit_file: Path | None
    quiet: bool
    verbose: bool


@dataclass(frozen=True)
class Ending:
    """What a job ended with. complaint: the line that explains a code other than 0, or nothing. The report is made only
    in the forms that were asked for: plain data, something to print, test suites."""

    code: int
    complaint: str
    document: Callable[[], dict[str, Any]]
    rendered: Callable[[], RenderableType]
    suites: Callable[[], Iterable[Element]] = tuple


def run_and_report(
    run: Callable[[ProgressBar], Result], ending: Callable[[Result], Ending], report: ReportOptions
) -> int:
    """Run a job, publish what it ended with, and return the exit code."""
    from graphmorph.cli.failures import complain
    from graphmorph.cli.progress import ProgressBar

    with ProgressBar(enabled=not report.quiet) as progress:
        result = run(progress)
    ended = ending(result)
    publish(ended, report)
    if ended.complaint:
        complain(ended.complaint)
    return ended.code


def publish(ended: Ending, report: ReportOptions) -> None:
    """Print the report, and write it where it was asked for. JSON on stdout takes the place of the print."""
    from graphmorph.cli.json_output import STDOUT, write_json

    if report.json_file is not None:
        write_json({"exit_code": ended.code, **ended.document()}, report.json_file)
    if report.junit_file is not None:
        from graphmorph.cli.junit import write_junit

        write_junit(ended.suites(), report.junit_file)
    if not report.quiet and report.json_file != STDOUT:
        from graphmorph.cli.terminal import report_console

        report_console().print(ended.rendered())
