"""`graphmorph.insert_layer` on ONNX models: exact where it has to be, what is written, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.layer_insertion.job import InsertResult
from graphmorph.onnx_door import load, to_model
from tests.graphmorph.layer_insertion import networks
from tests.graphmorph.layer_insertion.networks import change, images, outputs, samples
from tests.passes.text_models import Weights, build, initializers

#: A leaky relu of slope 1 is the identity: as many channels as there were give everything again.
LINEAR: dict[str, Any] = {"activation": "leaky-relu", "slope": 1.0, "ridge": 0.0, "kernel": 1, "positions": 0}
COMPNET = ["compnet-1", "compnet-2", "compnet-3"]


def insert(model: Any, output: Any = None, **options: Any) -> InsertResult:
    options = {"latency": False, "after": "a", **options}
    result: InsertResult = graphmorph.insert_layer(model, output, **options)
    return result


@pytest.mark.parametrize("algorithm", COMPNET)
@pytest.mark.parametrize(
    ("text", "weights", "shape", "channels"),
    [
        (networks.CONVOLUTIONS, networks.CONVOLUTIONS_WEIGHTS, (9, 3, 8, 8), 4),
        (networks.DENSE, networks.DENSE_WEIGHTS, (60, 4), 5),
        (networks.TOKENS, networks.TOKENS_WEIGHTS, (9, 7, 4), 5),
        (networks.FLAT, networks.FLAT_WEIGHTS, (80, 3, 4, 4), 5),
    ],
)
def test_as_many_linear_channels_as_there_were_keep_the_function(
    text: str, weights: Weights, shape: tuple[int, ...], channels: int, algorithm: str, tmp_path: Path
) -> None:
    model, data = build(text, weights), samples(*shape)
    options = {**LINEAR, "calibration": data, "channels": 3 * channels, "survivors": channels}
    result = insert(model, tmp_path / "deeper.onnx", algorithm=algorithm, **options)
    layer = result.report.layer
    assert (layer.redundant, layer.kept) == (3 * channels, channels)
    assert layer.explained is not None
    assert min(layer.explained) > 1 - 1e-7
    assert result.report.change is not None
    assert result.report.change.relative_error < 1e-4
    fresh = samples(3, *shape[1:], seed=1)
    assert change(outputs(model, fresh), outputs(tmp_path / "deeper.onnx", fresh)) < 1e-4


@pytest.mark.parametrize(
    ("after", "algorithm"),
    [("a", "compnet-1"), ("r", "compnet-2"), ("p", "compnet-3"), ("q", "compnet-2"), ("o", "compnet-1")],
)
def test_what_is_reported_is_what_was_done(after: str, algorithm: str, tmp_path: Path) -> None:
    model, data = networks.convolutions(), images()
    target = tmp_path / "deeper.onnx"
    result = insert(model, target, after=after, algorithm=algorithm, channels=12, survivors=7, calibration=data)
    assert result.ok
    report = result.report
    assert (report.layer.redundant, report.layer.kept) == (12, 7)
    assert report.files == [str(target)]
    assert report.change is not None
    assert report.change.source == "given"
    measured = change(outputs(model, data), outputs(target, data))
    assert report.change.relative_error == pytest.approx(measured, rel=1e-3)
    assert report.after.parameters - report.before.parameters > 0
    assert report.layer.explained is not None
    written = json.loads(json.dumps(report.to_json()))
    assert written["layer"]["explained_mean"] == pytest.approx(np.mean(report.layer.explained))
    assert outputs(target, images(1, seed=3)).shape == (1, 3)


def test_everything_else_is_byte_for_byte_what_it_was(tmp_path: Path) -> None:
    path = networks.saved(tmp_path)
    insert(path, tmp_path / "deeper.onnx", calibration=images(), survivors=5)
    before, after = onnx.load(path), onnx.load(tmp_path / "deeper.onnx")
    old, new = initializers(before), initializers(after)
    assert set(old) - set(new) == {"w1", "b1"}
    assert all(old[name].SerializeToString() == new[name].SerializeToString() for name in set(old) & set(new))
    assert [node.op_type for node in after.graph.node][1:6] == ["Relu", "Conv", "Relu", "Conv", "Relu"]
    untouched = [node for node in before.graph.node if node.output[0] not in "d"]
    kept = {node.output[0]: node for node in after.graph.node}
    assert all(kept[node.output[0]] == node for node in untouched)


def test_files_graphs_and_models_become_the_same(tmp_path: Path) -> None:
    path, options = networks.saved(tmp_path), {"calibration": images(), "survivors": 5}
    graph = load(path)
    made = [insert(given, **options).graph for given in (path, str(path), onnx.load(path), graph)]
    assert len({to_model(one).SerializeToString() for one in made}) == 1
    assert to_model(graph) == to_model(load(path))


def test_a_seed_is_a_result_and_another_another() -> None:
    model = networks.convolutions()
    first, again, other = (
        to_model(insert(model, calibration=images(), survivors=5, seed=seed).graph) for seed in (0, 0, 1)
    )
    assert first.SerializeToString() == again.SerializeToString() != other.SerializeToString()


def test_data_come_as_arrays_files_and_lists(tmp_path: Path) -> None:
    model, data = networks.convolutions(), images()
    np.savez(tmp_path / "data.npz", x=data["x"])
    parts: list[dict[str, np.ndarray]] = [{"x": part} for part in np.array_split(data["x"], 4)]
    made = [
        insert(model, calibration=given, survivors=5, algorithm="compnet-1")
        for given in (data, tmp_path / "data.npz", parts)
    ]
    means = [one.report.layer.to_json()["explained_mean"] for one in made]
    np.testing.assert_allclose(means, means[0], rtol=1e-5)
    sources = [one.report.change.source for one in made if one.report.change is not None]
    assert sources[:2] == ["given", "given"]


def test_a_share_is_explained_by_as_many_channels_as_it_takes() -> None:
    options: dict[str, Any] = {"calibration": images(300), "algorithm": "compnet-3", "positions": 0, "kernel": 3}
    report = insert(networks.convolutions(), explained=0.97, **options).report.layer
    assert report.redundant in (16, 32, 64)
    assert report.explained is not None
    assert np.mean(report.explained) >= 0.97
    fewer = insert(networks.convolutions(), survivors=report.kept - 1, channels=report.redundant, **options)
    assert fewer.report.layer.explained is not None
    assert np.mean(fewer.report.layer.explained) < 0.97


def test_an_iterator_can_be_read_once() -> None:
    def batches() -> Iterator[dict[str, np.ndarray]]:
        yield images(40)

    model = networks.convolutions()
    assert insert(model, calibration=batches(), algorithm="compnet-3", survivors=5).ok
    with pytest.raises(UsageError, match="an iterator, and have to be read more than once"):
        insert(model, calibration=batches(), algorithm="compnet-1", survivors=5)


def test_more_change_than_allowed_is_not_written(tmp_path: Path) -> None:
    target = tmp_path / "deeper.onnx"
    options: dict[str, Any] = {"calibration": images(), "channels": 4, "survivors": 1}
    failed = insert(networks.convolutions(), target, max_error=1e-3, **options)
    assert failed.exit_code == 1
    assert not target.exists()
    assert failed.report.files == []
    assert insert(networks.convolutions(), target, max_error=10.0, **options).ok
    assert target.exists()


def test_net2deeper_is_proven_and_needs_no_data(tmp_path: Path) -> None:
    target = tmp_path / "deeper.onnx"
    result = insert(networks.convolutions(), target, algorithm="net2deeper")
    assert result.report.proof is not None
    assert result.report.proof.verdict == "equal"
    feeds = images(2)
    assert np.array_equal(outputs(networks.convolutions(), feeds), outputs(target, feeds))
    assert result.report.layer.explained is None


@pytest.mark.parametrize("algorithm", ["netmorph", "net2deeper"])
def test_data_say_how_well_an_algorithm_without_data_does(algorithm: str) -> None:
    result = insert(networks.convolutions(), algorithm=algorithm, calibration=images(), positions=0)
    assert result.report.layer.explained == pytest.approx([1.0] * 6, abs=1e-6)
    assert result.report.change is not None
    assert result.report.change.relative_error < 1e-5


@pytest.mark.parametrize("second", [-1, 20])
def test_a_shape_that_is_computed_from_the_batch(second: int, tmp_path: Path) -> None:
    text = """g (float[N,3,4,4] x) => (float[N,3] y) {
        c = Conv(x, w0, b0) a = Relu(c) s = Shape(a) n = Gather(s, zero) u = Unsqueeze(n, first)
        t = Concat<axis=0>(u, v) f = Reshape(a, t) y = Gemm<transB=1>(f, w1, b1)
    }"""
    known: dict[str, Any] = {"zero": np.array(0), "first": np.array([0]), "v": np.array([second])}
    model, target = build(text, {**networks.FLAT_WEIGHTS, **known}), tmp_path / "deeper.onnx"
    options = {**LINEAR, "calibration": samples(80, 3, 4, 4), "channels": 12, "survivors": 6}
    assert insert(model, target, **options).ok
    for batch in (1, 3):
        feeds = samples(batch, 3, 4, 4, seed=2)
        assert change(outputs(model, feeds), outputs(target, feeds)) < 1e-4
    assert "Shape" not in [node.op_type for node in onnx.load(target).graph.node]


def test_layers_behind_layers(tmp_path: Path) -> None:
    model = networks.convolutions()
    graph = load(model)
    for seed in range(3):
        graph = insert(graph, tmp_path / "deeper.onnx", algorithm="net2deeper", seed=seed).graph
    assert [node.op for node in graph.nodes].count("Conv") == 6
    assert np.array_equal(outputs(model, images(2)), outputs(tmp_path / "deeper.onnx", images(2)))


def test_one_of_several_readers() -> None:
    text = """g (float[N,4] x) => (float[N,3] y, float[N,2] z) {
        a = Relu(x) y = Gemm<transB=1>(a, w1) z = Gemm<transB=1>(a, w2)
    }"""
    model, options = build(text, {"w1": (3, 4), "w2": (2, 4)}), {"calibration": samples(60, 4)}
    with pytest.raises(UsageError, match="several layers read a: y, z; say before which"):
        insert(model, **options)
    result = insert(model, before="z", **options)
    assert result.report.change is not None
    assert {one.name: one.max_abs == 0 for one in result.report.change.outputs} == {"y": True, "z": False}
    with pytest.raises(UsageError, match=r"no layer w reads a .* those that do: y, z"):
        insert(model, before="w", **options)


def test_labels_say_how_many_answers_stay_right() -> None:
    model, data = networks.convolutions(), images()
    labels = outputs(model, data).argmax(axis=1)
    result = insert(model, calibration=data, inputs=data, labels=labels, survivors=8, channels=8)
    assert result.report.change is not None
    accuracy = result.report.change.accuracy
    assert accuracy is not None
    assert (accuracy.before, accuracy.samples) == (1.0, 40)


def test_free_sizes_stay_free(tmp_path: Path) -> None:
    text = networks.CONVOLUTIONS.replace("[N,3,8,8]", "[N,3,H,W]")
    model, target = build(text, networks.CONVOLUTIONS_WEIGHTS), tmp_path / "deeper.onnx"
    insert(model, target, after="p", calibration=samples(30, 3, 12, 10), **{**LINEAR, "survivors": 6, "channels": 12})
    for sizes in ((1, 3, 8, 8), (2, 3, 13, 17)):
        feeds = samples(*sizes, seed=4)
        assert change(outputs(model, feeds), outputs(target, feeds)) < 1e-4
