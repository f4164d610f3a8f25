"""Capturing from models that onnxruntime runs, against plain numpy on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from graphmorph.activations.capture import capture
from graphmorph.activations.channel_similarity import ChannelSimilarity
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import ChannelRows, PatchRows
from graphmorph.errors import ModelRunError, UsageError
from graphmorph.onnx_door import load
from graphmorph.runtime import Runtime
from tests.graphmorph.proof.small_models import convnet, store

MLP = """g (float[N,3] x) => (float[N,2] y) {
    h = MatMul(x, w1)
    r = Relu(h)
    y = MatMul(r, w2)
}"""


def mlp(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    weights = {"w1": rng.standard_normal((3, 5)), "w2": rng.standard_normal((5, 2))}
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    return store(folder, "mlp", MLP, weights), weights


def inputs(count: int = 20) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, 3)).astype(np.float32)


def hidden(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    return np.maximum(x.astype(np.float64) @ weights["w1"], 0)


@pytest.mark.parametrize("batch", [1, 8, 100])
def test_sums_of_a_hidden_layer(tmp_path: Path, runtime: Runtime, batch: int) -> None:
    path, weights = mlp(tmp_path)
    x = inputs()
    hidden_sums, pair, given = Moments(5), CrossMoments(5, 2), Moments(3)
    listeners = {
        "r": RowStream(hidden_sums),
        ("r", "y"): RowStream(pair, (ChannelRows(), ChannelRows())),
        "x": RowStream(given),
    }
    batches = capture(path, listeners, {"x": x}, batch=batch, runtime=runtime)
    r = hidden(x, weights)
    assert batches == -(-20 // min(batch, 20))
    np.testing.assert_allclose(hidden_sums.gram, r.T @ r, rtol=1e-5)
    np.testing.assert_allclose(pair.cross, r.T @ (r @ weights["w2"]), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(given.total, x.sum(axis=0, dtype=np.float64))
    assert hidden_sums.zeros.tolist() == (r == 0).sum(axis=0).tolist()


def test_a_convolutions_patches(tmp_path: Path, runtime: Runtime) -> None:
    """The sums of inputs and outputs agree with the weight of the convolution between them."""
    path = convnet(tmp_path)
    sums, similarity = CrossMoments(72, 4), ChannelSimilarity(8)
    stream = RowStream(sums, (PatchRows((3, 3), pads=(1, 1, 1, 1)), ChannelRows()))
    x = np.random.default_rng(0).standard_normal((6, 3, 16, 12)).astype(np.float32)
    capture(path, {("r1", "y"): stream, "r1": [similarity]}, {"x": x}, runtime=runtime)
    assert sums.inputs.count == 6 * 16 * 12
    assert similarity.count == 6
    model = onnx.load(path)
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    bias = np.outer(sums.inputs.total, weights["b2"])
    expected = sums.inputs.gram @ weights["w2"].reshape(4, -1).T + bias
    np.testing.assert_allclose(sums.cross, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_graph_and_feeds_that_come_one_by_one(tmp_path: Path) -> None:
    path, weights = mlp(tmp_path)
    x, sums = inputs(10), Moments(5)
    taken: list[int] = []

    def feeds() -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, 10, 5):
            taken.append(start)
            yield {"x": x[start : start + 5]}

    seen: list[tuple[str, int, int, int]] = []
    batches = capture(
        load(path), {"r": RowStream(sums)}, feeds(), batch=4, progress=lambda *step: seen.append((*step, len(taken)))
    )
    r = hidden(x, weights)
    np.testing.assert_allclose(sums.gram, r.T @ r, rtol=1e-5)
    assert batches == 4
    assert [step[:3] for step in seen] == [("capture", n, n) for n in range(1, 5)]
    assert seen[0][3] == 1  # the second feeds were not asked for when the first batch was done


def test_a_fixed_batch_stays(tmp_path: Path, runtime: Runtime) -> None:
    path = store(tmp_path, "fixed", "g (float[4,3] x) => (float[4,3] y) { y = Relu(x) }")
    sums = Moments(3)
    assert capture(path, {"y": RowStream(sums)}, {"x": inputs()}, batch=2, runtime=runtime) == 5
    assert sums.count == 20


def test_inputs_alone(tmp_path: Path, runtime: Runtime) -> None:
    path, _ = mlp(tmp_path)
    sums = Moments(3)
    capture(path, {"x": RowStream(sums)}, {"x": inputs()}, runtime=runtime)
    np.testing.assert_allclose(sums.total, inputs().sum(axis=0, dtype=np.float64))


def test_what_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    path, _ = mlp(tmp_path)
    stream = RowStream(Moments(5))
    with pytest.raises(UsageError, match=r"no tensor nowhere: .* its inputs \(x\)"):
        capture(path, {"nowhere": stream}, {"x": inputs()}, runtime=runtime)
    with pytest.raises(UsageError, match="tensor r: rows of 4 columns were expected"):
        capture(path, {"r": RowStream(Moments(4))}, {"x": inputs()}, runtime=runtime)
    with pytest.raises(UsageError, match="tensor h: the activations hold NaN"):
        capture(path, {"h": stream}, {"x": inputs() * np.nan}, runtime=runtime)
    with pytest.raises(UsageError, match="no sample"):
        capture(path, {"r": stream}, [], runtime=runtime)
    with pytest.raises(UsageError, match="batches of 0"):
        capture(path, {"r": stream}, {"x": inputs()}, batch=0, runtime=runtime)
    with pytest.raises(UsageError, match="no tensor is listened to"):
        capture(path, {}, {"x": inputs()}, runtime=runtime)
    with pytest.raises(ModelRunError):
        capture(path, {"r": stream}, [{"x": np.ones((2, 4), np.float32)}], runtime=runtime)


def test_memory_does_not_grow_with_the_data(tmp_path: Path, runtime: Runtime) -> None:
    """No more than two batches of feeds are alive at any time."""
    path, _ = mlp(tmp_path)
    alive: set[int] = set()
    most = 0

    class Watched(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    def feeds() -> Iterator[dict[str, np.ndarray]]:
        nonlocal most
        for _ in range(20):
            array = inputs(4).view(Watched)
            alive.add(id(array))
            most = max(most, len(alive))
            yield {"x": array}

    capture(path, {"r": RowStream(Moments(5))}, feeds(), runtime=runtime)
    assert most <= 5
