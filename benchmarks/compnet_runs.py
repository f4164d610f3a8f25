"""Trials of CompNet's experiments, several at a time, each saved as soon as it is there.

The file has a run for each plan: its settings and a row for each trial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch
from rich.progress import Progress

from benchmarks.compnet_trial import Plan, Trial, parent_file, prepare_parent, run_trial
from benchmarks.results import Results

Run = dict[str, Any]


def run_of(results: Results, plan: Plan) -> Run:
    """The run with these settings, a new one if there is none."""
    runs: list[Run] = results.data.setdefault("runs", [])
    settings = plan.settings()
    for run in runs:
        if run["settings"] == settings:
            return run
    runs.append({"settings": settings, "trials": []})
    return runs[-1]


def missing(run: Run, trials: Iterable[Trial]) -> list[Trial]:
    """Those that have no row yet."""
    return [trial for trial in trials if not any(_is_of(row, trial) for row in run["trials"])]


def put(run: Run, trials: Sequence[Trial], row: dict[str, Any]) -> None:
    """Add a row in the order of the trials, in place of an earlier one of the same trial."""
    key = {name: row[name] for name in ("experiment", "variant", "seed")}
    kept = [one for one in run["trials"] if any(one[name] != value for name, value in key.items())]
    order = [trial.key() for trial in trials]

    def place(one: dict[str, Any]) -> int:
        own = {name: one[name] for name in key}
        return order.index(own) if own in order else -1

    run["trials"] = sorted([*kept, row], key=place)


def execute(plan: Plan, trials: Sequence[Trial], workers: int) -> Iterator[dict[str, Any]]:
    """Rows as they end. Parents come first; each process has one thread, on whose number sums depend.

    Raises:
        ExceptionGroup: some failed; the others have ended by then.
    """
    parents = {parent_file(plan, trial.experiment, trial.seed): trial for trial in trials}
    count = max(1, min(workers, len(trials)))
    pool = ProcessPoolExecutor(count, get_context("spawn"), torch.set_num_threads, (1,))
    with Progress() as progress, pool:
        waiting = [pool.submit(prepare_parent, plan, one.experiment, one.seed) for one in parents.values()]
        for _ in _ended(waiting, progress, "parents"):
            pass
        running = [pool.submit(run_trial, plan, trial) for trial in trials]
        yield from _ended(running, progress, f"trials of {plan.after.epochs} epochs")


def run_and_save(
    results: Results, plan: Plan, trials: Sequence[Trial], *, asked: Sequence[Trial], workers: int
) -> None:
    """Run those that were asked for, of all trials whose order rows have."""
    run = run_of(results, plan)
    for row in execute(plan, asked, workers):
        put(run, trials, row)
        results.save()


def _ended(running: Sequence[Future[Any]], progress: Progress, what: str) -> Iterator[Any]:
    """Results as they end. Those that fail do not stop the others."""
    task, failed = progress.add_task(what, total=len(running)), []
    for ended in as_completed(running):
        error = ended.exception()
        if error is None:
            yield ended.result()
        else:
            failed.append(error)
        progress.advance(task)
    if failed:
        raise ExceptionGroup(f"{what}: {len(failed)} of {len(running)} failed", [_plain(one) for one in failed])


def _plain(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(repr(error))


def _is_of(row: dict[str, Any], trial: Trial) -> bool:
    return all(row.get(name) == value for name, value in trial.key().items())
