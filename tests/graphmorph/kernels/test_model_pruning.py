"""Whole models pruned by position: a copy, other weights only where they are asked for, and a file that runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import graphmorph
from graphmorph.errors import UsageError
from graphmorph.kernels.positions import position_mask
from graphmorph.onnx_door import load, to_model
from tests.passes.text_models import build

MODEL = build(
    """g (float[N,4,8,8] x) => (float[N,4,8,8] y, float[4,4,3,3] z) {
        a = Conv<pads=[1,1,1,1]>(x, one, bias)
        b = Relu(a)
        c = Conv<pads=[1,1,1,1]>(b, two)
        d = Conv(c, point)
        y = Conv<pads=[1,1,1,1]>(d, one)
        z = Identity(two)
    }""",
    {"one": (4, 4, 3, 3), "two": (4, 4, 3, 3), "point": (4, 4, 1, 1), "bias": (4,)},
)


def weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_each_layer_gets_the_ratio_and_only_there() -> None:
    result = graphmorph.prune_positions(MODEL, "corner", 0.3)
    before, after = weights(MODEL), weights(to_model(result.model))
    corner = position_mask("corner", 3)
    for name, pruned in (("one", "one"), ("two", "two_2")):
        gone = after[pruned] == 0
        assert gone.sum() == round(0.3 * 144)
        assert not gone[:, :, ~corner].any()
        assert np.array_equal(after[pruned][~gone], before[name][~gone])
    assert [(layer.layer, layer.zeroed, layer.size) for layer in result.layers] == [("a", 43, 144), ("c", 43, 144)]
    assert result.sparsity == pytest.approx(43 / 144)
    assert {refusal.node: refusal.reason for refusal in result.skipped} == {
        "d": "its 1 x 1 kernel has one position",
        "y": "its kernel is that of a, where it is counted",
    }


def test_shared_kernels_stay_shared_and_other_readers_keep_the_original() -> None:
    after = to_model(graphmorph.prune_positions(MODEL, "global", 0.5).model)
    reads = {node.output[0]: list(node.input) for node in after.graph.node}
    assert reads == {
        "a": ["x", "one", "bias"],
        "b": ["a"],
        "c": ["b", "two_2"],
        "d": ["c", "point"],
        "y": ["d", "one"],
        "z": ["two"],
    }
    have = weights(after)
    for name in ("two", "point", "bias"):
        assert np.array_equal(have[name], weights(MODEL)[name])


def test_the_model_itself_is_not_changed() -> None:
    graph = load(MODEL)
    before = to_model(graph)
    graphmorph.prune_positions(graph, "skeleton", 0.5)
    assert to_model(graph) == before


def test_nothing_pruned_is_the_same_function() -> None:
    pruned = to_model(graphmorph.prune_positions(MODEL, "skeleton", 0.0).model)
    x = np.random.default_rng(0).normal(size=(2, 4, 8, 8)).astype(np.float32)
    for one, other in zip(
        ReferenceEvaluator(MODEL).run(None, {"x": x}), ReferenceEvaluator(pruned).run(None, {"x": x}), strict=True
    ):
        assert np.array_equal(one, other)


def test_seeds_draw_differently_and_layers_too() -> None:
    def gone(seed: int) -> list[np.ndarray]:
        have = weights(to_model(graphmorph.prune_positions(MODEL, "global", 0.4, seed).model))
        return [have["one"] == 0, have["two_2"] == 0]

    assert np.array_equal(gone(1), gone(1))
    assert not np.array_equal(gone(1)[0], gone(2)[0])
    assert not np.array_equal(gone(1)[0], gone(1)[1])


def test_the_file_is_valid_and_smaller_ratios_nest(tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    onnx.save(MODEL, source)
    zero = []
    for ratio in (0.2, 0.4):
        result = graphmorph.prune_positions(source, "corner", ratio, 3, tmp_path / f"pruned{ratio}.onnx")
        (written,) = result.files
        onnx.checker.check_model(written, full_check=True)
        zero.append(weights(onnx.load(written))["one"] == 0)
    assert not (zero[0] & ~zero[1]).any()


def test_ratios_and_targets_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="more than the corner positions"):
        graphmorph.prune_positions(MODEL, "corner", 0.45)
    path = tmp_path / "model.onnx"
    onnx.save(MODEL, path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is the model itself"):
        graphmorph.prune_positions(path, "corner", 0.4, output=tmp_path / "." / "model.onnx")
    assert path.read_bytes() == before
