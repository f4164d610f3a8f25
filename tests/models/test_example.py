"""The example model that ships in the wheel, and the script that trains it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from graphmorph.models.example import model_path, samples_path, train


def correct(path: Path, x: np.ndarray, labels: np.ndarray) -> float:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logits = session.run(["y"], {"x": x})[0]
    return float((logits.argmax(1) == labels).mean())


def test_accuracy_on_the_held_out_samples() -> None:
    with np.load(samples_path()) as samples:
        x, labels = samples["x"], samples["labels"]
    assert (x.shape, x.dtype) == ((400, 1, 8, 8), np.float32)
    assert (labels.shape, labels.dtype) == ((400,), np.int64)
    assert set(labels.tolist()) == set(range(10))
    assert correct(model_path(), x, labels) > 0.97


def test_model_keeps_its_branches_and_normalisations() -> None:
    model = onnx.load(model_path())
    operators = [node.op_type for node in model.graph.node]
    assert {name: operators.count(name) for name in ("Conv", "BatchNormalization", "Add")} == {
        "Conv": 12,
        "BatchNormalization": 12,
        "Add": 8,
    }
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "batch"
    assert model_path().stat().st_size + samples_path().stat().st_size < 500_000


def test_samples_were_held_out() -> None:
    images, labels = train.digits()
    with np.load(samples_path()) as samples:
        assert np.array_equal(samples["x"], images[: train.HELD_OUT])
        assert np.array_equal(samples["labels"], labels[: train.HELD_OUT])


def test_training_is_deterministic_and_learns() -> None:
    images, labels = (torch.from_numpy(array[train.HELD_OUT :]) for array in train.digits())
    first, again = (train.train(images[:512], labels[:512], epochs=10) for _ in range(2))
    weights = again.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in first.state_dict().items())
    assert train.accuracy(first, images[512:], labels[512:]) > 0.8


def test_package_and_paths_need_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import graphmorph.models\n"
        "from graphmorph.models.example import model_path, samples_path\n"
        "assert model_path().is_file() and samples_path().is_file()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
