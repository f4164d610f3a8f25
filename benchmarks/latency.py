"""`python -m benchmarks.latency ROUNDS LABEL=FILE...`: onnxruntime's time for each file, side by side.

In one process and on one thread: one session a file, and in each round one run of each session, in an order
that turns. Prints JSON: {label: {"min_ms", "median_ms"}}. Give one file under two labels to see the noise.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

import numpy as np
import onnxruntime as ort

WARM_UP = 2


def open_session(path: str) -> ort.InferenceSession:
    """As deployed: with all of onnxruntime's optimizations."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def milliseconds(session: ort.InferenceSession, feeds: dict[str, np.ndarray]) -> float:
    """The time of one run."""
    started = time.perf_counter()
    session.run(None, feeds)
    return (time.perf_counter() - started) * 1000


def main(rounds: str, *labelled: str) -> None:
    """Measure and print."""
    sessions = {label: open_session(path) for label, _, path in (item.rpartition("=") for item in labelled)}
    labels = list(sessions)
    first = sessions[labels[0]].get_inputs()[0]
    image = np.random.default_rng(0).standard_normal(first.shape, dtype=np.float32)
    feeds = {label: {session.get_inputs()[0].name: image} for label, session in sessions.items()}
    times: dict[str, list[float]] = {label: [] for label in labels}
    for turn in range(-WARM_UP, int(rounds)):
        for place in range(len(labels)):
            label = labels[(place + turn) % len(labels)]
            taken = milliseconds(sessions[label], feeds[label])
            if turn >= 0:
                times[label].append(taken)
    found = {k: {"min_ms": round(min(v), 3), "median_ms": round(median(v), 3)} for k, v in times.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
