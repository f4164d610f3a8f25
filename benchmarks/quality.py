"""The parts `latency` and `error`: what the tools' outputs are worth, measured in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.corpus import DEPLOY, FORMS, Corpus, Model
from benchmarks.results import Results
from benchmarks.tool_runs import HAND_MADE, ORIGINAL, row_of
from benchmarks.tools import OURS, TOOLS, UNPROVEN

#: The hand-made form a second time: how much its own two numbers differ is the noise.
CONTROL = "hand-made deploy form, again"


def files_of(corpus: Corpus, model: Model, form: str) -> dict[str, Path]:
    """The original, the output of each tool (made if missing) and the hand-made form, by label.

    Raises:
        subprocess.CalledProcessError: a tool failed.
    """
    files = {ORIGINAL: corpus.file(model, form)}
    for tool in TOOLS:
        output = corpus.output(model, form, tool.name)
        if tool.name == UNPROVEN:
            continue
        if not output.exists():
            subprocess.run(tool.command(corpus.file(model, form), output), capture_output=True, check=True)
        files[tool.name] = output
    return files | {HAND_MADE: corpus.file(model, DEPLOY)}


def compare_latency(corpus: Corpus, model: Model, rounds: int, results: Results) -> None:
    """Record milliseconds, and their ratios to the hand-made form."""
    files = files_of(corpus, model, FORMS[0])
    files[CONTROL] = files[HAND_MADE]
    times = _ask("benchmarks.latency", str(rounds), *_labelled(files))
    for label, time in times.items():
        ratios = {f"{key[:-3]}_to_hand_made": round(time[key] / times[HAND_MADE][key], 4) for key in time}
        results.row("latency", model=model.name, tool=label).update(time | ratios, rounds=rounds)
        if label != CONTROL:
            row_of(results, model, FORMS[0], label)["latency_ms"] = time["median_ms"]


def compare_errors(corpus: Corpus, model: Model, form: str, samples: int, results: Results) -> None:
    """Record the errors against float64 and their ratio to the original's."""
    files = files_of(corpus, model, form)
    wanted = {label: files[label] for label in (ORIGINAL, OURS, HAND_MADE)}
    errors = _ask("benchmarks.float64_error", str(corpus.folder.parent), model.name, str(samples), *_labelled(wanted))
    for label, found in errors.items():
        ratios = {
            level: {key: round(value / errors[ORIGINAL][level][key], 3) for key, value in measured.items()}
            for level, measured in found.items()
        }
        row = results.row("float64_error", model=model.name, form=form, tool=label)
        row.update(found, to_original=ratios, samples=samples)


def _labelled(files: dict[str, Path]) -> list[str]:
    return [f"{label}={path}" for label, path in files.items()]


def _ask(module: str, *arguments: str) -> dict[str, Any]:
    finished = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(finished.stdout)
    return answer
