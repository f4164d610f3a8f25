"""`python -m benchmarks.channels_ours FILE` or KEY: half of the channels of one file, or of one traced module, by us.

The phases are timed apart: preparation (reading or tracing, clean-up, sizes), analysis, choice, rewriting. Then the
result is proven against the original with those channels masked, within the bounds of `graphmorph verify`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphmorph.channels.analysis import Analysis, analyse
from graphmorph.channels.budget import Budget
from graphmorph.channels.masking import masked
from graphmorph.channels.probing import probe_sizes
from graphmorph.channels.removal import remove
from graphmorph.editor import Editor
from graphmorph.facts import Facts
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.manager import PassManager
from graphmorph.onnx_door import load, save
from graphmorph.oracle import Oracle, Shapes, TracedShapes
from graphmorph.passes.fold_constants import FoldConstants
from graphmorph.proof import verify
from graphmorph.proof.report import Proof
from graphmorph.pruning.choice import Chosen, choose
from graphmorph.runtime import Runtime

#: Half of the units of every group, in any number.
HALF = Budget(ratio=0.5, round_to=1)


def main(subject: str) -> None:
    """Prune, and print what came out as JSON."""
    trial = Trial()
    try:
        trial.file(subject) if Path(subject).suffix == ".onnx" else trial.module(subject)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the result
        trial.row["error"] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    print(json.dumps(trial.row))


class Trial:
    """One removal; `row` is what is known of it so far."""

    def __init__(self) -> None:
        self.row: dict[str, Any] = {}

    def file(self, path: str) -> None:
        """Prune a file."""
        with Runtime() as runtime:
            runtime.start().result()
            with self._timed("preparation_s"):
                graph = load(path)
                oracle = Oracle(runtime)
                PassManager([FoldConstants()], runtime=runtime).run(graph)
                facts = Facts(graph, Shapes(oracle, graph), oracle=oracle)
                sizes = probe_sizes(graph, facts, runtime)
            with self._timed("analysis_s"):
                analysis = analyse(facts, sizes)
            chosen = self._choose(analysis)
            reference = masked(analysis, chosen.kept)
            self._remove(chosen)
        with tempfile.TemporaryDirectory() as folder:
            save(reference, Path(folder, "masked.onnx"))
            save(graph, Path(folder, "pruned.onnx"))
            self._judge(verify(Path(folder, "masked.onnx"), Path(folder, "pruned.onnx")))

    def module(self, key: str) -> None:
        """Trace a module and prune it."""
        import torch

        from benchmarks.channels_zoo import build, entry
        from graphmorph.proof.verdict import Limits
        from graphmorph.torch_door import materialise, trace
        from graphmorph.torch_door.module_proof import prove_module

        torch.set_num_threads(1)
        module, example = build(entry(key)), entry(key).example()
        with Runtime(role="facts") as runtime:
            with self._timed("preparation_s"):
                graph = trace(module, example)
                facts = Facts(graph, TracedShapes(graph))
                sizes = probe_sizes(graph, facts, runtime)
            self.row["opaque"] = len(graph.traced.opaque) if graph.traced is not None else 0
            with self._timed("analysis_s"):
                analysis = analyse(facts, sizes)
        chosen = self._choose(analysis)
        reference = materialise(masked(analysis, chosen.kept))
        self._remove(chosen)
        with self._timed("rewriting_s"):
            pruned = materialise(graph)
        whole, left = (sum(parameter.numel() for parameter in one.parameters()) for one in (module, pruned))
        self.row["parameters"] = left / whole
        name = next(iter(n.name for n in graph.inputs))
        self._judge(prove_module(reference, pruned, {name: example}, samples=1, seed=0, limits=Limits()))

    def _choose(self, analysis: Analysis) -> Chosen:
        with self._timed("choice_s"):
            chosen = choose(analysis, HALF)
        self.row |= {
            "groups": len(analysis.groups),
            "units": sum(group.size for group in analysis.groups),
            "parameters": chosen.after.parameters / max(chosen.before.parameters, 1),
            "multiply_adds": chosen.after.multiply_adds / max(chosen.before.multiply_adds, 1),
        }
        return chosen

    def _remove(self, chosen: Chosen) -> None:
        graph: Graph = chosen.analysis.facts.graph
        with self._timed("rewriting_s"):
            editor = Editor(graph, chosen.analysis.facts, Journal())
            editor.begin("remove-channels", graph.outputs[0].name)
            remove(chosen.analysis, chosen.kept, editor)
            editor.commit()
            editor.flush()

    def _judge(self, proof: Proof) -> None:
        self.row["proof"] = proof.verdict
        self.row["excess"] = max((one.excess for case in proof.cases for one in case.outputs), default=None)
        if proof.verdict != "equal":
            self.row["error"] = f"proof: {proof.reason}"

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.row[what] = self.row.get(what, 0.0) + time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
