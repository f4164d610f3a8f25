"""Merging: equal channels are proven to be one; thresholds and distances are those of AdapNet's algorithm 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import graphmorph
from graphmorph.channels.masking import masked
from graphmorph.channels.merging import GroupMerge, Pair, merged_away, merged_values
from graphmorph.channels.removal import remove
from graphmorph.channels.resizing.arrangement import Without
from graphmorph.editor import Editor
from graphmorph.errors import UsageError
from graphmorph.graph import Graph
from graphmorph.journal import Journal
from graphmorph.onnx_door import to_model
from graphmorph.pipeline import FuseResult
from graphmorph.runtime import Runtime
from tests.graphmorph.channels.against_masked import analysis_of, inputs_for, tensors_of
from tests.passes.test_insert_channels import KINDS
from tests.passes.text_models import Weights, build, norm, weights_of

PLAIN = """g (float[N,3,8,8] x) => (float[N,2,6,6] y) {
    a = Conv<pads=[1,1,1,1]>(x, w, b)  n = BatchNormalization(a, s, b1, m, v)  r = Relu(n)  y = Conv(r, u) }"""


def planted(**changes: float) -> dict[str, np.ndarray]:
    """Channel 3 is as channel 1; changes: by constant, what is added to channel 3."""
    norms = {"b1" if name == "b" else name: value for name, value in norm(4).items()}
    weights = weights_of({"w": (4, 3, 3, 3), "b": (4,), **norms, "u": (2, 4, 3, 3)})
    for name in ("w", "b", "s", "b1", "m", "v"):
        weights[name][3] = weights[name][1] + np.float32(changes.get(name, 0.0))
    return weights


def data_for(model: onnx.ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    shape = [size.dim_value or 16 for size in model.graph.input[0].type.tensor_type.shape.dim]
    return {"x": np.random.default_rng(seed).standard_normal(shape).astype(np.float32)}


def merged(text: str, weights: Weights, **options: Any) -> tuple[FuseResult, dict[str, np.ndarray]]:
    model = build(text, weights)
    result = graphmorph.merge_channels(model, calibration=options.pop("calibration", data_for(model)), **options)
    onnx.checker.check_model(to_model(result.graph), full_check=True)
    return result, {tensor.name: numpy_helper.to_array(tensor) for tensor in to_model(result.graph).graph.initializer}


def pairs(result: FuseResult) -> list[str]:
    """What was merged, group by group."""
    sites = [one for one in result.report.rewrites if one.pass_name == "merge-channels"]
    return sites[0].summary.split(": ", 1)[1].split("; ") if sites else []


def verdict(result: FuseResult) -> str:
    assert result.exit_code == 0
    assert result.report.proof is not None
    return result.report.proof.verdict


def test_equal_channels_become_one_and_nothing_changes() -> None:
    weights = planted()
    result, constants = merged(PLAIN, weights, threshold=0.999)
    assert (pairs(result), verdict(result)) == (["a: 3 into 1 (1.000)"], "equal")
    np.testing.assert_array_equal(constants["w"], weights["w"][:3])
    np.testing.assert_array_equal(constants["m"], weights["m"][:3])
    summed = weights["u"][:, :3].astype(np.float64)
    summed[:, 1] += weights["u"][:, 3]
    np.testing.assert_array_equal(constants["u"], summed.astype(np.float32))


def test_what_makes_a_merged_channel_is_the_mean_of_both() -> None:
    changes = {"w": 0.02, "b": -0.1, "s": 0.01, "m": 0.2, "v": 0.1}
    weights = planted(**changes)
    result, constants = merged(PLAIN, weights, threshold=0.95, outgoing="mean")
    assert pairs(result)[0].startswith("a: 3 into 1 (0.9")
    assert verdict(result) == "different"
    for name in (*changes, "b1"):
        mean = weights[name].astype(np.float64)[[1, 3]].mean(axis=0)
        np.testing.assert_allclose(constants[name][1], mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(constants["u"][:, 1], weights["u"][:, [1, 3]].astype(np.float64).mean(axis=1), rtol=1e-6)


def test_the_threshold_is_twice_the_mean_of_the_group() -> None:
    """Channels whose signs are random: the mean cosine is small, and the planted pair is far above it."""
    text = PLAIN.replace("Relu(n)", "Tanh(n)")
    found, _ = merged(text, planted())
    assert pairs(found)[0].startswith("a: 3 into 1 (1.000)")
    assert pairs(merged(text, planted(), factor=1e6)[0]) == []


def test_distributions_have_to_be_alike() -> None:
    """A cosine does not see that one channel is a thousandth of the other; their histograms do."""
    weights = planted()
    for name in ("s", "b1"):
        weights[name][3] *= np.float32(1e-3)
    assert pairs(merged(PLAIN, weights, threshold=0.999)[0]) == ["a: 3 into 1 (1.000)"]
    assert pairs(merged(PLAIN, weights, threshold=0.999, distance=0.05)[0]) == []


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, _, opset, _) in KINDS.items() if opset == 17 and kind != "recurrent"]
)
def test_copies_in_every_kind_of_group_are_found_and_merged(kind: str, runtime: Runtime) -> None:
    """What widening made is merged again."""
    text, weights, opset, _ = KINDS[kind]
    model = build(text, weights, opset=opset)
    wider = graphmorph.widen(model, count=1, verify=False)
    result = graphmorph.merge_channels(wider.graph, calibration=data_for(model), threshold=0.99999, distance=0.01)
    assert verdict(result) == "equal"
    if kind != "heads":  # there the copied weights are multiplied with each other: nothing can be merged
        assert result.report.after.parameters == wider.report.before.parameters


def test_a_merged_model_is_the_original_with_one_of_two_means_masked(runtime: Runtime) -> None:
    """Unequal units of a layer that is grouped behind: indices are right, whatever the values."""
    text, weights, _, _ = KINDS["grouped"]
    analysis = analysis_of(build(text, weights), runtime)
    merges = [GroupMerge(analysis, group, [Pair(0, 1, 1.0, 0.0)], 0.0, 0.0) for group in analysis.groups]
    values = merged_values(analysis, merges)
    kept = analysis.kept_without(merged_away(merges))
    oracle = masked(analysis, kept)
    for slot, exact in values.items():
        (constant,) = {t.name: t for node in oracle.nodes for t in node.inputs if t.name == slot.name}.values()
        constant.values = exact.astype(np.float32)
    graph: Graph = analysis.facts.graph
    editor = Editor(graph, analysis.facts, Journal())
    editor.begin("merge", "y")
    remove(analysis, kept, editor, values)
    editor.commit()
    editor.flush()
    feeds = inputs_for(graph, {"x": (2, 3, 8, 8)})
    one, other = (tensors_of(g, runtime, feeds, ["g", "y"]) for g in (oracle, graph))
    places = Without(kept).of(analysis.axes["g"][1])
    np.testing.assert_allclose(other["g"], one["g"][:, places], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(other["y"], one["y"], rtol=1e-5, atol=1e-5)
    assert all(edit.slices for edit in editor.journal.edits)


def test_groups_that_are_summed_are_refused() -> None:
    text = """g (float[N,5,3] x) => (float[N,5,2] y) {
        a = MatMul(x, w)  n = LayerNormalization(a, s, b)  y = MatMul(n, u) }"""
    result, _ = merged(text, {"w": (3, 4), "s": (4,), "b": (4,), "u": (4, 2)})
    (refusal,) = result.report.refusals
    assert refusal.reason == "is not merged: LayerNormalization n: takes the normalisation over it"


def test_options_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="no group is called nothing"):
        merged(PLAIN, planted(), groups=["nothing"])
    with pytest.raises(UsageError, match="outgoing is odd"):
        merged(PLAIN, planted(), outgoing="odd")
    with pytest.raises(UsageError, match="give calibration data"):
        graphmorph.fuse(build(PLAIN, planted()), only=["merge-channels"])
    with pytest.raises(UsageError, match="bins an even number"):
        merged(PLAIN, planted(), bins=3)
