"""`python -m benchmarks.fuse`: graphmorph fuse beside other tools, on models that it builds itself.

Parts (--only, repeatable): tools (time and memory of whole processes, what is left in the file), latency,
error (against float64), scaling (by nodes), large (a model of 4 GB), start (of the command). A part that is
run replaces its numbers in benchmarks/results/fuse.json, the others stay. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.corpus import FORMS, MODELS, Corpus, Model
from benchmarks.quality import compare_errors, compare_latency
from benchmarks.results import Results
from benchmarks.scaling import NODE_COUNTS, PEERS, PEERS_UP_TO, fuse_large, grow_nodes
from benchmarks.startup import measure_start
from benchmarks.synthetic import NODES_PER_BLOCK
from benchmarks.targets import check
from benchmarks.tool_runs import compare_tools
from benchmarks.tools import TOOLS

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "benchmarks"
RESULTS = ROOT / "benchmarks" / "results" / "fuse.json"
PARTS = ("start", "tools", "latency", "error", "scaling", "large")


def main() -> None:
    """Run the parts that were asked for, saving after each step, and say which targets are met."""
    bench = Bench(arguments())
    with bench.progress:
        for part in PARTS:
            if part in bench.options.only:
                getattr(bench, part)()
                bench.finish(part)
    checks = check(bench.results)
    bench.results.save()
    for one in checks:
        print("met   " if one.met else "MISSED", one.what, one.value, "limit", one.limit)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", action="append", choices=PARTS, help="run this part (default: all)")
    add("--model", action="append", metavar="WORD", help="only models whose name contains WORD")
    add("--form", action="append", choices=FORMS, help="only this exporter form")
    add("--repeats", type=int, default=5, help="runs of each tool on each file (default 5)")
    add("--rounds", type=int, default=50, help="runs of each session for latency (default 50)")
    add("--samples", type=int, default=3, help="inputs for the error against float64 (default 3)")
    add("--nodes", type=int, action="append", metavar="N", help=f"scaling at N nodes (default {NODE_COUNTS})")
    add("--gigabytes", type=float, default=4.0, help="size of the large model (default 4)")
    add("--large-unproven", action="store_true", help="run the large model with --no-verify only")
    add("--cache", type=Path, default=CACHE, help="folder for models (default build/benchmarks)")
    add("--results", type=Path, default=RESULTS, help="default benchmarks/results/fuse.json")
    options = parser.parse_args()
    options.only = options.only or list(PARTS)
    options.form = options.form or list(FORMS)
    options.nodes = options.nodes or list(NODE_COUNTS)
    return options


class Bench:
    """One method for each part."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.results = Results(options.results)
        self.corpus = Corpus(options.cache)
        words = [word.lower() for word in options.model or [""]]
        self.models = [model for model in MODELS if any(word in model.name.lower() for word in words)]
        self.tasks: dict[str, TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )

    def finish(self, part: str) -> None:
        """Show a part as done."""
        task = self.progress.tasks[self.tasks[part]]
        self.progress.update(task.id, description=part, completed=task.total)

    def start(self) -> None:
        advance = self._bar("start", 1)
        advance("start of the command")
        self._make(MODELS[0], FORMS[:1])
        measure_start(self.corpus.file(MODELS[0], FORMS[0]), 2 * self.options.repeats, self.results)
        self.results.save()

    def tools(self) -> None:
        files = len(self.models) * len(self.options.form)
        advance = self._bar("tools", files * self.options.repeats * len(TOOLS))
        for model in self.models:
            self._make(model, self.options.form)
            for form in self.options.form:
                compare_tools(self.corpus, model, form, self.options.repeats, self.results, advance)
                self.results.save()

    def latency(self) -> None:
        advance = self._bar("latency", len(self.models))
        for model in self.models:
            advance(f"latency: {model.name}")
            self._make(model, FORMS[:1])
            compare_latency(self.corpus, model, self.options.rounds, self.results)
            self.results.save()

    def error(self) -> None:
        advance = self._bar("error", len(self.models) * len(self.options.form))
        for model in self.models:
            self._make(model, self.options.form)
            for form in self.options.form:
                advance(f"error against float64: {model.name}, {form}")
                compare_errors(self.corpus, model, form, self.options.samples, self.results)
                self.results.save()

    def scaling(self) -> None:
        each = sum(1 + len(PEERS) * (nodes <= PEERS_UP_TO) for nodes in self.options.nodes)
        advance = self._bar("scaling", each * len(NODES_PER_BLOCK))
        repeats = min(3, self.options.repeats)
        with tempfile.TemporaryDirectory(prefix="graphmorph-bench-") as folder:
            for kind in NODES_PER_BLOCK:
                for nodes in self.options.nodes:
                    grow_nodes(kind, nodes, repeats, Path(folder), advance, self.results)
                    self.results.save()

    def large(self) -> None:
        proven = not self.options.large_unproven
        advance = self._bar("large", 3 if proven else 2)
        fuse_large(self.options.gigabytes, proven, advance, self.results)
        self.results.save()

    def _make(self, model: Model, forms: tuple[str, ...] | list[str]) -> None:
        self.corpus.make(model, forms)

    def _bar(self, name: str, total: int) -> Callable[[str], None]:
        """A function that names the next step, and counts the one before it as done."""
        task = self.progress.add_task(name, total=total)
        self.tasks[name] = task
        steps = iter(range(total + 1))
        return lambda what: self.progress.update(task, description=what, completed=next(steps, total))


if __name__ == "__main__":
    main()
