"""The random regions are valid models, and contain what they are there to contain."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings

from graphmorph.onnx_door import load
from tests.regions.builder import Region
from tests.regions.check import check_near_miss, check_region, evaluate_graph
from tests.regions.choices import Seeded
from tests.regions.generator import random_region, regions
from tests.regions.near_misses import conditions, near_miss

SEEDS = 150
EXPECTED = """
    Conv, Add, Sub, Sum, BatchNormalization, Mul, Div, Neg, Identity, Dropout, Pad, Slice, AveragePool,
    ConvTranspose, MatMul, Gemm, GlobalAveragePool, Relu, Tanh, float64, float32, float16, bfloat16, 1-d, 2-d,
    3-d, linear, low rank, group, dilation, auto_pad, negative pad, Pad axes, absolute slice,
    padded and cropped, empty intermediate, bottleneck, serial, identity branch, two sources,
    broadcasting Add, shared weight, middle output, constant first, constant node, nonlinear reader,
    dynamic size, dynamic batch, pads not counted, border of constants, ScatterND
"""


@pytest.fixture(scope="module")
def sample() -> list[Region]:
    return [random_region(seed) for seed in range(SEEDS)]


def test_every_region_is_a_valid_model(sample: list[Region]) -> None:
    for region in sample:
        onnx.checker.check_model(region.model, full_check=True)


def test_the_same_seed_gives_the_same_region() -> None:
    assert random_region(11).model == random_region(11).model


def test_regions_contain_every_feature(sample: list[Region]) -> None:
    counts = Counter(feature for region in sample for feature in region.features)
    missing = [name for name in (" ".join(part.split()) for part in EXPECTED.split(",")) if not counts[name]]
    assert missing == []


def test_regions_can_be_evaluated_and_do_not_differ_from_themselves(sample: list[Region]) -> None:
    for seed, region in enumerate(sample):
        outcome = check_region(region, lambda graph: graph, seed)
        assert not outcome.changed
        assert outcome.worst == 0.0


@settings(max_examples=30, deadline=None, database=None)
@given(regions())
def test_hypothesis_draws_regions(region: Region) -> None:
    assert check_region(region, lambda graph: graph).worst == 0.0


def test_the_evaluation_agrees_with_onnxruntime(sample: list[Region]) -> None:
    """In float32, which onnxruntime has kernels for; models without an empty tensor."""
    compared = 0
    for seed, region in enumerate(sample):
        # It has no kernel for auto_pad of a dilated window.
        if "float32" not in region.features or {"empty intermediate", "dilated auto_pad"} & region.features:
            continue
        fed = {
            name: np.random.default_rng(seed).standard_normal(s).astype(np.float32)
            for name, s in region.feeds[0].items()
        }
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Its optimizer makes pads of AveragePool that its own kernel refuses.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(region.model.SerializeToString(), options)
        found = session.run(None, fed)
        expected = evaluate_graph(load(region.model), {name: x.astype(np.float64) for name, x in fed.items()})
        for info, array in zip(region.model.graph.output, found, strict=True):
            reference = expected[info.name]
            scale = float(np.abs(reference).max(initial=1.0))
            np.testing.assert_allclose(array, reference, rtol=0, atol=1e-4 * scale)
        compared += 1
    assert compared > 15


@pytest.mark.parametrize("condition", conditions())
def test_near_misses_are_valid_and_stay_when_nothing_is_done(condition: str) -> None:
    miss = near_miss(condition, Seeded(1))
    onnx.checker.check_model(miss.model, full_check=True)
    check_near_miss(miss, lambda graph: graph)
