"""The part `tools`: every tool on every file, as whole processes and interleaved; and what each leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.census import census
from benchmarks.corpus import DEPLOY, FORMS, Corpus, Model
from benchmarks.processes import MIB, Usage, measure
from benchmarks.results import Results, Row, rounded
from benchmarks.tools import TOOLS, Tool

ORIGINAL, HAND_MADE = "original", "hand-made deploy form"
Advance = Callable[[str], None]


def row_of(results: Results, model: Model, form: str, tool: str) -> Row:
    """The row of one tool on one file."""
    if form == FORMS[0]:
        return results.row("runs", model=model.name, tool=tool)
    return results.row("other_forms", model=model.name, form=form, tool=tool)


def compare_tools(corpus: Corpus, model: Model, form: str, repeats: int, results: Results, advance: Advance) -> None:
    """Run all tools `repeats` times, one after the other in each round, and record medians."""
    source = corpus.file(model, form)
    usages: dict[str, list[Usage]] = {tool.name: [] for tool in TOOLS}
    for turn in range(repeats):
        for tool in _rotated(TOOLS, turn):
            advance(f"{model.name}, {form}: {tool.name}")
            usages[tool.name].append(_run(tool, corpus, model, form))
    row_of(results, model, form, ORIGINAL).update(_counts(source, corpus, model))
    for tool in TOOLS:
        _record(row_of(results, model, form, tool.name), usages[tool.name], source)
        output = corpus.output(model, form, tool.name)
        if output.exists():
            row_of(results, model, form, tool.name).update(_counts(output, corpus, model))
    row_of(results, model, form, HAND_MADE).update(_counts(corpus.file(model, DEPLOY), corpus, model))


def _rotated(tools: Sequence[Tool], turn: int) -> list[Tool]:
    """Another tool goes first in each round, so that no tool always follows the same one."""
    start = turn % len(tools)
    return [*tools[start:], *tools[:start]]


def _run(tool: Tool, corpus: Corpus, model: Model, form: str) -> Usage:
    output = corpus.output(model, form, tool.name)
    output.unlink(missing_ok=True)
    return measure(tool.command(corpus.file(model, form), output))


def _record(row: Row, usages: Sequence[Usage], source: Path) -> None:
    """`peak_mib` is that of the whole tree; `largest_process_times_file` counts in sizes of the file."""
    sums = [usage.sum_mib for usage in usages if usage.sum_mib is not None]
    largest = median(usage.largest_mib for usage in usages)
    row.update(
        seconds=rounded(median(usage.seconds for usage in usages)),
        seconds_all=[rounded(usage.seconds) for usage in usages],
        peak_mib=rounded(median(sums) if sums else largest, 1),
        largest_process_mib=rounded(largest, 1),
        largest_process_times_file=rounded(largest * MIB / source.stat().st_size, 2),
        exit_codes=sorted({usage.exit_code for usage in usages}),
    )


def _counts(path: Path, corpus: Corpus, model: Model) -> Row:
    """The census; `branch_adds` are the Adds beyond those of the hand-made deploy form."""
    found = census(path)
    counts: Row = asdict(found)
    counts["branch_adds"] = max(found.adds - census(corpus.file(model, DEPLOY)).adds, 0)
    return counts
