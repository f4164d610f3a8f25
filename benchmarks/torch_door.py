"""`python -m benchmarks.torch_door`: what tracing, materialising and fusing a live module costs, in time and memory.

Every figure is that of a process of its own: the median of several, after a first small model has warmed the caches.
Numbers go to benchmarks/results/torch_door.json. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.results import machine

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "torch_door.json"
MODELS = ("resnet50", "vgg16_bn", "densenet121", "mobilenet_v2", "vit_small", "dbb_resnet18")

#: Measures one model; runs in a process of its own, so that memory is this model's alone.
PROBE = """
import gc, json, sys, time, warnings
import psutil, torch
from graphmorph.models.catalogue import ARCHITECTURES
from graphmorph.models.small_catalogue import SMALL_ARCHITECTURES
from graphmorph.module_pipeline import rewrite_module
from graphmorph.torch_door import materialise, trace
import graphmorph

warnings.simplefilter("ignore")
torch.set_num_threads(1)
warm = SMALL_ARCHITECTURES["resnet18"]
materialise(trace(warm.build().eval(), warm.example_inputs()))
architecture = ARCHITECTURES[sys.argv[1]]
module, example = architecture.build().eval(), architecture.example_inputs()
weights = sum(t.numel() * t.element_size() for t in module.state_dict().values())
process = psutil.Process()

def resident():
    gc.collect()
    return process.memory_info().rss

before = resident()
start = time.perf_counter()
graph = trace(module, example)
traced = time.perf_counter()
again = materialise(graph)
materialised = time.perf_counter()
after = resident()
shared = sum(p is q for p, q in zip(module.parameters(), again.parameters()))
start_fuse = time.perf_counter()
fused = graphmorph.fuse(module, example, verify=False)
fuse_seconds = time.perf_counter() - start_fuse
print(json.dumps({
    "nodes": len(graph.nodes),
    "opaque": len(graph.traced.opaque),
    "weight_mib": weights / 2**20,
    "trace_s": traced - start,
    "materialise_s": materialised - traced,
    "both_s": materialised - start,
    "memory_mib": (after - before) / 2**20,
    "parameters_shared": shared,
    "parameters": sum(1 for _ in module.parameters()),
    "fuse_s": fuse_seconds,
    "fused_convolutions": fused.report.after.convolutions,
    "fused_batchnorms": fused.report.after.batchnorms,
}))
"""


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="processes a model (default 5)")
    parser.add_argument("--model", action="append", choices=MODELS, help="only this model (repeatable)")
    options = parser.parse_args()
    results = {"machine": machine(), "repeats": options.repeats, "models": {}}
    for name in options.model or MODELS:
        runs = [measure(name) for _ in range(options.repeats)]
        results["models"][name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(name, json.dumps(results["models"][name]))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measure(name: str) -> dict[str, float]:
    """One process."""
    done = subprocess.run([sys.executable, "-c", PROBE, name], capture_output=True, text=True, check=True, cwd=ROOT)
    measured: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


if __name__ == "__main__":
    main()
