"""One layer through LSEPs: clusters keep their columns, new ones come in, and a run that was resumed goes on alike."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.journal import NEW
from graphmorph.training.adapnet import AdapNetConfig, LayerStatistics, Protection, decide
from graphmorph.training.adapnet.evidence import LayerEvidence
from tests.graphmorph.training.adapnet.streams import batch, subspaces

CONFIG = AdapNetConfig(points=160)
OWNERS: list[int | None] = [0, 0, 1, 2, 2, -1, -1, None]


class Stream:
    """Batches for a layer whose filters have known subspaces."""

    def __init__(self, count: int = 3, noise: float = 0.1) -> None:
        self.random = np.random.default_rng(5)
        self.bases = subspaces(5, self.random)[:count]
        self.noise, self.samples = noise, 0

    def lsep(self, *layers: LayerStatistics, owners: list[int | None] = OWNERS) -> None:
        for _ in range(2):
            maps = batch(self.bases, owners, 20, self.random, self.noise)
            for layer in layers:
                layer.watch(maps, self.samples)
            self.samples += 20


def run(lseps: int, config: AdapNetConfig = CONFIG) -> tuple[LayerStatistics, LayerEvidence]:
    layer, stream = LayerStatistics(8, config), Stream()
    for _ in range(lseps):
        stream.lsep(layer)
        evidence, _ = layer.evaluate(0.9)
    return layer, evidence


def test_filters_of_one_subspace_are_active_in_one_concept_from_lsep_to_lsep() -> None:
    layer, _ = run(3)
    assert layer.activity.is_concept.tolist() == [True] * 3
    raw = layer.activity.raw
    assert raw.sum(axis=1).tolist() == [60.0] * 7 + [0.0]
    own = raw.argmax(axis=1)
    assert own[0] == own[1] != own[2] != own[3] == own[4] != own[0]
    assert raw[:5].max(axis=1).min() >= 57
    assert raw[5:7].max() < 35
    assert layer.state()["clusters.counts"].tolist() == raw.sum(axis=0).tolist()


def test_focused_filters_are_not_uniform_spread_and_dead_ones_are() -> None:
    _, evidence = run(3)
    assert evidence.uniformity[:5].max() < 1e-6
    assert evidence.uniformity[5:7].min() > 1e-4
    assert evidence.uniformity[7] == 1.0
    assert not evidence.distributions[7].any()


def test_new_subspaces_become_new_columns_and_old_ones_keep_theirs() -> None:
    layer, stream = LayerStatistics(8, CONFIG), Stream(5)
    for _ in range(2):
        stream.lsep(layer, owners=[0, 0, 1, 1, 2, 2, 0, None])
        layer.evaluate(0.9)
    before = layer.activity.raw.argmax(axis=1)
    assert layer.activity.raw.shape == (8, 3)
    for _ in range(2):
        stream.lsep(layer, owners=[0, 0, 1, 1, 2, 3, 4, None])
        layer.evaluate(0.9)
    assert layer.activity.raw.shape == (8, 5)
    after = layer.activity.raw.argmax(axis=1)
    assert after[:5].tolist() == before[:5].tolist()
    assert layer.activity.raw[5, 3:].max() >= 38
    assert layer.activity.raw[6, 3:].max() >= 38


def test_it_is_deterministic_and_places_differ() -> None:
    first, again = run(2)[0].state(), run(2)[0].state()
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(LayerStatistics(8, CONFIG, 1).state()["dsc.encoder.weight"], first["dsc.encoder.weight"])


@pytest.mark.parametrize("in_the_middle", [False, True])
def test_a_state_goes_on_as_if_nothing_had_happened(in_the_middle: bool) -> None:
    layer, stream = LayerStatistics(8, CONFIG, 2), Stream()
    stream.lsep(layer)
    layer.evaluate(0.9)
    if in_the_middle:
        stream.lsep(layer)
    saved = layer.state()
    again = LayerStatistics.from_state(saved, CONFIG, 2)
    kept = {name: array.copy() for name, array in saved.items()}
    for _ in range(2):
        stream.lsep(layer, again)
        (one, verdicts), (other, same) = layer.evaluate(0.5), again.evaluate(0.5)
        assert verdicts == same
        assert np.array_equal(one.uniformity, other.uniformity)
        assert np.array_equal(one.cosines, other.cosines)
    assert all(np.array_equal(saved[name], kept[name]) for name in kept)
    final, resumed = layer.state(), again.state()
    assert all(np.array_equal(final[name], resumed[name]) for name in final)


def test_workers_that_add_up_decide_as_one_that_saw_everything() -> None:
    whole, first, second = (LayerStatistics(8, CONFIG) for _ in range(3))
    stream = Stream()
    stream.lsep(whole, first)
    stream.lsep(whole, second)
    first.merge(second)
    (one, verdicts), (other, same) = whole.evaluate(0.9), first.evaluate(0.9)
    assert verdicts == same
    assert np.array_equal(one.uniformity, other.uniformity)
    assert one.cosines == pytest.approx(other.cosines)


def test_filters_change_between_lseps() -> None:
    layer, _ = run(1)
    raw = layer.activity.raw.copy()
    layer.merge_filters(0, 1)
    layer.follow([0, 2, 3, 4, NEW])
    assert np.array_equal(layer.activity.raw[:4], np.stack([(raw[0] + raw[1]) / 2, *raw[2:5]]))
    assert not layer.activity.raw[4].any()
    Stream().lsep(layer, owners=[0, 1, 2, 2, 1])
    assert layer.evaluate(0.9)[0].filters == 5


def test_useless_concepts_go_at_the_end_of_an_epoch() -> None:
    layer, _ = run(1)
    assert layer.end_epoch(0.9) == []
    layer.activity.raw[:, 1] = layer.activity.raw[:, [0, 2]].sum(axis=1)
    assert layer.end_epoch(0.9) == [1]
    assert layer.end_epoch(0.9) == []


def test_a_layer_whose_filters_are_all_dead_says_nothing() -> None:
    layer = LayerStatistics(3, CONFIG)
    layer.watch(np.zeros((4, 3, 5, 5)), 0)
    evidence, verdicts = layer.evaluate(0.9)
    assert verdicts == []
    assert not evidence.tells


def test_only_the_first_samples_are_watched() -> None:
    layer, other = LayerStatistics(8, replace(CONFIG, samples=5)), LayerStatistics(8, CONFIG)
    maps = batch(Stream().bases, OWNERS, 20, np.random.default_rng(0))
    layer.watch(maps, 0)
    other.watch(maps[:5], 0)
    one, two = layer.state(), other.state()
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_without_a_bound_an_lsep_is_refused_and_says_what_to_set() -> None:
    layer = LayerStatistics(8, AdapNetConfig(most_points=50))
    Stream().lsep(layer)
    with pytest.raises(UsageError, match="set `points` to bound what a layer keeps"):
        layer.evaluate(0.9)
    with pytest.raises(UsageError, match="no samples were seen"):
        LayerStatistics(8, CONFIG).evaluate(0.9)


def test_what_an_lsep_decides() -> None:
    """The dead filter goes; the two that do the same become one."""
    layer, stream = LayerStatistics(8, CONFIG), Stream()
    for _ in range(2):
        for _ in range(2):
            maps = batch(stream.bases, OWNERS, 20, stream.random, 0.1)
            maps[:, 1] = 1.5 * maps[:, 0]
            layer.watch(maps, stream.samples)
            stream.samples += 20
        evidence, _ = layer.evaluate(0.9)
    kse = np.array([[0.4] * 8])
    random = np.random.default_rng(0)
    decisions = decide([evidence], kse, Protection(8), "scale", beta=0.9, config=CONFIG, random=random)
    assert [one.filter for one in decisions.prunings] == [7]
    assert (0, 1) in [(one.first, one.second) for one in decisions.mergings]
    for record in decisions.records():
        assert json.loads(json.dumps(record))["decision"] in ("pruning", "merging", "insertion")
        assert record["why"]
