"""`python -m benchmarks.float64_error CACHE MODEL SAMPLES LABEL=FILE...`: how far each file is from float64.

The truth is the torch module in float64 on the same float32 inputs. Prints JSON:
{label: {"as_written": {"max", "rms"}, "as_deployed": ...}}, errors relative to the largest output, with
onnxruntime's optimizations off and on.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from benchmarks.corpus import Corpus, model_named
from benchmarks.export_models import SHAPE, fresh

LEVELS = {
    "as_written": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "as_deployed": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def inputs(samples: int) -> list[NDArray[np.float32]]:
    """Images, one for each seed."""
    return [np.random.default_rng(seed).standard_normal(SHAPE, dtype=np.float32) for seed in range(samples)]


def truth(module: torch.nn.Module, images: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Outputs (samples, classes) in float64."""
    double = copy.deepcopy(module).double()
    with torch.no_grad():
        return np.concatenate([double(torch.from_numpy(image).double()).numpy() for image in images])


def outputs(path: str, level: ort.GraphOptimizationLevel, images: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Outputs (samples, classes) of a file in onnxruntime."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = level
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image})[0] for image in images]).astype(np.float64)


def error(found: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, float]:
    """Largest and root mean square distance, in units of the largest true output."""
    scale = float(np.abs(true).max())
    apart = np.abs(found - true) / scale
    return {"max": float(apart.max()), "rms": float(np.sqrt(np.mean(apart**2)))}


def main(cache: str, name: str, samples: str, *labelled: str) -> None:
    """Measure and print."""
    model = model_named(name)
    module = fresh(model)
    module.load_state_dict(torch.load(Corpus(Path(cache)).weights(model)))
    images = inputs(int(samples))
    true = truth(module, images)
    found = {
        label: {level: error(outputs(path, value, images), true) for level, value in LEVELS.items()}
        for label, _, path in (item.rpartition("=") for item in labelled)
    }
    print(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
