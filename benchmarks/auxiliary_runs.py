"""Trials of the auxiliary layer's experiments, several at a time, and where their rows go.

The file has a run for each setting: its settings and a row for each trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from benchmarks.auxiliary_trial import Trial, run_trial
from benchmarks.results import Results

Run = dict[str, Any]


def run_of(results: Results, settings: Mapping[str, Any]) -> Run:
    """The run with these settings, a new one if there is none."""
    runs: list[Run] = results.data.setdefault("runs", [])
    for run in runs:
        if run["settings"] == settings:
            return run
    runs.append({"settings": dict(settings), "trials": []})
    return runs[-1]


def missing(run: Run, trials: Sequence[Trial]) -> list[Trial]:
    """Those that have no row yet."""
    known = [_key(row) for row in run["trials"]]
    return [trial for trial in trials if trial.key() not in known]


def put(run: Run, trials: Sequence[Trial], row: Mapping[str, Any]) -> None:
    """Add a row in the order of the trials, in place of an earlier one of the same trial."""
    order = [trial.key() for trial in trials]
    kept = [one for one in run["trials"] if _key(one) != _key(row)]
    run["trials"] = sorted([*kept, row], key=lambda one: order.index(_key(one)) if _key(one) in order else -1)


def execute(trials: Sequence[Trial], source: Path, samples: int | None, workers: int) -> Iterator[dict[str, Any]]:
    """Rows as they end. Each process has one thread, on whose number sums depend.

    Raises:
        ExceptionGroup: some failed; the others have ended by then.
    """
    if not trials:
        return
    failed: list[Exception] = []
    pool = ProcessPoolExecutor(min(workers, len(trials)), get_context("spawn"), torch.set_num_threads, (1,))
    with Progress() as progress, pool:
        task = progress.add_task(f"trials: {trials[0].setting.name}", total=len(trials))
        for ended in as_completed([pool.submit(run_trial, trial, source, samples) for trial in trials]):
            error = ended.exception()
            if error is None:
                yield ended.result()
            else:
                failed.append(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            progress.advance(task)
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(trials)} trials failed", failed)


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("variant", "fold", "seed")}
