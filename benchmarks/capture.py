"""`python -m benchmarks.capture`: what capturing costs beside a bare onnxruntime loop, and in memory.

Throughput: a bare session that gives the same tensors for the same batches of MNIST, with the same options, and
`capture_sums` on them, turn by turn, in seconds of the clock and of the processors (which other programs disturb less);
the child process's start is part of ours. Memory: the peak of a process that captures the first N images of an .npz
file, and of its child. Writes benchmarks/results/capture.json.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnx.parser
import onnxruntime
from rich.progress import track

from benchmarks.mnist import folder, training_part
from benchmarks.processes import measure
from benchmarks.results import Results, rounded
from graphmorph.activations.capture_sums import capture_sums
from graphmorph.activations.rows import ChannelRows, PatchRows
from graphmorph.activations.watches import Tensors

RESULTS = Path(__file__).resolve().parent / "results" / "capture.json"
THREADS = 2
BATCH = 64
SAMPLES = (1_000, 10_000, 60_000)

#: LeNet's shape (20 and 50 filters of 5 x 5, 500 units), with random weights: it is time that counts.
LENET = """<ir_version: 8, opset_import: ["": 17]> lenet (float[N,1,28,28] x) => (float[N,10] y) {
    c1 = Conv(x, w1)
    p1 = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c1)
    c2 = Conv(p1, w2)
    p2 = MaxPool<kernel_shape=[2,2], strides=[2,2]>(c2)
    f = Flatten(p2)
    h3 = MatMul(f, w3)
    r3 = Relu(h3)
    y = MatMul(r3, w4)
}"""
SHAPES = {"w1": (20, 1, 5, 5), "w2": (50, 20, 5, 5), "w3": (800, 500), "w4": (500, 10)}


@dataclass(frozen=True)
class Case:
    """Sums of one kind, over so many images; `wanted`: of the overhead, where a limit was set."""

    name: str
    tensors: Tensors
    images: int
    positions: int | None = None
    wanted: float | None = None

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for key in self.tensors for name in ((key,) if isinstance(key, str) else key)))


PATCHES: Tensors = {("p1", "c2"): (PatchRows((5, 5)), ChannelRows())}
CASES = (
    Case("fully connected: Gram of 500 inputs", ["r3"], 60_000, wanted=0.3),
    Case("fully connected: Gram of 500 inputs, and with 10 outputs", [("r3", "y")], 60_000, wanted=0.3),
    Case("im2col: 8 of 64 positions, Gram of 500 inputs, and with 50 outputs", PATCHES, 6_000, positions=8),
    Case("im2col: all 64 positions, Gram of 500 inputs, and with 50 outputs", PATCHES, 2_000),
)

#: Captures the first rows of a file; runs in a process of its own.
PROBE = """
import sys
from graphmorph.activations.capture_sums import capture_sums
from graphmorph.proof.user_data import DataPart
capture_sums(sys.argv[1], ["r3", ("r3", "y")], DataPart(sys.argv[2], 0, int(sys.argv[3])), batch=64)
"""


def main() -> None:
    """Measure, save and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default 5)")
    options = parser.parse_args()
    images = training_part(folder()).images
    results = Results(RESULTS)
    with tempfile.TemporaryDirectory() as place:
        model, data = Path(place, "lenet.onnx"), Path(place, "mnist.npz")
        onnx.save(lenet(), model)
        np.savez_compressed(data, x=images)
        for case in track(CASES, description="throughput"):
            results.row("throughput", case=case.name).update(throughput(model, case, images, options.rounds))
        for count in track(SAMPLES, description="memory"):
            results.row("memory", samples=count).update(memory(model, data, count))
    results.put("settings", {"batch": BATCH, "threads": THREADS, "rounds": options.rounds})
    results.save()
    for row in (*results.data["throughput"], *results.data["memory"]):
        print(row)


def throughput(model: Path, case: Case, images: np.ndarray, rounds: int) -> dict[str, float | int | None]:
    """Median seconds of both sides, and medians of the ratios within a round, less 1."""
    part = images[: case.images]

    def bare() -> None:
        session = exposing(model, case.names)
        for start in range(0, len(part), BATCH):
            session.run(case.names, {"x": part[start : start + BATCH]})

    def ours() -> None:
        capture_sums(model, case.tensors, {"x": part}, batch=BATCH, positions=case.positions, threads=THREADS)

    times = [(seconds(bare), seconds(ours)) for _ in range(rounds)]
    return {
        "images": len(part),
        "bare_s": rounded(statistics.median(one.clock for one, _ in times)),
        "capture_s": rounded(statistics.median(two.clock for _, two in times)),
        "overhead": rounded(statistics.median(two.clock / one.clock for one, two in times) - 1),
        "processor_overhead": rounded(statistics.median(two.processors / one.processors for one, two in times) - 1),
        "wanted": case.wanted,
    }


def memory(model: Path, data: Path, count: int) -> dict[str, float | None]:
    """Peak resident MiB: of the largest process, and of it and its child together."""
    usage = measure([sys.executable, "-c", PROBE, str(model), str(data), str(count)])
    if usage.exit_code:
        raise SystemExit(f"capturing {count} images ended with {usage.exit_code}")
    return {"largest_mib": rounded(usage.largest_mib, 1), "sum_mib": rounded(usage.sum_mib or 0.0, 1)}


class Seconds(NamedTuple):
    """Of the clock, and of all processors in this process and its children."""

    clock: float
    processors: float


def seconds(action: Callable[[], None]) -> Seconds:
    """How long it takes."""
    clock, before = time.perf_counter(), os.times()
    action()
    clock, after = time.perf_counter() - clock, os.times()
    return Seconds(clock, sum(after[:4]) - sum(before[:4]))


def exposing(model: Path, names: list[str]) -> onnxruntime.InferenceSession:
    """A session that can give these tensors, with capture's number of threads."""
    proto = onnx.load(model)
    present = {output.name for output in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def lenet() -> onnx.ModelProto:
    """The model, its weights drawn from a seed."""
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(LENET)
    for name, shape in SHAPES.items():
        fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
        weight = (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, name))
    return model


if __name__ == "__main__":
    main()
