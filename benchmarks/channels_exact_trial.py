"""`python -m benchmarks.channels_exact_trial FILE`: plants channels into a model, removes what changes nothing, counts.

The smaller model is proven against the planted one by running both.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from benchmarks.channels_exact_kinds import kind_of
from benchmarks.channels_exact_planting import PLANTS, Arrays, Planted, legal, operands, plant
from benchmarks.channels_exact_readings import counting_overhang
from graphmorph import registry
from graphmorph.channels.analysis import Analysis
from graphmorph.channels.probed import probed_analysis
from graphmorph.errors import GraphmorphError
from graphmorph.facts import Facts
from graphmorph.journal import Journal
from graphmorph.manager import PassManager, RunResult
from graphmorph.onnx_door import load, save, stage
from graphmorph.oracle import Oracle, Shapes
from graphmorph.proof import Proof, ProofOptions, ProofSession
from graphmorph.proof.inputs import Case, guess_shapes, input_specs
from graphmorph.runtime import Runtime

#: Runs of the planted model by which is judged what is constant: their scales.
SCALES = (1.0, 3.0, 5.0)


def main(path: str) -> None:
    """Plant, remove, prove, and print what came out as JSON."""
    try:
        with Runtime() as runtime, tempfile.TemporaryDirectory() as folder:
            row = trial(Path(path), Path(folder), runtime)
    except GraphmorphError as error:
        row = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    print(json.dumps(row))


def trial(path: Path, folder: Path, runtime: Runtime) -> dict[str, Any]:
    """One model: units planted, legal, found, and found though the judge did not call them legal, by plant and kind."""
    cleaned, model = folder / "clean.onnx", folder / "planted.onnx"
    graph = load(path)
    PassManager([registry.create("fold-constants")], runtime=runtime).run(graph)
    save(graph, cleaned)
    graph = load(cleaned)
    oracle = Oracle(runtime)
    analysis = probed_analysis(Facts(graph, Shapes(oracle, graph), oracle=oracle))
    arrays, planted = _planted(analysis, cleaned, model)
    other = folder / "other.onnx"
    readings = [model, other] if counting_overhang(model, other) else [model]
    runs = [run for reading in readings for run in _runs(analysis, reading, arrays, runtime)]
    allowed = legal(analysis, planted, arrays, runs)
    started = time.perf_counter()
    result = PassManager([registry.create("remove-channels")], runtime=runtime).run(load(model))
    seconds = time.perf_counter() - started
    proof = _proof(model, folder / "smaller.onnx", result)
    row = {
        "groups": len(analysis.groups),
        "planted_groups": len({one.group for one in planted}),
        **_counts(analysis, planted, allowed, survivors(result.journal, arrays)),
        "rounds": result.passes[0].rounds,
        "seconds": round(seconds, 2),
        "proof": proof.verdict,
    }
    return row if proof.verdict == "equal" else {**row, "error": f"proof: {proof.reason}"}


def _planted(analysis: Analysis, path: Path, target: Path) -> tuple[Arrays, list[Planted]]:
    model = onnx.load(path)
    arrays = {one.name: numpy_helper.to_array(one).copy() for one in model.graph.initializer}
    planted = plant(analysis, arrays)
    for one in model.graph.initializer:
        one.CopyFrom(numpy_helper.from_array(np.asarray(arrays[one.name], order="C"), one.name))
    onnx.save(model, target)
    return arrays, planted


def _runs(analysis: Analysis, path: Path, arrays: Arrays, runtime: Runtime) -> Sequence[Mapping[str, NDArray[Any]]]:
    """What is read where the planted model sums."""
    inputs = {str(tensor.name) for tensor in analysis.facts.graph.inputs}
    names = [name for name in operands(analysis) if name not in arrays and name not in inputs]
    opened = runtime.submit_open(str(path), optimized=False, outputs=names).result().header
    specs = input_specs(opened["inputs"])
    runs = []
    for seed, scale in enumerate(SCALES):
        case = Case(next(guess_shapes(specs)), "seeded", 0, seed, specs=specs)
        feeds = {n: (a * scale).astype(a.dtype) if a.dtype.kind == "f" else a for n, a in case.feeds().items()}
        runs.append({**feeds, **runtime.run(opened["session"], feeds)})
    return runs


def survivors(journal: Journal, arrays: Arrays) -> dict[tuple[str, int], NDArray[np.int64]]:
    """By constant and axis, which entries of the old one are left; nothing for what was not sliced."""
    left: dict[tuple[str, int], NDArray[np.int64]] = {}
    for edit in journal.edits:
        for one in edit.slices if edit.made_from[:1] == (edit.name,) else ():
            key = edit.name, one.axis
            before = left.get(key, np.arange(arrays[edit.name].shape[one.axis]) if edit.name in arrays else None)
            if before is not None:
                left[key] = before[list(one.taken)]
    return left


def _counts(
    analysis: Analysis,
    planted: Sequence[Planted],
    allowed: Sequence[bool],
    left: Mapping[tuple[str, int], NDArray[np.int64]],
) -> dict[str, Any]:
    plants: dict[str, Counter[str]] = {plant: Counter() for plant in PLANTS}
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for one, fine in zip(planted, allowed, strict=True):
        group = analysis.groups[one.group]
        member = max(group.members, key=lambda member: len(member.slot.shape))
        entries = left.get((member.slot.name, member.axis))
        rows = [row for row in (one.row, one.twin) if row >= 0]
        gone = entries is not None and any(not np.isin(member.positions[row], entries).any() for row in rows)
        counted = {"planted": 1, "legal": int(fine), "found": int(gone and fine), "beyond": int(gone and not fine)}
        plants[one.plant].update(counted)
        kinds[kind_of(analysis, group)].update(counted)
    return {
        "plants": {name: dict(found) for name, found in plants.items()},
        "kinds": {k: dict(n) for k, n in kinds.items()},
    }


def _proof(model: Path, target: Path, result: RunResult) -> Proof:
    with stage(result.graph, target) as staged, ProofSession(model, ProofOptions()) as session:
        return session.judge(staged.path)


if __name__ == "__main__":
    main(*sys.argv[1:])
