"""Sums by the name of a tensor: from every form of data the same, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from graphmorph.activations.capture_sums import capture_sums
from graphmorph.activations.moments import CrossMoments, Moments
from graphmorph.activations.row_stream import RowStream
from graphmorph.activations.rows import ChannelRows, PatchRows, Sampling
from graphmorph.activations.watches import Tensors, Watch, Watching
from graphmorph.errors import UsageError
from graphmorph.onnx_door import load
from graphmorph.torch_door import trace
from tests.graphmorph.activations.sums import assert_same
from tests.graphmorph.proof.small_models import convnet, store

WANTED: Tensors = {"r1": ChannelRows(), ("r1", "y"): (PatchRows((3, 3), pads=(1, 1, 1, 1)), ChannelRows())}


def images(count: int = 10) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 3, 8, 6)).astype(np.float32)


def forms(folder: Path, x: np.ndarray) -> Iterator[object]:
    np.savez_compressed(folder / "x.npz", x=x)
    np.save(folder / "x.npy", x)
    (folder / "samples").mkdir()
    for index, one in enumerate(x):
        np.save(folder / "samples" / f"{index:03}.npy", one)
    yield from (folder / "x.npz", str(folder / "x.npy"), folder / "samples")
    labels = torch.zeros(len(x))
    yield DataLoader(TensorDataset(torch.from_numpy(x), labels), batch_size=4)
    yield DataLoader(torch.from_numpy(x), batch_size=4)  # type: ignore[arg-type]
    yield ({"x": x[start : start + 4]} for start in range(0, len(x), 4))
    yield ((x[start : start + 4], labels) for start in range(0, len(x), 4))


def test_every_form_of_data_gives_the_same(tmp_path: Path) -> None:
    path, x = convnet(tmp_path), images()
    expected = capture_sums(path, WANTED, {"x": x}, positions=5, batch=4)
    assert isinstance(expected["r1"], Moments)
    assert isinstance(expected["r1", "y"], CrossMoments)
    assert expected["r1"].count == 50
    for data in forms(tmp_path, x):
        assert_same(capture_sums(path, WANTED, data, positions=5, batch=4), expected)  # type: ignore[arg-type]
    assert_same(capture_sums(load(path), WANTED, {"x": x}, positions=5, batch=4), expected)


def test_all_positions_are_those_of_the_listeners(tmp_path: Path) -> None:
    found = capture_sums(convnet(tmp_path), ["r1", ("r1", "y")], {"x": images()})
    pair = found["r1", "y"]
    assert isinstance(pair, CrossMoments)
    assert pair.inputs.count == 10 * 8 * 6
    assert pair.cross.shape == (8, 4)
    np.testing.assert_array_equal(pair.inputs.gram, found["r1"].gram)  # type: ignore[union-attr]
    plain = capture_sums(convnet(tmp_path), ["r1"], {"x": images()}, gram=False)["r1"]
    with pytest.raises(UsageError, match="without a Gram matrix"):
        _ = plain.gram  # type: ignore[union-attr]


def test_progress_counts_samples(tmp_path: Path) -> None:
    path, seen = convnet(tmp_path), list[tuple[int, int | None]]()
    capture_sums(path, ["x"], {"x": images()}, batch=4, progress=lambda *step: seen.append(step))
    assert seen == [(4, 10), (8, 10), (10, 10)]
    seen.clear()
    capture_sums(path, ["y"], iter([{"x": images(3)}]), progress=lambda *step: seen.append(step))
    assert seen == [(3, None)]


def test_a_traced_module(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
    x = images()
    graph = trace(net, torch.from_numpy(x[:2]))
    name = graph.outputs[0].name
    expected = capture_sums(graph, [name], {"input": x}, batch=4)
    assert expected[name].count == 10 * 6 * 4  # type: ignore[union-attr]
    seen: list[tuple[int, int | None]] = []
    for data in forms(tmp_path, x):
        if isinstance(data, Iterator):
            continue  # arrays that are no tensors have names there
        if isinstance(data, Path) and data.suffix == ".npz":
            np.savez(data, input=x)
        found = capture_sums(graph, [name], data, batch=4, progress=lambda *step: seen.append(step))  # type: ignore[arg-type]
        assert_same(found, expected)
        assert seen[-1][0] == 10
    with pytest.raises(UsageError, match="export it to a file"):
        capture_sums(graph, [name], {"x": x}, workers=2)


def test_samples_are_numbered_where_they_are_several_rows() -> None:
    """Two rows a sample: the second worker's positions are those of one worker."""
    rows, sampling = np.random.default_rng(0).standard_normal((12, 3, 9)), Sampling(2, 3)
    whole, first, second = Moments(3), Moments(3), Moments(3)
    RowStream(whole, sampling=sampling).update(rows)
    RowStream(first, sampling=sampling).update(rows[:8])
    later = Watching(Watch("t", (ChannelRows(),), True, sampling), first_sample=4)
    later.update(np.zeros((2, 5)), rows[8:])
    second.merge(later.sums)  # type: ignore[arg-type]
    first.merge(second)
    np.testing.assert_allclose(first.gram, whole.gram, rtol=1e-12)
    folded = Watching(Watch("t", (ChannelRows(),), True, sampling), first_sample=4)
    with pytest.raises(UsageError, match="which one is whose"):
        folded.update(np.zeros((5, 5)), rows)


def test_what_is_refused(tmp_path: Path) -> None:
    path, data = convnet(tmp_path), {"x": images()}
    with pytest.raises(UsageError, match="as a list of names"):
        capture_sums(path, "r1", data)
    with pytest.raises(UsageError, match="one tensor or two"):
        capture_sums(path, {("r1", "y"): ChannelRows()}, data)
    with pytest.raises(UsageError, match="at least 1"):
        capture_sums(path, ["r1"], data, positions=0)
    with pytest.raises(UsageError, match="no sample"):
        capture_sums(path, ["r1"], [])
    with pytest.raises(UsageError, match="read by one worker"):
        capture_sums(path, ["r1"], iter([data]), workers=2)
    two = store(tmp_path, "two", "g (float[N,3] a, float[M,3] b) => (float[1,3] y) { s = Add(a, b) y = Identity(s) }")
    apart = {"a": np.ones((4, 3), np.float32), "b": np.ones((1, 3), np.float32)}
    with pytest.raises(UsageError, match="cannot be cut"):
        capture_sums(two, ["s"], apart, workers=2)
    with pytest.raises(UsageError, match="Gram matrix of 50000 columns takes 19 GiB"):
        Watching(Watch("t", (ChannelRows(),), True, None)).update(np.zeros((1, 50_000)))
