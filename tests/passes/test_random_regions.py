"""The whole pipeline on random regions and on near misses: never a wrong result, never a dearer one."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest
from hypothesis import HealthCheck, given, settings

from graphmorph.onnx_door import load, to_model
from tests.regions.builder import Region
from tests.regions.check import check_near_miss, check_region
from tests.regions.choices import Seeded
from tests.regions.fuzz import fuzz
from tests.regions.generator import random_region, regions
from tests.regions.near_misses import conditions, near_miss
from tests.regions.rewrites import pipeline, run_pipeline

SEEDS = 300
MANY_SEEDS = 6000


def test_random_regions_compute_what_they_did() -> None:
    """A loop over seeds; that most regions change shows that it tests something."""
    tally = fuzz(pipeline, 0, SEEDS, near_misses=False)
    assert tally.changed > 0.7 * SEEDS
    assert tally.compared > SEEDS
    assert tally.nodes_after < 0.6 * tally.nodes_before


@pytest.mark.parametrize("condition", conditions())
def test_near_misses_are_left_alone(condition: str) -> None:
    for seed in range(3):
        check_near_miss(near_miss(condition, Seeded(seed)), pipeline, seed)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(regions())
def test_drawn_regions_compute_what_they_did(region: Region) -> None:
    check_region(region, pipeline)


def _check_report(seed: int) -> Counter[str]:
    """Valid ONNX with the interface that it had, certified, and cheaper by what the plans say."""
    model = random_region(seed).model
    result = run_pipeline(load(model), certify=True)
    rewrites = [rewrite for one in result.passes for rewrite in one.rewrites]
    counted: Counter[str] = Counter()
    for rewrite in rewrites:
        if rewrite.certificate is not None:
            assert rewrite.certificate.verdict != "different", rewrite.certificate.reason
            counted[rewrite.certificate.verdict] += 1
        if rewrite.macs_before is not None and rewrite.macs_after is not None:
            assert rewrite.macs_after <= rewrite.macs_before * (1 + 1e-9), rewrite.summary
    assert result.after.nodes <= result.before.nodes
    after = to_model(result.graph)
    onnx.checker.check_model(after, full_check=True)
    assert list(after.graph.input) == list(model.graph.input)
    assert [o.name for o in after.graph.output] == [o.name for o in model.graph.output]
    return counted


def test_reports_of_random_regions() -> None:
    counted = sum((_check_report(seed) for seed in range(150)), Counter())
    assert counted["equal"] > 120
    assert counted["not certified"] < 0.05 * counted["equal"]


def test_borders_of_constants_are_fused() -> None:
    """Where constants pad with the bias the ScatterND nodes go, in most of the regions that have them."""
    bordered = [r for r in map(random_region, range(1000)) if "border of constants" in r.features]
    left = [any(node.op == "ScatterND" for node in pipeline(load(r.model)).nodes) for r in bordered]
    assert len(left) > 30
    assert sum(left) < 0.5 * len(left)


@pytest.mark.slow
def test_many_random_regions_compute_what_they_did() -> None:
    tally = fuzz(pipeline, SEEDS, SEEDS + MANY_SEEDS, near_misses=False)
    assert tally.worst < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("condition", conditions())
def test_near_misses_of_many_seeds_are_left_alone(condition: str) -> None:
    for seed in range(3, 60):
        check_near_miss(near_miss(condition, Seeded(seed)), pipeline, seed)


@pytest.mark.slow
def test_reports_of_many_random_regions() -> None:
    for seed in range(150, 2000):
        _check_report(seed)


def test_a_second_run_changes_nothing() -> None:
    """Passes open sites for one another; one run goes on until none is left."""
    for seed in range(150):
        once = to_model(run_pipeline(load(random_region(seed).model)).graph)
        again = run_pipeline(load(once))
        assert not again.journal.modified, [r.summary for one in again.passes for r in one.rewrites]
